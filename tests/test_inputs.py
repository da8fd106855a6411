"""Inputs in memory, in every form that Keras takes: all functions read the same samples."""

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy import cleaning
from keras_noisy._inputs import read_inputs
from keras_noisy.calibration import initial_logits
from keras_noisy.datasets import ShuffledBatches
from keras_noisy.training import LabelNoiseMonitor, memorised

CLASSES = 3
RNG = np.random.default_rng(0)
TRUE = np.arange(24) % CLASSES
NOISY = np.where(np.arange(24) % 5 == 0, (TRUE + 1) % CLASSES, TRUE)
X = np.eye(CLASSES, dtype="float32")[TRUE] + RNG.random((24, CLASSES), "float32") / 10


def frame(x):
    """A table whose index is not in the order of its rows."""
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(x, index=np.random.default_rng(1).permutation(len(x)))


FORMS = {
    "table": frame,
    "dictionary": lambda x: {"a": x, "b": frame(x)},
    "list of arrays": lambda x: [x, x],
    "tensor": keras.ops.convert_to_tensor,
    "list of numbers": lambda x: x.tolist(),
}


def build(form):
    """A network that averages its inputs, with identity weights."""
    if form == "dictionary":
        inputs = {name: keras.Input((CLASSES,), name=name) for name in "ab"}
        total = keras.layers.Average()([inputs["a"], inputs["b"]])
    elif form == "list of arrays":
        inputs = [keras.Input((CLASSES,)) for _ in "ab"]
        total = keras.layers.Average()(inputs)
    else:
        inputs = total = keras.Input((CLASSES,))
    outputs = keras.layers.Dense(CLASSES, kernel_initializer="identity")(total)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), keras_noisy.MAE(from_logits=True))
    return model


def measure(form, x, folder):
    """Returns what each function that takes inputs computes from them."""
    model = build(form)
    monitor = LabelNoiseMonitor((x, NOISY, TRUE), test=(x, TRUE), max_samples=10)
    audit = cleaning.AuditLabels(x, NOISY, folder, from_logits=True)
    # The samples of the first batch make a difference: a permutation would change the result.
    history = model.fit(
        ShuffledBatches(x, NOISY, 7, seed=1), shuffle=False, callbacks=[monitor, audit], verbose=0
    )
    return {
        "fit": np.concatenate([history.history[key] for key in sorted(history.history)]),
        "out_of_fold": cleaning.out_of_fold(
            lambda steps: build(form), x, NOISY, folds=2, epochs=1, verbose=0
        ),
        "memorised": memorised(build(form), x, noisy_labels=NOISY, true_labels=TRUE),
        "initial_logits": initial_logits(build(form), x, batch_size=10).values,
        "explain": keras_noisy.explain(model, x, NOISY, batch_size=10).value,
        "audit": audit.results.suspicious.doubts,
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return measure("array", X, tmp_path_factory.mktemp("array"))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_inputs_gives_the_same_results(form, expected, tmp_path):
    results = measure(form, FORMS[form](X), tmp_path)
    for name, value in expected.items():
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (np.zeros((0, 3)), "ndarray with 0 samples"),
        ({}, "dict with 0 samples"),
        ([np.zeros(3), np.zeros(4)], "list with 3 and 4 samples"),
        (5, "int with 0 samples"),
        (iter([1, 2]), "list_iterator with 0 samples"),
    ],
)
@pytest.mark.backend_free
def test_bad_inputs_are_named(x, received):
    with pytest.raises(ValueError, match=f"`x` must be an array.*Received: {received}"):
        read_inputs("x", x)
