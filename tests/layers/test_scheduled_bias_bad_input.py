"""Bad arguments of `LogitBias` raise errors, and schedules out of range give NaN."""

import keras
import numpy as np
import pytest
from biased_model import CLASSES
from cases import some_batch
from keras.optimizers.schedules import CosineDecay, PolynomialDecay
from support import to_numpy

import keras_noisy


def test_bad_arguments_raise_errors():
    steps = r"`training_steps` must be None or an integer of at least 1.*Received: training_steps="
    for bad in (0, -3, 2.5, True, "10"):
        with pytest.raises(ValueError, match=steps):
            keras_noisy.LogitBias(training_steps=bad)
    with pytest.raises(ValueError, match=r"`training_steps` must be None for a `logit_bias`"):
        keras_noisy.LogitBias(CosineDecay(1.0, 5), training_steps=5)
    for options in ({"training_steps": 5}, {"adaptive": True}):
        with pytest.raises(
            ValueError, match=r"`logit_bias` must not be negative.*Received: logit_bias=-1"
        ):
            keras_noisy.LogitBias(-1.0, **options)
    with pytest.raises(
        ValueError, match=r'`adaptive` must be "class", "sample", False or None.*Received'
    ):
        keras_noisy.LogitBias(adaptive="auto")
    with pytest.raises(ValueError, match=r"`logit_bias` must be .*a LogitBias layer.*Received"):
        keras_noisy.MAE(logit_bias=keras.layers.Dense(3))
    loss = keras_noisy.MAE(logit_bias="layer")
    with pytest.raises(ValueError, match="one number is needed"):
        loss.logit_bias_for(10)


def test_schedule_may_fall_below_0_by_rounding_errors():
    labels, logits = some_batch(CLASSES, 4)
    bias = keras_noisy.LogitBias(PolynomialDecay(1e-4, 1, -1e-6))
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    unbiased = to_numpy(loss(labels, bias(logits)))
    for _ in range(3):
        assert to_numpy(loss(labels, bias(logits, training=True))) == pytest.approx(unbiased, 1e-3)


@pytest.mark.parametrize("start", [-1.0, 61.0])
def test_schedule_out_of_range_gives_nan(start):
    labels, logits = some_batch(CLASSES, 4)
    bias = keras_noisy.LogitBias(PolynomialDecay(start, 4, 0.0))
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    assert np.isnan(float(loss(labels, bias(logits, training=True))))
