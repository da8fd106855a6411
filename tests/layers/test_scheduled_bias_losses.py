"""Losses apply the bias that a `LogitBias` layer gives to the predictions of a training step."""

import copy

import keras
import numpy as np
import pytest
from biased_model import CLASSES, make_data
from cases import every_loss, some_batch
from keras.optimizers.schedules import PolynomialDecay
from support import label_probability, softmax, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy.calibration import logit_bias


def test_each_sample_gets_its_share_of_an_adaptive_bias():
    """The largest bias at step t is 1.2 times the automatic bias times (1 + cos(π t / T)) / 2."""
    labels, logits = some_batch(CLASSES, 8)
    logits = logits * np.linspace(0.0, 8.0, 8, dtype="float32")[:, np.newaxis]
    p = softmax(logits)
    share = np.minimum(1.0, -np.sum(p * np.log(p), axis=-1) / (np.log(CLASSES) - 0.5))
    bias_of_logits = keras_noisy.LogitBias(training_steps=4)
    bias_of_probabilities = keras_noisy.LogitBias(training_steps=4)
    bias_with_labels = keras_noisy.LogitBias(training_steps=4)
    logits_loss = keras_noisy.MAE(logit_bias=bias_of_logits, from_logits=True, reduction=None)
    probabilities_loss = keras_noisy.MAE(logit_bias=bias_of_probabilities, reduction=None)
    plain = keras_noisy.MAE(from_logits=True, reduction=None)
    for step in range(5):
        largest = 1.2 * logit_bias(CLASSES) * (1 + np.cos(np.pi * step / 4)) / 2
        expected = 2 * (1 - label_probability(labels, logits, (largest * share)[:, np.newaxis]))
        for losses in (
            logits_loss(labels, bias_of_logits(logits, training=True)),
            probabilities_loss(labels, bias_of_probabilities(p.astype("float32"), training=True)),
            plain(labels, bias_with_labels(logits, labels=labels, training=True)),
        ):
            np.testing.assert_allclose(to_numpy(losses), expected, rtol=1e-4, atol=1e-6)


@every_loss
def test_every_loss_applies_the_bias_of_the_layer(case):
    labels, logits = some_batch(CLASSES, 8)
    bias = keras_noisy.LogitBias(PolynomialDecay(2.5, 4, 0.0))
    scheduled = case.make(logit_bias=bias)
    for epsilon in (2.5, 1.875):
        constant = case.make(logit_bias=epsilon)
        for result, expected in zip(
            value_and_gradient(lambda z: scheduled(labels, bias(z, training=True)), logits),
            value_and_gradient(lambda z, loss=constant: loss(labels, z), logits),
            strict=True,
        ):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)
    unbiased = to_numpy(case.make()(labels, logits))
    np.testing.assert_allclose(to_numpy(scheduled(labels, bias(logits))), unbiased, rtol=1e-6)


@pytest.mark.parametrize("label_format", ["integers", "one-hot"])
def test_bias_applies_to_probabilities_with_every_label_format(label_format):
    x, y = make_data()
    bias = keras_noisy.LogitBias(3.0, training_steps=4, adaptive=False)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES, "softmax"), bias])
    loss = keras_noisy.GCE(logit_bias=bias)
    model.compile("sgd", loss=loss)
    y_true = y if label_format == "integers" else np.eye(CLASSES, dtype="float32")[y]
    expected = keras_noisy.GCE(logit_bias=3.0)(y, model.predict(x, verbose=0))
    assert model.train_on_batch(x, y_true) == pytest.approx(float(expected), rel=1e-5)


def test_copies_of_a_loss_take_the_bias_of_the_layer():
    bias = keras_noisy.LogitBias(name="bias")
    loss = keras_noisy.MAE(logit_bias=bias)
    assert repr(loss) == "MAE(logit_bias='layer')"
    config = keras.losses.serialize(loss)
    for other in (copy.copy(loss), loss.with_options(name="x"), keras.losses.deserialize(config)):
        assert other.logit_bias == "layer"
    named = keras_noisy.MAE(logit_bias="layer", name=loss.name)
    assert named.get_config() == loss.get_config()
