"""`LogitBias` with weights of other models, with losses that ignore it, and in inner models."""

import keras
import numpy as np
import pytest
from biased_model import CLASSES, fit, make_data, make_model

import keras_noisy
from keras_noisy import LogitBias


def network(*layers):
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES, name="head"), *layers])


LAYERS = {
    "without": lambda: [],
    "constant": lambda: [LogitBias(2.0, name="bias")],
    "scheduled": lambda: [LogitBias(training_steps=8, name="bias")],
    "class-wise": lambda: [LogitBias(name="bias")],
    "both": lambda: [LogitBias(training_steps=8, adaptive="class", name="bias")],
}


@pytest.mark.parametrize("saved", LAYERS)
@pytest.mark.parametrize("loading", [*LAYERS][1:])
def test_weights_load_into_a_layer_of_another_kind(saved, loading, tmp_path):
    source, target = network(*LAYERS[saved]()), network(*LAYERS[loading]())
    source.build((None, 6))
    if has_step := saved in ("scheduled", "both"):
        source.get_layer("bias").step.assign(3)
    if has_probs := saved in ("class-wise", "both"):
        source.get_layer("bias").class_probs.assign([0.5] * CLASSES)
    source.save_weights(tmp_path / "model.weights.h5")
    target.load_weights(tmp_path / "model.weights.h5")
    kernels = (
        keras.ops.convert_to_numpy(model.get_layer("head").kernel) for model in (source, target)
    )
    np.testing.assert_array_equal(*kernels)
    layer = target.get_layer("bias")
    if loading in ("scheduled", "both"):
        assert int(layer.step) == (3 if has_step else 0)
    if loading in ("class-wise", "both"):
        probs = keras.ops.convert_to_numpy(layer.class_probs)
        np.testing.assert_allclose(probs, 0.5 if has_probs else 1 / CLASSES)


def test_step_has_the_integer_type_of_keras():
    """XLA has no int32 variables on the GPUs of TensorFlow."""
    model = make_model()
    assert model.get_layer("bias").step.dtype == keras.optimizers.SGD().iterations.dtype


def test_layer_without_a_listening_loss_warns_once():
    x, y = make_data()
    model = network(LogitBias(2.0, name="bias"))
    model.compile("sgd", keras_noisy.MAE(from_logits=True))
    with pytest.warns(UserWarning, match="LogitBias layer 'bias' has no effect"):
        model.fit(x, y, verbose=0)
    model.compile("sgd", keras_noisy.MAE(from_logits=True))
    model.fit(x, y, verbose=0)  # a second warning would be an error


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")
def test_output_without_a_loss_does_not_affect_other_calls():
    x, y = make_data()
    inputs = keras.Input((6,))
    layers = [LogitBias(training_steps=8, name=name) for name in "ab"]
    outputs = [layer(keras.layers.Dense(CLASSES)(inputs)) for layer in layers]
    loss = keras_noisy.MAE(logit_bias=layers[0], from_logits=True)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", [loss, None])
    model.fit(x, [y, y], verbose=0)
    logits = np.zeros((4, CLASSES), "float32")
    for _ in range(2):
        assert float(loss(y[:4], logits)) == pytest.approx(2.0 * (1 - 1 / CLASSES), rel=1e-5)


def test_diagnose_finds_the_layer_of_an_inner_model():
    x, _ = make_data()
    bias = LogitBias(training_steps=8)
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    inner = network(bias)
    inputs = keras.Input((6,))
    outer = keras.Model(inputs, inner(inputs))
    verdicts = {keras_noisy.diagnose(model, x, loss).verdict for model in (inner, outer)}
    assert verdicts == {"learns"}


def test_restart_begins_the_schedule_again(tmp_path):
    model = make_model()
    first = fit(model).history["logit_bias"]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    other = keras.models.Sequential(model.layers)
    other.compile("sgd", loss=model.loss)
    for again in (loaded, other):
        with pytest.warns(UserWarning, match="schedule of the LogitBias layer 'bias' is over"):
            again.fit(*make_data(), verbose=0)
    model.get_layer("bias").restart()
    assert fit(model).history["logit_bias"] == pytest.approx(first)
