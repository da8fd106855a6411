from collections.abc import Sequence
from typing import Any

import keras

from keras_noisy._arguments import check_classes
from keras_noisy.models._arguments import read_normalisation, read_shape


def cnn8(
    num_classes: int,
    input_shape: Sequence[int] = (32, 32, 3),
    normalisation: keras.layers.Layer | None = None,
) -> keras.Model:
    """Builds the 8-layer convolutional network that papers on robust losses use for CIFAR-10.

    It has three pairs of 3 x 3 convolutions with 64, 128 and 196 filters, each pair followed by
    max pooling, then a dense layer of 256 units, all with batch normalisation and ReLU, and a
    dense layer for the logits. It has 1,638,762 trainable weights for 32 x 32 x 3 pixels and 10
    classes.

    As in the source, the initial weights are He uniform in convolutions (Keras's `"he_uniform"`,
    PyTorch's `kaiming_uniform_` with `mode="fan_in"` and `nonlinearity="relu"`) and Glorot uniform
    in dense layers (Keras's default, PyTorch's `xavier_uniform_`), and batch normalisation has the
    momentum and epsilon of PyTorch's default. Biases that batch normalisation cancels are left
    out.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Shape of an image, `(height, width, channels)`, height and width at least 8.
            Defaults to `(32, 32, 3)`.
        normalisation: Layer that normalises raw images, such as
            `keras_noisy.datasets.normalisation("cifar10")`. Defaults to `None`: pixels are divided
            by 255.

    Returns:
        A `keras.Model` that maps raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`. Compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_noisy.datasets import normalisation
    >>> from keras_noisy.models import cnn8
    >>> model = cnn8(num_classes=10, normalisation=normalisation("cifar10"))
    >>> model.output_shape
    (None, 10)

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554): the network, as in the
      code that the authors published.
    """
    check_classes("num_classes", num_classes)
    shape = read_shape(
        input_shape,
        "(height, width, channels), height and width at least 8",
        num_axes=[3],
        smallest=8,  # It is halved three times.
    )
    normalisation = read_normalisation(normalisation)
    inputs = keras.Input(shape)
    x = normalisation(inputs)
    for filters in (64, 128, 196):
        for _ in range(2):
            x = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_uniform",
                data_format="channels_last",
            )(x)
            x = _normalize_and_activate(x)
        x = keras.layers.MaxPooling2D(data_format="channels_last")(x)
    x = keras.layers.Flatten(data_format="channels_last")(x)
    x = _normalize_and_activate(keras.layers.Dense(256, use_bias=False)(x))
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name="cnn8")


def _normalize_and_activate(x: Any) -> Any:
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
