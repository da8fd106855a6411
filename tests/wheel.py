"""Installs the wheel into empty environments and tries it there, as a new user would.

make build && make test-wheel          # on each backend
python3.11 tests/wheel.py jax torch    # on some

What is seen: the wheel alone brings Keras and NumPy, and what they bring, but nothing else; with a
backend, the command answers, and the first example of the README runs.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ["tensorflow", "jax", "torch"]

# Which distributions are installed, and which of them the wheel, Keras and NumPy ask for.
NOTHING_MORE = """
import re
from importlib.metadata import distributions

def name(requirement):
    return re.match(r"[\\w.-]+", requirement)[0].lower().replace("_", "-")

needs = {
    name(d.metadata["Name"]): {name(r) for r in d.requires or [] if "extra ==" not in r}
    for d in distributions()
}
assert needs["keras-noisy"] == {"keras", "numpy"}, needs["keras-noisy"]
wanted, new = set(), {"keras-noisy"}
while new:
    wanted |= new
    new = {r for n in new for r in needs.get(n, ())} - wanted
found = set(needs) - {"pip", "setuptools"}
assert found <= wanted, found - wanted
print(f"the wheel brings {', '.join(sorted(found - {'keras-noisy'}))}")
"""


def try_wheel(wheel: Path, backend: str) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        variables = {**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": folder}
        variables["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow greets at length

        def python(what: str, *arguments: str) -> None:
            start = time.perf_counter()
            command = [environment / "bin" / "python", *arguments]
            subprocess.run(command, cwd=folder, env=variables, check=True)
            print(f"--- {backend}: {what}, {time.perf_counter() - start:.0f} s", flush=True)

        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        tested = ("--constraint", str(ROOT / "constraints.txt"))
        python("the wheel is installed", *pip, *tested, str(wheel))
        python("nothing more than it needs", "-c", NOTHING_MORE)
        python("the extras are installed", *pip, *tested, f"{wheel}[{backend},recipes]")
        python("the command", "-m", "keras_noisy")
        python("the README's example", "-c", example)


def main(backends: list[str]) -> None:
    wheels = list((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(
            f"wheel.py: error: there must be one wheel in dist/ (`make build`), found {wheels}"
        )
    for backend in backends or BACKENDS:
        try_wheel(wheels[0], backend)


if __name__ == "__main__":
    main(sys.argv[1:])
