"""Models that earlier versions saved load, compute what they computed, and go on training."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from saved_models.make import behaviour

import keras_noisy  # noqa: F401  registers the losses and layers

FOLDER = Path(__file__).with_name("saved_models")
FILES = sorted(FOLDER.glob("*/*.keras"))


def test_there_are_models_of_an_earlier_version():
    assert len(FILES) >= 25


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_saved_model_goes_on_as_it_did(path):
    expected = json.loads(path.with_name("expected.json").read_text())[path.stem]
    found = behaviour(keras.saving.load_model(path))
    np.testing.assert_allclose(found["evaluated"], expected["evaluated"], rtol=1e-4)
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-4)
