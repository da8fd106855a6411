"""`diagnose` reads the logit bias from the `LogitBias` layer of the model."""

import keras
import pytest
from biased_model import count_steps, make_data, make_model

import keras_noisy


def test_diagnose_uses_the_bias_of_the_first_step():
    x, _ = make_data()
    model = make_model(3.0)
    before = count_steps(model)
    diagnosis = keras_noisy.diagnose(model, x, model.loss)
    expected = keras_noisy.diagnose(model, x, model.loss.with_options(logit_bias=3.0))
    assert diagnosis == expected
    assert count_steps(model) == before
    adaptive = make_model(adaptive=True)
    assert "logit_bias='adaptive'" in str(keras_noisy.diagnose(adaptive, x, adaptive.loss))
    without = keras.Model(model.inputs[0], model.get_layer("bias").input)
    with pytest.raises(ValueError, match=r"`model` must have one LogitBias layer.*with 0 of them"):
        keras_noisy.diagnose(without, x, model.loss)
