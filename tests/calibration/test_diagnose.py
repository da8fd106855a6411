import json

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy.calibration import average_error


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((16,)), keras.layers.BatchNormalization(), keras.layers.Dense(1000)]
    )


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(20, 16)).astype("float32")


def get_verdict(model, x, loss):
    return keras_noisy.diagnose(model, x, loss.with_options(from_logits=True)).verdict


def test_verdicts_of_losses(model, x):
    for loss in (
        keras_noisy.CE(),
        keras_noisy.MAE(logit_bias="auto"),
        keras_noisy.GCE(q="auto"),
        keras_noisy.BiTempered(),
    ):
        assert get_verdict(model, x, loss) == "learns", loss
    for loss in (keras_noisy.MAE(), keras_noisy.AUL(), keras_noisy.GCE(), keras_noisy.NCE()):
        assert get_verdict(model, x, loss) == "stalls", loss


def test_numbers_of_the_diagnosis(model, x):
    loss = keras_noisy.MAE(from_logits=True)
    found = keras_noisy.diagnose(model, x, loss)
    logits = keras_noisy.calibration.initial_logits(model, x)
    assert found.num_classes == 1000
    assert (found.logit_mean, found.logit_std) == (logits.mean, logits.std)
    # Estimates the same numbers from a random sample of the logits.
    some = np.random.default_rng(0).choice(logits.values.ravel(), 400) - logits.mean
    for error, classes in ((found.error, 1000), (found.reference_error, 10)):
        errors = average_error(loss, some, classes, logits.std)
        assert abs(error - errors.mean()) < 4.5 * errors.std() / 20
    assert found.ratio == found.error / found.reference_error
    assert 1 / 130 < found.ratio < 1 / 80
    assert found.pulling_share < 0.02


def test_cross_entropy_pulls_at_all_logits(model, x):
    found = keras_noisy.diagnose(model, x, keras_noisy.CE(from_logits=True))
    assert found.pulling_share == 1.0


def test_suggested_changes_have_the_stated_effect(model, x):
    found = keras_noisy.diagnose(model, x, keras_noisy.GCE(from_logits=True))
    bias, exponent = found.changes
    assert bias.setting == "logit_bias=4.84"
    assert exponent.setting.startswith("q=0.")
    for change, options in (
        (bias, {"logit_bias": 4.84}),
        (exponent, {"q": float(exponent.setting.removeprefix("q="))}),
    ):
        after = keras_noisy.diagnose(model, x, keras_noisy.GCE(from_logits=True, **options))
        assert after.verdict == change.verdict == "learns"
        assert after.error / found.reference_error == pytest.approx(change.ratio, rel=1e-2)
        assert after.changes == ()


def test_neither_a_bias_nor_a_weight_helps_nce(model, x):
    for weight in (1.0, 250.0):
        found = keras_noisy.diagnose(model, x, weight * keras_noisy.NCE(from_logits=True))
        assert found.verdict == "stalls"
        assert found.changes == ()


@pytest.mark.parametrize("bias", [-5.0, 15.0, 40.0])
def test_bias_that_is_too_large_or_negative_stalls(model, x, bias):
    """The reference has no bias, because such a bias would be as harmful with 10 classes."""
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    found = keras_noisy.diagnose(model, x, loss)
    assert found.verdict == "stalls"
    assert found.changes[0].setting == "logit_bias=4.84"


def test_loss_of_opposite_sign_stalls(model, x):
    class NegatedCE(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return -keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

    found = keras_noisy.diagnose(model, x, NegatedCE())
    assert (found.verdict, found.ratio, found.pulling_share) == ("stalls", 0.0, 0.0)
    assert "will stall" in str(found)


def test_subclass_keeps_its_hyperparameters(model, x):
    class CustomGCE(keras_noisy.GCE):
        def __init__(self, extra=1, **options):
            super().__init__(**options)
            self.extra = extra

        def get_config(self):
            return {**super().get_config(), "extra": self.extra}

    found = keras_noisy.diagnose(model, x, CustomGCE(from_logits=True))
    assert [change.setting for change in found.changes] == ["logit_bias=4.84"]


def test_diagnosis_as_text_and_dictionary(model, x):
    found = keras_noisy.diagnose(model, x, keras_noisy.MAE(from_logits=True))
    text = str(found)
    assert text.startswith("MAE(from_logits=True) with 1000 classes")
    pull = f"the mean pull is 1/{1 / found.ratio:.0f} of what it is with 10 classes"
    assert f"will stall with SGD: {pull}" in text
    assert "logit_bias=4.84 (will learn" in text
    data = json.loads(json.dumps(found.to_dict()))
    assert data["verdict"] == "stalls"
    assert data["changes"][0]["setting"] == "logit_bias=4.84"


def test_verdict_depends_on_the_optimizer(model, x):
    loss = keras_noisy.MAE(from_logits=True)
    found = {
        name: keras_noisy.diagnose(model, x, loss, optimizer)
        for name, optimizer in {
            "SGD": None,
            "Adam": "adam",
            "AdamW": keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW()),
            "Lion": keras.optimizers.Lion(),
            "RMSprop": "rmsprop",
            "Adagrad": "adagrad",
        }.items()
    }
    assert {name: each.optimizer for name, each in found.items()} == {name: name for name in found}
    verdicts = {name for name, each in found.items() if each.verdict == "stalls"}
    assert verdicts == {"SGD", "RMSprop", "Adagrad"}
    assert all(each.ratio == found["SGD"].ratio for each in found.values())
    assert "will learn with Adam: the mean pull is 1/" in str(found["Adam"])
    assert found["Adam"].changes == ()
    # A constant bias would make a network memorise that learns with a falling one as well.
    assert [c.setting for c in found["RMSprop"].changes] == [
        "keras_noisy.LogitBias(training_steps=...)"
    ]


def test_adam_stalls_where_gradients_are_smaller_than_its_epsilon(model, x):
    loss = keras_noisy.MAE(from_logits=True)
    for epsilon, verdict in ((1e-7, "learns"), (1e-3, "stalls")):
        optimizer = keras.optimizers.Adam(epsilon=epsilon)
        assert keras_noisy.diagnose(model, x, loss, optimizer).verdict == verdict


@pytest.mark.parametrize("optimizer", ["unknown", 3, keras.optimizers.Optimizer(0.1)])
def test_unknown_optimizer(model, x, optimizer):
    with pytest.raises(ValueError, match="`optimizer` must be an optimizer of Keras or its name"):
        keras_noisy.diagnose(model, x, keras_noisy.MAE(from_logits=True), optimizer)


def test_losses_of_keras_and_of_users(model, x):
    ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert keras_noisy.diagnose(model, x, ce).verdict == "learns"
    probabilities = keras.Sequential([model, keras.layers.Softmax()])
    found = keras_noisy.diagnose(probabilities, x, keras.losses.MeanAbsoluteError())
    assert found.loss == "MeanAbsoluteError"
    assert found.verdict == "stalls"
    # Its gradient has a factor of 1/K for every logit, so a bias alone does not help.
    assert found.ratio < 1e-3

    class CustomCE(keras.losses.Loss):
        """A loss of logits without `from_logits`, and of labels of shape (batch, 1)."""

        def call(self, y_true, y_pred):
            label = keras.ops.cast(y_true, "int32")
            return -keras.ops.take_along_axis(keras.ops.log_softmax(y_pred), label, axis=-1)[:, 0]

    assert keras_noisy.diagnose(model, x, CustomCE()).error == pytest.approx(
        keras_noisy.diagnose(model, x, ce).error, rel=1e-3
    )


def test_model_is_not_changed(model, x):
    before = [np.array(w) for w in model.get_weights()]
    keras_noisy.diagnose(model, x, keras_noisy.MAE(from_logits=True))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_bad_input(model, x):
    with pytest.raises(
        ValueError, match=r"`loss` must be an instance of keras.losses.Loss.* Received: loss='mae'"
    ):
        keras_noisy.diagnose(model, x, "mae")
    with pytest.raises(ValueError, match="returns logits: set from_logits=True"):
        keras_noisy.diagnose(model, x, keras_noisy.MAE())
    probabilities = keras.Sequential([model, keras.layers.Softmax()])
    with pytest.raises(ValueError, match="returns probabilities: set from_logits=False"):
        keras_noisy.diagnose(probabilities, x, keras_noisy.MAE(from_logits=True))
    sigmoid = keras.Sequential([model, keras.layers.Activation("sigmoid")])
    with pytest.raises(ValueError, match=r"`model` must return logits.* not those of a sigmoid"):
        keras_noisy.diagnose(sigmoid, x, keras.losses.BinaryCrossentropy())
    large = keras.Sequential([model, keras.layers.Rescaling(200.0)])
    with pytest.raises(ValueError, match=r"`model` must return logits of an untrained network"):
        keras_noisy.diagnose(large, x, keras_noisy.MAE(from_logits=True))
