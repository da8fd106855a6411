from collections.abc import Sequence
from typing import Any

import keras

from keras_noisy._arguments import check_classes, check_integer
from keras_noisy.models._arguments import read_shape


def small_cnn(
    num_classes: int,
    input_shape: Sequence[int] = (28, 28, 1),
    filters: Sequence[int] = (16, 32, 64),
    hidden_units: int = 256,
) -> keras.Model:
    """Builds a small convolutional network for images such as the glyphs.

    It has convolutions with stride 2, the first one 5 x 5 and the others 3 x 3, and one hidden
    dense layer, each with batch normalisation and ReLU. It is small enough for many short
    trainings on a CPU, with 544,056 weights for 1,000 classes.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Shape of an image: `(height, width, channels)`, or `(height, width)` for
            images without a channel axis, as `keras_noisy.datasets.glyphs.load_data` returns them.
            Defaults to `(28, 28, 1)`.
        filters: One or more positive integers, the number of filters of each convolution. Defaults
            to `(16, 32, 64)`.
        hidden_units: Positive integer, the width of the hidden layer. Defaults to `256`.

    Returns:
        A `keras.Model` that maps raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`. Compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_noisy.models import small_cnn
    >>> model = small_cnn(num_classes=1000, input_shape=(28, 28))
    >>> model.output_shape
    (None, 1000)
    """
    check_classes("num_classes", num_classes)
    shape = read_shape(input_shape, "(height, width) or (height, width, channels)", num_axes=[2, 3])
    check_integer("hidden_units", hidden_units, 1)
    if not isinstance(filters, Sequence) or not filters:
        raise ValueError(f"`filters` must hold at least one integer. Received: filters={filters!r}")
    for count in filters:
        check_integer("filters", count, 1)
    inputs = keras.Input(shape)
    x = inputs
    if len(shape) == 2:
        x = keras.layers.Reshape((*shape, 1))(x)
    x = keras.layers.Rescaling(1 / 255)(x)
    for index, count in enumerate(filters):
        x = keras.layers.Conv2D(
            count,
            5 if index == 0 else 3,
            strides=2,
            padding="same",
            use_bias=False,
            data_format="channels_last",
        )(x)
        x = _normalize_and_activate(x)
    x = keras.layers.Flatten(data_format="channels_last")(x)
    x = _normalize_and_activate(keras.layers.Dense(hidden_units, use_bias=False)(x))
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name="small_cnn")


def _normalize_and_activate(x: Any) -> Any:
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
