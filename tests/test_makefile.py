"""The Makefile takes any Python that is new enough."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")


@pytest.mark.skipif(MAKE is None, reason="needs make")
@pytest.mark.parametrize(
    ("good", "bad", "chosen"),
    [
        (["python3.11", "python3.13"], [], "python3.11"),
        (["python3.12", "python3"], ["python3.11"], "python3.12"),
        (["python3.13"], ["python3"], "python3.13"),
        (["python3"], [], "python3"),
        (["python"], ["python3"], "python"),
        ([], ["python3.11", "python3"], None),
        ([], [], None),
    ],
)
def test_chooses_a_python(good, bad, chosen, tmp_path):
    """A bad Python is too old, or a program of pyenv for a version that is not active."""
    for name in good:
        (tmp_path / name).symlink_to(sys.executable)
    for name in bad:
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    outer = ("PYTHON", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {key: value for key, value in os.environ.items() if key not in outer}
    environment["PATH"] = str(tmp_path)
    command = [MAKE, "--dry-run", "test-wheel"]
    made = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if chosen is None:
        assert made.returncode != 0
        (line,) = made.stderr.splitlines()
        assert "Python 3.11 or later is needed. Install it, or name it: make PYTHON=" in line
        command.append("PYTHON=python3.14")
        made = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        chosen = "python3.14"
    assert made.stdout.split() == [chosen, "tests/wheel.py"]
