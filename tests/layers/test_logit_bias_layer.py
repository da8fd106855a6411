"""`LogitBias` with labels adds its bias to the label's logit in training."""

import keras
import numpy as np
import pytest
from support import BACKEND, compiled, gradient, tensor, to_numpy

import keras_noisy
from keras_noisy.calibration import logit_bias


def make_batch(shape=(6,), num_classes=20):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(*shape, num_classes)).astype("float32")
    return logits, rng.integers(0, num_classes, shape)


@pytest.mark.parametrize("epsilon", ["auto", 3.0, -1.0])
@pytest.mark.parametrize("shape", [(6,), (2, 3)], ids=str)
def test_adds_epsilon_to_the_logit_of_the_label_in_training(epsilon, shape):
    logits, labels = make_batch(shape)
    layer = keras_noisy.LogitBias(epsilon, adaptive=False)
    one_hot = np.eye(20, dtype="float32")[labels]
    expected = logits + (logit_bias(20) if epsilon == "auto" else epsilon) * one_hot
    for targets in (labels, labels[..., np.newaxis], one_hot):
        biased = to_numpy(layer(logits, labels=targets, training=True))
        np.testing.assert_allclose(biased, expected, rtol=1e-6)


def test_is_the_identity_without_labels_or_at_inference():
    logits, labels = make_batch()
    layer = keras_noisy.LogitBias(3.0)
    for options in ({}, {"training": True}, {"labels": labels}, {"labels": labels + 99}):
        np.testing.assert_array_equal(to_numpy(layer(logits, **options)), logits)
    assert layer.weights == []


def test_layer_with_a_plain_loss_has_the_gradient_of_the_biased_loss():
    logits, labels = make_batch()
    layer = keras_noisy.LogitBias("auto", adaptive=False)
    plain = keras_noisy.MAE(from_logits=True)
    biased = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    np.testing.assert_allclose(
        gradient(lambda z: plain(labels, layer(z, labels=labels, training=True)), logits),
        gradient(lambda z: biased(labels, z), logits),
        rtol=1e-5,
        atol=1e-8,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_output_has_the_dtype_of_the_logits(dtype, policy):
    keras.config.set_dtype_policy(policy)
    logits, labels = make_batch()
    layer = keras_noisy.LogitBias(3.0)
    for options in ({}, {"labels": labels, "training": True}):
        outputs = layer(tensor(logits, dtype), **options)
        assert keras.backend.standardize_dtype(outputs.dtype) == dtype
    assert layer(keras.Input((20,), dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_soft_targets_scale_the_bias_in_every_dtype(dtype):
    targets = np.full((1, 3000), 0.1 / 2999, "float32")
    targets[0, 7] = 0.9
    layer = keras_noisy.LogitBias(4.0)
    biased = to_numpy(layer(tensor(np.zeros((1, 3000)), dtype), labels=targets, training=True))
    np.testing.assert_allclose(biased, 4 * targets, rtol=1e-2)


def test_bad_input_raises_errors_or_gives_nan():
    logits, labels = make_batch()
    for epsilon in (None, "Auto", np.inf, True):
        with pytest.raises(ValueError, match=r'`logit_bias` must be "auto", .*a number.*Received'):
            keras_noisy.LogitBias(epsilon)
    layer = keras_noisy.LogitBias(1.0)
    labels[2] = 20
    with pytest.raises(ValueError, match=r"`labels` must hold integers in \[0, 20\)"):
        layer(logits, labels=labels, training=True)
    biased = compiled(lambda z, y: layer(z, labels=y, training=True))(
        tensor(logits), tensor(labels)
    )
    np.testing.assert_array_equal(np.isnan(to_numpy(biased)).all(axis=-1), np.arange(6) == 2)
    with pytest.raises(ValueError, match="at least 2"):
        layer(keras.Input((1,)))
    with pytest.raises(ValueError, match=r"`labels` must hold.*labels\.shape=\(3,\)"):
        layer(logits, labels=labels[:3], training=True)


def make_models(epsilon="auto"):
    """Returns the model to train, with labels as an input, and the model to deploy, without."""
    image, labels = keras.Input((8,), name="image"), keras.Input((), dtype="int32", name="labels")
    logits = keras.layers.Dense(300, name="head")(image)
    biased = keras_noisy.LogitBias(epsilon, adaptive=False, name="bias")(logits, labels=labels)
    return keras.Model([image, labels], biased), keras.Model(image, logits)


@pytest.mark.parametrize("jit", [False] if BACKEND == "torch" else [False, True])
def test_loss_is_biased_in_fit_only_and_saved_model_keeps_the_layer(jit, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 8)).astype("float32"), rng.integers(0, 300, 32)
    model, deployed = make_models()
    model.compile("sgd", keras_noisy.MAE(from_logits=True), jit_compile=jit)
    biased = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    expected = float(biased(y, deployed.predict(x, verbose=0)))
    first = model.fit([x, y], y, batch_size=32, verbose=0).history["loss"][0]
    assert first == pytest.approx(expected, rel=1e-5)
    plain = keras_noisy.MAE(from_logits=True)
    assert model.evaluate([x, y], y, verbose=0) == pytest.approx(
        float(plain(y, deployed.predict(x, verbose=0))), rel=1e-5
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("bias").logit_bias == "auto"
    np.testing.assert_array_equal(
        loaded.predict([x, y], verbose=0), model.predict([x, y], verbose=0)
    )


@pytest.mark.tensorflow
def test_exported_layer_is_the_identity(tmp_path):
    import tensorflow as tf

    image = keras.Input((8,))
    model = keras.Model(image, keras_noisy.LogitBias(5.0)(keras.layers.Dense(30)(image)))
    x = np.ones((4, 8), "float32")
    model.export(tmp_path / "model", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "model"))
    served = exported.serve(x)
    np.testing.assert_allclose(to_numpy(served), to_numpy(model.layers[1](x)), rtol=1e-6)


def test_symbolic_shapes_are_inferred_and_checked():
    layer = keras_noisy.LogitBias()
    sequence = keras.layers.TimeDistributed(layer)(keras.Input((4, 20)))
    assert sequence.shape == (None, 4, 20)
    assert layer.compute_output_shape((None, 20)) == (None, 20)
    with pytest.raises(ValueError, match=r"`labels` must hold.*\(None, 7\)"):
        layer(keras.Input((20,)), labels=keras.Input((7,)))


def test_layer_can_be_serialized():
    layer = keras_noisy.LogitBias(np.float32(2.5), name="bias")
    loaded = keras.layers.deserialize(keras.layers.serialize(layer))
    assert loaded.get_config() == layer.get_config()
    assert loaded.logit_bias == 2.5
    assert keras.saving.get_registered_name(keras_noisy.LogitBias) == "keras_noisy>LogitBias"
