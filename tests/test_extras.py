import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keras_noisy._extras import require

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]


def test_installed_package_is_imported():
    assert require("json.decoder", extra="x") is sys.modules["json.decoder"]


def test_missing_package_is_named_in_one_line():
    with pytest.raises(ImportError) as error:
        require("surely_not_installed.part", extra="recipes")
    assert str(error.value) == (
        'surely_not_installed is not installed. Install it with: pip install "keras-noisy[recipes]"'
    )


def test_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_one.py").write_text("from json import nothing_of_that_name")
    (tmp_path / "broken_two.py").write_text("import surely_not_installed")
    for name in ("broken_one", "broken_two"):
        with pytest.raises(ImportError) as error:
            require(name, extra="recipes")
        assert "pip install" not in str(error.value)


def test_missing_backend_is_one_line(tmp_path):
    """Keras's backend is TensorFlow unless KERAS_BACKEND names another one."""
    code = "import sys; sys.modules['tensorflow'] = None; import keras_noisy"
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("KERAS_BACKEND", None)
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.fullmatch(
        r"ImportError: The backend of Keras, tensorflow, is not installed: "
        r"(set the environment variable KERAS_BACKEND=(jax|torch), or )?"
        r'install it with: pip install "keras-noisy\[tensorflow\]"',
        result.stderr.splitlines()[-1],
    ), result.stderr
