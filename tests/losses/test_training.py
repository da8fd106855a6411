"""Losses in `compile`, `fit`, `evaluate` and `predict`, and in saved models."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from cases import DEFAULTS, FAMILIES, every_loss
from support import BACKEND, label_probability, to_numpy

import keras_noisy

CLASSES = 300
# PyTorch takes minutes to compile a model; other tests compile the losses alone.
JIT = [False] if BACKEND == "torch" else [False, True]


def make_data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, 64)
    return rng.normal(size=(64, 8)).astype("float32"), y


def build_classifier(activation=None):
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    outputs = keras.layers.Dense(CLASSES, activation=activation, dtype="float32")(hidden)
    return keras.Model(inputs, outputs)


def train(model, loss, x, y, **options):
    model.compile(keras.optimizers.Adam(0.02), loss=loss, metrics=["accuracy"], **options)
    return model.fit(x, y, batch_size=32, epochs=3, verbose=0).history


@pytest.mark.parametrize("jit", JIT)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_model_trains_and_is_saved(jit, policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    x, y = make_data()
    model = build_classifier("softmax")
    history = train(model, keras_noisy.MAE(logit_bias="auto"), x, y, jit_compile=jit)
    assert history["loss"][-1] < history["loss"][0] < 2.0
    evaluated = model.evaluate(x, y, verbose=0, return_dict=True)
    predicted = model.predict(x, verbose=0)
    p = predicted[np.arange(64), y].astype("float64")
    c = np.exp(keras_noisy.calibration.logit_bias(CLASSES)) - 1
    expected = np.mean(2 * (1 - p) / (1 + c * p))
    assert evaluated["loss"] == pytest.approx(expected, rel=2e-3)
    assert "accuracy" in evaluated

    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(restored.loss, keras_noisy.MAE)
    assert restored.loss.logit_bias == "auto"
    np.testing.assert_array_equal(restored.predict(x, verbose=0), predicted)
    assert restored.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    restored.fit(x, y, verbose=0)


@every_loss
@pytest.mark.parametrize("jit", JIT)
def test_every_loss_trains(case, jit):
    if jit and case not in FAMILIES:
        pytest.skip("compiling a training step takes long; test_formulas.py compiles the loss")
    x, y = make_data()
    loss = case.make(logit_bias="auto", reduction="sum_over_batch_size")
    history = train(build_classifier(), loss, x, y, jit_compile=jit)
    assert np.all(np.isfinite(history["loss"]))
    assert history["loss"][-1] < history["loss"][0]


def test_one_hot_and_integer_labels_train_alike():
    x, y = make_data()
    histories = []
    for y_true in (y, y[:, np.newaxis], np.eye(CLASSES, dtype="float32")[y]):
        keras.utils.set_random_seed(1)
        histories.append(
            train(
                build_classifier(), keras_noisy.MAE(logit_bias="auto", from_logits=True), x, y_true
            )
        )
    for history in histories[1:]:
        np.testing.assert_allclose(history["loss"], histories[0]["loss"], rtol=1e-4)


def test_ce_trains_as_keras_cross_entropy():
    x, y = make_data()
    histories = []
    for loss in (
        keras_noisy.CE(from_logits=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ):
        keras.utils.set_random_seed(1)
        histories.append(train(build_classifier(), loss, x, y)["loss"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-4)


def test_labels_are_exact_in_fit_with_floatx_bfloat16():
    keras.config.set_floatx("bfloat16")
    labels = np.array([257, 999, 3, 513])
    logits = np.full((4, 1000), -20.0, "float32")
    logits[np.arange(4), labels] = 20.0
    inputs = keras.Input((1000,))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    model.compile("sgd", loss=keras_noisy.CE(from_logits=True))
    assert model.evaluate(logits, labels, verbose=0) < 1e-3


FIT_ERROR = ValueError  # PyTorch trains eagerly
if BACKEND == "tensorflow":
    import tensorflow as tf

    FIT_ERROR = tf.errors.InvalidArgumentError


@pytest.mark.parametrize("y_value", [CLASSES, -1])
def test_label_out_of_range_in_fit(y_value):
    x, y = make_data()
    y[7] = y_value
    model = build_classifier()
    model.compile("sgd", loss=keras_noisy.MAE(logit_bias="auto", from_logits=True))
    if BACKEND == "jax":
        assert np.isnan(model.evaluate(x, y, verbose=0))
        return
    with pytest.raises(FIT_ERROR, match="`y_true` must hold integers"):
        model.evaluate(x, y, verbose=0)
    if BACKEND == "tensorflow":  # XLA can't raise
        model.compile("sgd", loss=model.loss, jit_compile=True)
        assert np.isnan(model.evaluate(x, y, verbose=0))


def test_logits_passed_as_probabilities_in_fit():
    x, y = make_data()
    model = build_classifier()
    model.compile("sgd", loss=keras_noisy.MAE(logit_bias="auto"))
    if BACKEND == "jax":
        assert np.isnan(model.fit(x, y, verbose=0).history["loss"][-1])
        return
    with pytest.raises(FIT_ERROR, match="Set `from_logits=True`"):
        model.fit(x, y, verbose=0)


def test_segmentation_with_ignored_pixels():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 6, 5, 3)).astype("float32")
    y = rng.integers(0, 20, (8, 6, 5))
    y[:, 0] = 255
    model = keras.Sequential([keras.layers.Conv2D(20, 1)])
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True, ignore_class=255)
    model.compile("sgd", loss=loss)
    model.fit(x, y, verbose=0)
    logits, counts = to_numpy(model(x)), y != 255
    p = label_probability(y[counts], logits[counts], loss.logit_bias_for(20))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(np.mean(2 * (1 - p)), rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("ignore_class", [None, 5])
def test_two_replicas_train_as_one(ignore_class):
    x, y = make_data()
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True, ignore_class=ignore_class)
    if ignore_class is not None:
        y[::4] = ignore_class  # equally many on each replica, because Keras averages their means
    keras.utils.set_random_seed(1)
    single = build_classifier()
    strategy = keras_noisy.training.use_devices(count=2).strategy
    with strategy.scope():
        double = build_classifier()
    double.set_weights(single.get_weights())
    histories = []
    for model in (single, double):
        model.compile(keras.optimizers.SGD(0.5), loss=loss)
        histories.append(model.fit(x, y, batch_size=32, epochs=3, verbose=0, shuffle=False))
    np.testing.assert_allclose(
        histories[1].history["loss"], histories[0].history["loss"], rtol=1e-5
    )
    for a, b in zip(single.get_weights(), double.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


LOAD = """
import json, sys
from pathlib import Path
import keras, numpy as np
import keras_noisy
folder = Path(sys.argv[1])
x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
results = {}
for path in folder.glob("*.keras"):
    model = keras.saving.load_model(path)
    results[path.stem] = [model.loss.get_config(), model.evaluate(x, y, verbose=0)]
print(json.dumps(results))
"""


def test_saved_models_load_in_a_new_process(tmp_path):
    x, y = make_data()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    model, expected = build_classifier(), {}
    for case in DEFAULTS:
        loss = case.make(logit_bias="auto", reduction="sum_over_batch_size", ignore_class=-1)
        model.compile("sgd", loss=loss, run_eagerly=True)  # because tracing 18 losses takes long
        model.save(tmp_path / f"{case.loss.__name__}.keras")
        expected[case.loss.__name__] = [loss.get_config(), model.evaluate(x, y, verbose=0)]
    result = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True
    )
    loaded = json.loads(result.stdout.splitlines()[-1])
    assert loaded.keys() == expected.keys()
    for name, (config, value) in expected.items():
        assert loaded[name][0] == json.loads(json.dumps(config)), name
        assert loaded[name][1] == pytest.approx(value, rel=1e-6), name
