"""What `import keras_noisy` costs on top of `import keras`.

Starts a fresh interpreter for each measurement, alternating, and prints medians and their difference.

    python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys

CODE = """
import time
import keras
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""
REPETITIONS = 15


def seconds(statement: str) -> float:
    """Time that a statement takes in a new interpreter that has imported Keras."""
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(output.splitlines()[-1])


def main() -> None:
    pairs = [(seconds("import keras_noisy"), seconds("import keras")) for _ in range(REPETITIONS)]
    ours, nothing = (statistics.median(column) for column in zip(*pairs, strict=True))
    worst = max(pair[0] for pair in pairs)
    print(
        f"import keras_noisy after keras: {1e3 * ours:.1f} ms (median), {1e3 * worst:.1f} ms (worst)"
    )
    print(f"import keras again:             {1e3 * nothing:.3f} ms (median)")
    print(f"added by keras_noisy:           {1e3 * (ours - nothing):.1f} ms")


if __name__ == "__main__":
    main()
