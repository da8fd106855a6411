"""A small convolutional network."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras


def small_cnn(num_classes: int, input_shape: Sequence[int] = (28, 28, 1)) -> keras.Model:
    """Builds a small convolutional network for images such as the glyphs.

    Three convolutions with stride 2 and one hidden dense layer, each with batch normalisation and
    ReLU. It is made for many short trainings on a CPU: 544,056 weights for 1,000 classes.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Shape of an image: `(height, width, channels)`, or `(height, width)` for one
            channel without an axis, as `keras_noisy.datasets.glyphs.load_data` returns it.

    Returns:
        A `keras.Model` from raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`: compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_noisy.models import small_cnn
    >>> model = small_cnn(num_classes=1000, input_shape=(28, 28))
    >>> model.output_shape
    (None, 1000)
    """
    if not isinstance(num_classes, numbers.Integral) or num_classes < 2:
        raise ValueError(
            f"`num_classes` must be an integer of at least 2. Received: num_classes={num_classes!r}"
        )
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    if len(shape) not in (2, 3) or not all(
        isinstance(n, numbers.Integral) and n > 0 for n in shape
    ):
        raise ValueError(
            "`input_shape` must be (height, width) or (height, width, channels). "
            f"Received: input_shape={input_shape!r}"
        )
    inputs = keras.Input(shape)
    x = inputs
    if len(shape) == 2:
        x = keras.layers.Reshape((*shape, 1))(x)
    x = keras.layers.Rescaling(1 / 255)(x)
    for filters, kernel_size in ((16, 5), (32, 3), (64, 3)):
        x = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=False,
            data_format="channels_last",
        )(x)
        x = _normalize_and_activate(x)
    x = keras.layers.Flatten(data_format="channels_last")(x)
    x = _normalize_and_activate(keras.layers.Dense(256, use_bias=False)(x))
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name="small_cnn")


def _normalize_and_activate(x: Any) -> Any:
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
