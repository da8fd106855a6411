"""Runs the tests on every backend in separate processes and prints a summary.

.venv/bin/python tests/matrix.py            # all rows
.venv/bin/python tests/matrix.py jax torch  # some rows

`make test-oldest` and `make test-nightly` run the core tests in other environments.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# JAX spends most of the time compiling, so all processes share one compilation cache.
JAX_CACHE = {
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".venv" / "jax-cache"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
SKIP_BACKEND_FREE = ["-m", "not backend_free"]


class Row(NamedTuple):
    """A run of pytest on one backend.

    Attributes:
        name: Name of the row.
        backend: Name of the backend.
        arguments: Arguments of pytest.
        environment: Folder of the virtual environment.
        variables: Further environment variables.
    """

    name: str
    backend: str
    arguments: list[str]
    environment: str = ".venv"
    variables: Mapping[str, str] = {}


ROWS = [
    Row("tensorflow", "tensorflow", ["tests", "--share=0/3"]),
    # The quickstart runs on JAX in the row without TensorFlow.
    Row(
        "jax",
        "jax",
        ["tests", "--ignore=tests/test_quickstart.py", "--share=1/3", *SKIP_BACKEND_FREE],
    ),
    Row("torch", "torch", ["tests", "--share=2/3", *SKIP_BACKEND_FREE]),
    Row(
        "no-tensorflow",
        "jax",
        [
            "tests/test_package.py",
            "tests/test_quickstart.py",
            "tests/losses/test_training.py",
            "tests/calibration/test_initial_logits.py",
            "tests/layers/test_logit_bias_layer.py",
            *SKIP_BACKEND_FREE,
        ],
        ".venv-no-tensorflow",
        {"EXPECT_NO_TENSORFLOW": "1"},
    ),
]
# The core tests also run with the oldest versions and with Keras's nightly build.
CORE = [
    "tests/test_package.py",
    *(f"tests/{folder}" for folder in ("losses", "layers", "theory", "calibration", "training")),
]
OTHER_VERSIONS = [
    Row(f"{version}-{backend}", backend, CORE, f".venv-{version}")
    for version in ("oldest", "nightly")
    for backend in ("tensorflow", "jax", "torch")
]


class Result(NamedTuple):
    """Numbers of tests, and seconds that a row took."""

    passed: int
    failed: int
    skipped: int
    seconds: float


def run(row: Row) -> Result:
    """Runs one row; a process that dies without a report counts as one failure."""
    print(f"\n=== {row.name} " + "=" * (60 - len(row.name)), flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [ROOT / row.environment / "bin" / "python", "-m", "pytest", "-q"]
        command += [
            "-n",
            "2",
            "--dist=worksteal",
            f"--junit-xml={report}",
            "--durations=12",
            "-p",
            "no:cacheprovider",
            *row.arguments,
        ]
        status = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **JAX_CACHE, **row.variables, "KERAS_BACKEND": row.backend},
            check=False,
        ).returncode
        seconds = time.perf_counter() - start
        if not report.exists():
            return Result(0, 1, 0, seconds)
        suite = ElementTree.parse(report).getroot().find("testsuite")
    count = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    if status != 0 or passed == 0:
        failed = max(failed, 1)
    return Result(passed, failed, count["skipped"], seconds)


def main(names: list[str]) -> int:
    known = {row.name: row for row in [*ROWS, *OTHER_VERSIONS]}
    if unknown := set(names) - set(known):
        sys.exit(f"matrix.py: error: unknown rows {sorted(unknown)}; the rows are {list(known)}")
    results = {name: run(known[name]) for name in names or [row.name for row in ROWS]}
    print(f"\n{'row':<16}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name, result in results.items():
        passed, failed, skipped, seconds = result
        print(f"{name:<16}{passed:>8}{failed:>8}{skipped:>9}{seconds:>9.0f}")
    passed, failed, skipped, _ = (sum(column) for column in zip(*results.values(), strict=True))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
