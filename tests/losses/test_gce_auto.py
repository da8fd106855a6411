"""`GCE(q="auto")` computes its exponent from the number of classes."""

import json

import keras
import numpy as np
import pytest
from cases import one_hot, some_batch
from support import compiled, gradient, tensor, to_numpy

import keras_noisy
from keras_noisy.theory import gce_q

# Exponents that correspond to q = 0.7 with 30 classes, computed with another quadrature.
KNOWN = {50: 0.6169, 100: 0.5320, 200: 0.4681, 500: 0.4041, 1000: 0.3663, 2000: 0.3349}


def auto(**options):
    return keras_noisy.GCE(q="auto", from_logits=True, **options)


@pytest.mark.parametrize("num_classes", KNOWN)
def test_known_values(num_classes):
    assert auto().for_classes(num_classes).q == pytest.approx(KNOWN[num_classes], abs=6e-4)


@pytest.mark.parametrize("num_classes", [2, 10, 30])
def test_few_classes_have_the_default(num_classes):
    assert auto().for_classes(num_classes).q == pytest.approx(0.7)


def test_agrees_with_gce_of_the_computed_exponent():
    labels, logits = some_batch(num_classes=90)
    expected_loss = keras_noisy.GCE(q=gce_q(90, 0.7, 30), from_logits=True)
    for y_true in (labels, one_hot(labels, 90)):
        for options in ({}, {"logit_bias": 1.5}, {"reduction": None}):
            expected = to_numpy(expected_loss.with_options(**options)(y_true, logits))
            np.testing.assert_allclose(
                to_numpy(auto(**options)(y_true, logits)), expected, rtol=1e-6
            )
    np.testing.assert_allclose(
        gradient(lambda z: auto()(labels, z), logits),
        gradient(lambda z: expected_loss(labels, z), logits),
        rtol=1e-5,
        atol=1e-9,
    )


def test_exponent_follows_the_number_of_classes():
    """The loss keeps `q="auto"` and depends on no previous batch."""
    loss = auto(reduction=None)
    for num_classes in (20, 200, 20):
        labels, logits = some_batch(num_classes=num_classes)
        expected_loss = keras_noisy.GCE(
            q=loss.for_classes(num_classes).q, from_logits=True, reduction=None
        )
        expected = to_numpy(expected_loss(labels, logits))
        np.testing.assert_allclose(to_numpy(loss(labels, logits)), expected, rtol=1e-6)
        assert loss.q == "auto"


def test_auto_works_in_sums_and_compiled_graphs():
    labels, logits = some_batch(num_classes=90)
    loss = 2.0 * auto() + keras_noisy.MAE(from_logits=True)
    expected = 2.0 * auto()(labels, logits) + keras_noisy.MAE(from_logits=True)(labels, logits)
    y_true = tensor(labels, "int32")
    for call in (loss, compiled(lambda y, z: loss(y, z))):
        value = float(to_numpy(call(y_true, tensor(logits))))
        assert value == pytest.approx(float(to_numpy(expected)), rel=1e-5)


def test_configuration_keeps_auto():
    loss = auto(logit_bias="auto")
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    restored = keras.losses.deserialize(config)
    assert restored.q == "auto"
    assert restored.get_config() == loss.get_config()
    assert keras_noisy.losses.get({"class_name": "GCE", "config": {"q": "auto"}}).q == "auto"


def test_model_trains_and_is_saved(tmp_path):
    labels, logits = some_batch(num_classes=40, batch=32)
    model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(40)])
    model.compile("adam", loss=auto(), jit_compile=False)
    model.fit(logits, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.loss.q == "auto"
    assert restored.evaluate(logits, labels, verbose=0) == pytest.approx(
        model.evaluate(logits, labels, verbose=0), rel=1e-5
    )


@pytest.mark.parametrize("q", ["Auto", "adaptive", "", None, 0.0])
def test_bad_q(q):
    with pytest.raises(
        ValueError, match=r'`q` must be a number in \(0, 1\].*, or "auto". Received'
    ):
        keras_noisy.GCE(q=q)


def test_other_losses_reject_auto():
    with pytest.raises(ValueError, match=r"`q` must be a number in \(0, 1\]"):
        keras_noisy.NGCE(q="auto")


@keras.saving.register_keras_serializable("tests")
class ScaledGCE(keras_noisy.GCE):
    """A subclass with an attribute that its configuration lacks."""

    def __init__(self, scale=1.0, **options):
        super().__init__(**options)
        self.scale = scale

    def of_log_prob(self, log_prob):
        return self.scale * super().of_log_prob(log_prob)


def test_auto_keeps_what_a_subclass_adds():
    class Unregistered(keras_noisy.GCE):
        pass

    y, z = np.array([1]), np.array([[0.0, 1.0, 2.0]], "float32")
    expected = float(keras_noisy.GCE(q=0.7, from_logits=True)(y, z))  # up to 30 classes
    assert float(Unregistered(q="auto", from_logits=True)(y, z)) == pytest.approx(expected)
    scaled = ScaledGCE(3.0, q="auto", from_logits=True)
    assert float(scaled(y, z)) == pytest.approx(3.0 * expected)
    total = scaled + keras_noisy.GCE(q="auto", from_logits=True)
    assert float(total(y, z)) == pytest.approx(4.0 * expected)
