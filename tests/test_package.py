"""The package as a whole: its exports and its imports."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

import keras_noisy

PRINT_NEW_IMPORTS = """
import json, sys
import keras
before = set(sys.modules)
import keras_noisy
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


def test_public_names_exist():
    for name in keras_noisy.__all__:
        assert getattr(keras_noisy, name) is not None


def test_import_loads_no_further_packages():
    """Other backends, plotting and data sets are imported where they are used.

    NumPy is allowed, because NumPy 1 imports some of its modules late.
    """
    result = subprocess.run(
        [sys.executable, "-c", PRINT_NEW_IMPORTS],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    third_party = set(json.loads(result.stdout.splitlines()[-1])) - set(sys.stdlib_module_names)
    assert third_party - {"numpy"} == {"keras_noisy"}


@pytest.mark.parametrize("name", ["CE", "MAE", "GCE"])
def test_losses_are_exported_at_the_top(name):
    assert getattr(keras_noisy, name) is getattr(keras_noisy.losses, name)
    assert issubclass(getattr(keras_noisy, name), keras.losses.Loss)


@pytest.mark.skipif(
    "EXPECT_NO_TENSORFLOW" not in os.environ, reason="for the row without TensorFlow"
)
def test_tensorflow_is_not_installed():
    """The row without TensorFlow is meaningless if TensorFlow is installed."""
    assert importlib.util.find_spec("tensorflow") is None
