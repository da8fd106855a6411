"""The package as a whole: what it exports, and what importing it costs."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import pytest

import keras_noisy

ADDED = """
import json, sys
import keras
before = set(sys.modules)
import keras_noisy
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


def test_public_names():
    for name in keras_noisy.__all__:
        assert getattr(keras_noisy, name) is not None


def test_import_brings_nothing_but_the_package_itself():
    """No backend but Keras's own, no plotting, no data sets: they are imported where they are used.

    (NumPy 1 has parts that it imports late itself.)
    """
    result = subprocess.run(
        [sys.executable, "-c", ADDED], capture_output=True, text=True, check=True, timeout=300
    )
    third_party = set(json.loads(result.stdout.splitlines()[-1])) - set(sys.stdlib_module_names)
    assert third_party - {"numpy"} == {"keras_noisy"}


@pytest.mark.parametrize("name", ["CE", "MAE", "GCE"])
def test_losses_stand_at_the_top(name):
    assert getattr(keras_noisy, name) is getattr(keras_noisy.losses, name)
    assert issubclass(getattr(keras_noisy, name), keras.losses.Loss)


@pytest.mark.skipif(
    "EXPECT_NO_TENSORFLOW" not in os.environ, reason="for the row without TensorFlow"
)
def test_tensorflow_is_not_installed():
    """Or the row that shows that all works without it would show nothing."""
    assert importlib.util.find_spec("tensorflow") is None
