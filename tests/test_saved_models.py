"""Models saved by earlier versions load, give the same results and train as before."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from saved_models.make import behaviour

import keras_noisy  # noqa: F401  registers losses and layers

FOLDER = Path(__file__).with_name("saved_models")
FILES = sorted(FOLDER.glob("*/*.keras"))


def test_saved_models_are_found():
    assert len(FILES) >= 25


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_saved_model_evaluates_and_trains_as_before(path):
    expected = json.loads(path.with_name("expected.json").read_text())[path.stem]
    found = behaviour(keras.saving.load_model(path))
    np.testing.assert_allclose(found["evaluated"], expected["evaluated"], rtol=1e-4)
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-4)
