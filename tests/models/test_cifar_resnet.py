"""Compares the ResNet for small images with a NumPy computation and with reported sizes."""

import keras
import numpy as np
import pytest

from keras_noisy.datasets import normalisation
from keras_noisy.models import cifar_resnet


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def convolve(x, kernel, stride):
    """Convolves as PyTorch does with `padding=size // 2`, which pads both sides equally."""
    size = kernel.shape[0]
    x = np.pad(x, [(0, 0), (size // 2, size // 2), (size // 2, size // 2), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel, optimize=True)


def reference_logits(model, depth, x):
    """Returns the logits of the network of pytorch-cifar with the weights of the model."""
    kernels, norms = (
        iter([layer.get_weights() for layer in model.layers if isinstance(layer, kind)])
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )

    def convolve_and_normalise(x, stride=1):
        x = convolve(x, next(kernels)[0], stride)
        scale, offset, mean, variance = next(norms)
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset

    def relu(x):
        return np.maximum(x, 0)

    x = relu(convolve_and_normalise(x))
    for stage, count in enumerate([2, 2, 2, 2] if depth == 18 else [3, 4, 6, 3]):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            branch = x
            for each in [1, stride, 1] if depth == 50 else [stride, 1]:
                branch = convolve_and_normalise(relu(branch), each)
            if x.shape != branch.shape:
                x = convolve_and_normalise(x, stride)
            x = relu(branch + x)
    kernel, bias = model.layers[-1].get_weights()
    return x.mean(axis=(1, 2)) @ kernel + bias


@pytest.mark.parametrize("depth", [18, pytest.param(50, marks=pytest.mark.backend_free)])
def test_logits_are_those_of_the_reference(depth):
    rng, layer = np.random.default_rng(0), normalisation("cifar100")
    model = cifar_resnet(7, depth, (None, None, 3), layer)
    model.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else w for w in model.get_weights()]
    )
    x = images(2, 9, 8, 3).astype("float32")
    expected = reference_logits(
        model, depth, keras.ops.convert_to_numpy(layer(x)).astype("float64")
    )
    logits = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("depth", "weights"), [(18, 11_220_132), (34, 21_328_292), (50, 23_705_252)]
)
def test_size_is_the_one_reported_for_100_classes(depth, weights):
    model = cifar_resnet(100, depth)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == weights


@pytest.mark.backend_free
def test_initial_weights():
    model = cifar_resnet(100, 18, (8, 8, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            limit = np.sqrt(6 / np.prod(layer.kernel.shape[:-1]))  # That of kaiming_uniform_.
            assert 0.99 * limit < np.abs(layer.get_weights()[0]).max() <= limit


def test_one_compiled_step_moves_every_weight():
    x, y = images(4, 8, 8, 3), np.arange(4)
    model = cifar_resnet(4, 18, (8, 8, 3))
    before = model.get_weights()
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() != "torch",  # PyTorch takes minutes to compile.
    )
    (loss,) = model.fit(x, y, batch_size=4, verbose=0).history["loss"]
    assert np.isfinite(loss)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(new - old).max() > 0
