"""Installs the wheel into empty environments and tests it there.

make build && make test-wheel          # all backends
python3 tests/wheel.py jax torch       # some backends

The wheel alone must install nothing but Keras, NumPy and their dependencies. With a backend, the
command and the first example of the README must run.
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

# Fails if a distribution is installed that neither the wheel nor its dependencies require.
CHECK_DISTRIBUTIONS = """
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
print(f"the wheel installs {', '.join(sorted(found - {'keras-noisy'}))}")
"""


def check_wheel(wheel: Path, backend: str) -> None:
    """Installs the wheel in a new environment and tests it with one backend."""
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        variables = {**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": folder}
        variables["TF_CPP_MIN_LOG_LEVEL"] = "3"  # hides TensorFlow's log messages

        def run_python(step: str, *arguments: str) -> None:
            start = time.perf_counter()
            command = [environment / "bin" / "python", *arguments]
            subprocess.run(command, cwd=folder, env=variables, check=True)
            print(f"--- {backend}: {step}, {time.perf_counter() - start:.0f} s", flush=True)

        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        tested = ("--constraint", str(ROOT / "constraints.txt"))
        run_python("install the wheel", *pip, *tested, str(wheel))
        run_python("check the distributions", "-c", CHECK_DISTRIBUTIONS)
        run_python("install the extras", *pip, *tested, f"{wheel}[{backend},recipes]")
        run_python("run the command", "-m", "keras_noisy")
        run_python("run the README's example", "-c", example)


def main(backends: list[str]) -> None:
    wheels = list((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(
            f"wheel.py: error: there must be one wheel in dist/ (`make build`), found {wheels}"
        )
    for backend in backends or BACKENDS:
        check_wheel(wheels[0], backend)


if __name__ == "__main__":
    main(sys.argv[1:])
