"""`LogitAdjustment` adds tau log prior to the logits in training, and nothing at inference."""

import json

import keras
import numpy as np
import pytest
from cases import every_family, one_hot, some_batch
from support import BACKEND, tensor, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy.layers import ClassHead

CLASSES, BATCH, TAU = 12, 8, 1.5
COUNTS = np.geomspace(100, 3, CLASSES).round().astype(int)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4 * BATCH, 6)).astype("float32")
Y = RNG.integers(0, CLASSES, len(X))
JITS = {"tensorflow": [False, True], "jax": [True], "torch": [False]}[BACKEND]


def log_prior(counts=COUNTS):
    """Returns tau times the logarithm of the shares of the classes, in float64."""
    shares = [count / sum(counts.tolist()) for count in counts.tolist()]
    return TAU * np.log(np.array(shares))


def make_layer(**options):
    return keras_noisy.LogitAdjustment(COUNTS, **{"tau": TAU, **options})


def train(layers, loss, jit=JITS[0], epochs=2, **options):
    """Trains a small classifier with the given last layers; returns history, weights, model."""
    keras.utils.set_random_seed(0)
    first = keras.layers.Dense(6, activation="tanh", name="first")
    model = keras.Sequential([keras.Input((6,)), first, *layers()])
    model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=jit)
    history = model.fit(X, Y, BATCH, epochs, shuffle=False, verbose=0, **options).history
    return history, [to_numpy(weight) for weight in model.trainable_weights], model


def dense(**options):
    return keras.layers.Dense(CLASSES, name="logits", **options)


def assert_same_training(first, second, rtol=1e-5):
    for name in first[0]:
        np.testing.assert_allclose(first[0][name], second[0][name], rtol=rtol)
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


@every_family
@pytest.mark.parametrize("bias", [None, 2.0])
def test_value_and_gradient_agree_with_the_reference(case, bias):
    labels, logits = some_batch(CLASSES)
    layer, loss = make_layer(), case.make(logit_bias=bias)
    expected = case.reference(labels, logits + log_prior(), bias or 0.0)
    unadjusted = case.reference(labels, logits, bias or 0.0)
    for y_true in (labels, labels[:, np.newaxis], one_hot(labels, CLASSES)):
        for training, (values, slopes) in ((True, expected), (False, unadjusted)):
            result = value_and_gradient(
                lambda z, y=y_true, t=training: loss(y, layer(z, training=t)), logits
            )
            np.testing.assert_allclose(result[0], values, rtol=1e-5)
            np.testing.assert_allclose(result[1], slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_output_is_float32_and_at_inference_equal_to_the_input(dtype):
    logits = tensor(RNG.normal(size=(2, 3, CLASSES)), dtype)
    layer = make_layer()
    for training in (True, False):
        output = layer(logits, training=training)
        assert keras.backend.standardize_dtype(output.dtype) == "float32"
        expected = to_numpy(logits) + training * log_prior()
        np.testing.assert_allclose(to_numpy(output), expected, rtol=1e-6, atol=1e-6 * training)


def test_no_strength_and_equal_counts_change_nothing():
    loss = keras_noisy.MAE(from_logits=True, logit_bias=2.0)
    expected = train(lambda: [dense()], loss)
    for layer in (make_layer(tau=0.0), keras_noisy.LogitAdjustment([7] * CLASSES)):
        assert_same_training(train(lambda layer=layer: [dense(), layer], loss), expected, 1e-4)


# PyTorch's compiler triggers the warning where its graph breaks.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize(
    ("options", "jit"),
    [({}, True), ({"training_steps": 5}, JITS[0]), ({"logit_bias": 2.0}, JITS[0])],
    indirect=["jit"],
)
def test_order_of_bias_and_adjustment_makes_no_difference(options, jit):
    results = []
    for turn in (1, -1):
        bias = keras_noisy.LogitBias(**options)
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        layers = [make_layer(), bias][::turn]
        results.append(
            train(lambda layers=layers: [dense(), *layers], loss, jit, validation_data=(X, Y))
        )
    assert_same_training(*results)
    history, _, model = results[0]
    logits = model.predict(X, verbose=0)
    unadjusted = keras.Model(model.inputs, model.get_layer("logits").output)
    np.testing.assert_allclose(unadjusted.predict(X, verbose=0), logits, rtol=1e-4, atol=1e-6)
    unbiased = keras_noisy.MAE(from_logits=True)
    assert history["val_loss"][-1] == pytest.approx(float(unbiased(Y, logits)), rel=1e-5)


@pytest.mark.parametrize(
    ("use_bias", "logits_in_training", "with_bias", "jit"),
    [(True, True, False, JITS[0]), (False, False, False, JITS[0]), (True, False, True, JITS[-1])],
)
def test_class_head_is_adjusted_chunk_by_chunk(use_bias, logits_in_training, with_bias, jit):
    results = []
    for head in (
        lambda: dense(use_bias=use_bias),
        lambda: ClassHead(CLASSES, 5, use_bias, logits_in_training, name="logits"),
    ):
        bias = keras_noisy.LogitBias()
        loss = keras_noisy.GCE(from_logits=True, logit_bias=bias if with_bias else "auto")
        last = [bias] if with_bias else []
        results.append(train(lambda h=head, b=last: [h(), make_layer(), *b], loss, jit))
    assert_same_training(*results)


def test_loss_that_needs_the_logits_of_a_class_head_is_an_error():
    head = ClassHead(CLASSES, logits_in_training=False)
    with pytest.raises(ValueError, match="output of a ClassHead layer with logits_in_training"):
        train(lambda: [head, make_layer()], keras_noisy.NCE(from_logits=True))


def test_softmax_behind_the_layer():
    softmax = keras.layers.Softmax()
    logits = train(lambda: [dense(), make_layer()], keras_noisy.MAE(from_logits=True))
    probabilities = train(lambda: [dense(), make_layer(), softmax], keras_noisy.MAE())
    assert_same_training(probabilities, logits, 1e-4)


def test_mixed_precision():
    loss = keras_noisy.GCE(from_logits=True)
    exact = train(lambda: [dense(), make_layer()], loss)[0]
    keras.config.set_dtype_policy("mixed_bfloat16")
    history, _, model = train(lambda: [dense(), make_layer()], loss)
    assert model.compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(model(X[:2]).dtype) == "float32"
    np.testing.assert_allclose(history["loss"], exact["loss"], rtol=1e-2)


def test_models_are_saved_and_weights_of_a_model_without_the_layer_loaded(tmp_path):
    loss = keras_noisy.CE(from_logits=True)
    _, _, model = train(lambda: [dense(), make_layer()], loss, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    options = {"shuffle": False, "verbose": 0, "batch_size": BATCH}
    losses = [each.fit(X, Y, **options).history["loss"][0] for each in (model, loaded)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    config = json.loads(json.dumps(loaded.layers[-1].get_config()))
    assert config["class_counts"] == COUNTS.tolist()
    assert keras_noisy.LogitAdjustment.from_config(config).get_config() == config
    _, _, plain = train(lambda: [dense()], loss, epochs=1)
    plain.save_weights(tmp_path / "plain.weights.h5")
    model.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(model.predict(X, verbose=0), plain.predict(X, verbose=0), rtol=1e-6)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, 0, 5, -1], "Received: 0 for class 1, -1 for class 3"),
        ([0] * 20, "0 for class 7 and 12 more"),
        ([1.0, float("nan")], "nan for class 1"),
        ([3], "a sequence of at least 2 positive numbers"),
        ([[1, 2], [3, 4]], "a sequence of at least 2 positive numbers"),
        ([[1], [3, 4]], "a sequence of at least 2 positive numbers"),
        (["a", "b"], "a sequence of at least 2 positive numbers"),
        ([True, True], "a sequence of at least 2 positive numbers"),
        (10, "a sequence of at least 2 positive numbers"),
    ],
)
def test_bad_counts_raise_errors(counts, message):
    with pytest.raises(ValueError, match=f"`class_counts` must be .*{message}"):
        keras_noisy.LogitAdjustment(counts)


def test_bad_calls_raise_errors():
    with pytest.raises(ValueError, match=r"`tau` must be a number in \[0, 100\]"):
        make_layer(tau=-1.0)
    with pytest.raises(
        ValueError, match=r"one number for each of 3 classes\. Received: 12 numbers"
    ):
        make_layer()(np.zeros((2, 3), "float32"))
    for last in (dense(activation="softmax"), keras.layers.Softmax(), dense(activation="sigmoid")):
        with pytest.raises(ValueError, match="Received: the output of a softmax"):
            keras.Sequential([keras.Input((CLASSES,)), last, make_layer()])
    if BACKEND != "jax":
        with pytest.raises(ValueError, match="Received: the output of a softmax"):
            make_layer()(keras.activations.softmax(tensor(np.zeros((2, CLASSES), "float32"))))
    with pytest.raises(ValueError, match="`from_logits=True`"):
        keras_noisy.CE()(Y[:2], make_layer()(tensor(np.zeros((2, CLASSES))), training=True))
