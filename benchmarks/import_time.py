"""How long does `import keras_noisy` take after `import keras`?

Starts a new interpreter for each measurement, alternates between both sides, and prints medians and
their difference.

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


def measure_seconds(statement: str) -> float:
    """Measures a statement in a new interpreter that has imported Keras."""
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(output.splitlines()[-1])


def main() -> None:
    """Measures both sides in turn and prints the medians."""
    pairs = [
        (measure_seconds("import keras_noisy"), measure_seconds("import keras"))
        for _ in range(REPETITIONS)
    ]
    ours, keras_again = (statistics.median(column) for column in zip(*pairs, strict=True))
    worst = max(pair[0] for pair in pairs)
    print(
        f"import keras_noisy after keras: {1e3 * ours:.1f} ms (median), "
        f"{1e3 * worst:.1f} ms (worst)"
    )
    print(f"import keras again:             {1e3 * keras_again:.3f} ms (median)")
    print(f"added by keras_noisy:           {1e3 * (ours - keras_again):.1f} ms")


if __name__ == "__main__":
    main()
