"""Compares the 8-layer network with the code that its source published."""

import keras
import numpy as np
import pytest

from keras_noisy.datasets import normalisation
from keras_noisy.models import cnn8


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.backend_free
def test_size():
    """The network of the source also has biases before batch normalisation, one for each mean."""
    trainable = sum(int(np.prod(weight.shape)) for weight in cnn8(10).trainable_weights)
    cancelled = 2 * (64 + 128 + 196) + 256
    assert trainable == 1_638_762
    assert trainable + cancelled == 1_639_794


@pytest.mark.backend_free
def test_initial_weights():
    model = cnn8(10)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            limit = np.sqrt(6 / np.prod(layer.kernel.shape[:-1]))  # That of kaiming_uniform_.
        elif isinstance(layer, keras.layers.Dense):
            limit = np.sqrt(6 / sum(layer.kernel.shape))  # That of xavier_uniform_.
        else:
            continue
        kernel = layer.get_weights()[0]
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.05)


def test_normalisation_of_a_data_set():
    layer, x = normalisation("cifar10"), images(4, 8, 8, 3)
    model, plain = cnn8(7, (8, 8, 3), layer), cnn8(7, (8, 8, 3))
    plain.set_weights(model.get_weights())
    normalised = keras.ops.convert_to_numpy(layer(x.astype("float32")))
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        plain.predict(255 * normalised, verbose=0),
        rtol=1e-3,
        atol=1e-5,
    )


def test_learns_compiled():
    x, y = images(16, 8, 8, 3), np.arange(16) % 2
    model = cnn8(2, (8, 8, 3))
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() != "torch",  # PyTorch takes minutes to compile.
    )
    losses = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("shape", [(7, 8, 3), (8, 7, 3), (None, 32, 3), (32, 32)])
def test_too_small_images(shape):
    with pytest.raises(ValueError, match="height and width at least 8") as error:
        cnn8(10, shape)
    assert str(error.value).endswith(f"Received: input_shape={shape!r}")
