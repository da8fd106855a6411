"""Compares what two processes of PyTorch learn with what one learns.

two_processes.py COORDINATOR PROCESS
"""

import importlib.util
import os
import sys

if os.environ.get("KERAS_BACKEND") == "torch":
    import torch  # must come before TensorFlow, or the process crashes

    torch.set_num_threads(1)
import keras
import numpy as np
from keras import layers

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, arrays
from keras_noisy.training import Devices, use_devices, without_distribution

CLASSES = 12
RNG = np.random.default_rng(0)
# 108 images are six batches of 16 and a rest.
LABELS = np.arange(CLASSES).repeat(9)
IMAGES = RNG.uniform(50, 200, (CLASSES, 8, 8, 1))[LABELS] + RNG.uniform(0, 55, (108, 8, 8, 1))
IMAGES = IMAGES.astype("uint8")


def batch_norm():
    """Builds the layers of a model with batch normalisation."""
    return [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]


def masked_batch_norm():
    """Builds the layers of a model in which each sample has another number of masked positions."""
    return [
        layers.Reshape((8, 8)),
        layers.Lambda(lambda x: x * keras.ops.cast(x[..., :1] > 0.0, x.dtype)),
        layers.Masking(),
        layers.Dense(16),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling1D(),
    ]


def train(build_layers, head, read_batches, devices):
    """Trains a model; returns it and the history."""
    keras.utils.set_random_seed(devices.process)  # the weights of the first process count
    bias = keras_noisy.LogitBias()
    scale = layers.Rescaling(1 / 64, offset=-2)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), scale, *build_layers(), head(CLASSES, name="head"), bias]
    )
    model.get_layer("head").trainable = False
    devices.prepare(model)
    model.get_layer("head").trainable = True
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
        loss=keras_noisy.MAE(logit_bias=bias, from_logits=True),
        weighted_metrics=["accuracy"],
    )
    options = devices.batch_options(16) | {"whole_batches": True}
    history = model.fit(
        read_batches(**options),
        epochs=3,
        validation_data=read_batches(shuffle=False, **options),
        shuffle=False,
        verbose=0,
    )
    return model, history.history


def read_array(**options):
    return ShuffledBatches(IMAGES.astype("float32"), LABELS, **options)


def read_pipeline(**options):
    return arrays.pipeline(IMAGES, LABELS, CLASSES, **options).dataset


def compare(*arguments):
    """Compares history and weights after a training in both processes and in one."""
    model, history = train(*arguments, devices)
    with without_distribution():
        expected_model, expected = train(*arguments, Devices())
    assert history["accuracy"][-1] > 2.0 * history["accuracy"][0], history
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-4, err_msg=name)
    for weight, other in zip(model.weights, expected_model.weights, strict=True):
        pair = [keras.ops.convert_to_numpy(each) for each in (weight, other)]
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5, err_msg=weight.path)


if __name__ == "__main__":
    devices = use_devices(coordinator=sys.argv[1], num_processes=2, process=int(sys.argv[2]))
    assert devices == use_devices() == Devices(2, devices.process, 2)
    compare(batch_norm, layers.Dense, read_array)
    compare(masked_batch_norm, keras_noisy.layers.ClassHead, read_array)
    if importlib.util.find_spec("tensorflow"):
        compare(batch_norm, keras_noisy.layers.ClassHead, read_pipeline)
    print("equal", flush=True)
