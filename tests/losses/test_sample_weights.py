"""`sample_weight` and `class_weight` of `fit`, for all label formats and leading axes."""

import keras
import numpy as np
import pytest
from cases import every_family
from support import softmax, to_numpy

import keras_noisy

CLASSES = 5
WEIGHTS = np.linspace(0.5, 2.5, CLASSES).astype("float32")


def make_data(leading):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, *leading, CLASSES)).astype("float32")
    return logits, rng.integers(0, CLASSES, (6, *leading))


def fit(loss, x, y, run_eagerly, **weights):
    """Returns the loss of one step of a model that returns its input."""
    head = keras.layers.Dense(CLASSES, kernel_initializer="identity")
    model = keras.Sequential([keras.Input(x.shape[1:]), head])
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=run_eagerly)
    return model.fit(x, y, batch_size=len(x), verbose=0, **weights).history["loss"][0]


@every_family
@pytest.mark.parametrize("leading", [(), (3,), (2, 4)], ids=["BK", "BTK", "BHWK"])
def test_weights_in_fit(case, leading):
    """Steps of one family with integer labels are compiled; others are not, to save time."""
    x, y = make_data(leading)
    losses = to_numpy(case.make()(y, x))
    loss = case.make(reduction="sum_over_batch_size")
    each_sample = np.linspace(0.1, 2.0, len(x)).reshape(-1, *(1 for _ in leading))
    weightings = {"sample_weight": [WEIGHTS[y], each_sample.astype("float32")]}
    if leading == ():  # Keras supports it for one label per sample only
        weightings["class_weight"] = [dict(enumerate(WEIGHTS.tolist()))]
    for y_true in (y, y[..., np.newaxis], np.eye(CLASSES, dtype="float32")[y]):
        for argument, values in weightings.items():
            for value in values:
                weights = WEIGHTS[y] if argument == "class_weight" else value
                run_eagerly = y_true is not y or case.loss is not keras_noisy.MAE
                weighted = fit(loss, x, y_true, run_eagerly, **{argument: value})
                assert weighted == pytest.approx(np.mean(losses * weights), rel=1e-5)


@pytest.mark.parametrize("by", ["sample_weight", "class_weight"])
def test_weights_that_keras_would_give_to_other_labels_are_an_error(by):
    """With as many samples as steps in time, Keras would multiply without an error."""
    x, y = make_data((6,))
    weights = {
        "sample_weight": np.ones(6, "float32"),
        "class_weight": dict(enumerate(WEIGHTS.tolist())),
    }
    with pytest.raises(ValueError, match=r"`sample_weight` must have one number for each label"):
        fit(keras_noisy.MAE(from_logits=True), x, y, False, **{by: weights[by]})
    loss = keras_noisy.MAE()
    assert float(loss(y, softmax(x), sample_weight=2.0)) == pytest.approx(
        2.0 * float(loss(y, softmax(x))), rel=1e-5
    )
