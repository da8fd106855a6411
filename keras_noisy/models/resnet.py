"""Residual networks."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras

from keras_noisy.extras import require

_BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}


def resnet(
    num_classes: int,
    depth: int = 18,
    input_shape: Sequence[int | None] = (224, 224, 3),
    normalisation: keras.layers.Layer | None = None,
) -> keras.Model:
    """Builds a ResNet classifier with random weights, on keras-cv's `ResNetV2Backbone`.

    Residual blocks with pre-activation (ResNet V2), global average pooling and a dense layer.
    The first layers reduce height and width by 4, the backbone as a whole by 32: images of 32 x 32
    pixels work, but larger ones suit it better.

    Args:
        num_classes: Number of classes, at least 2.
        depth: 18 or 34 (two convolutions a block), or 50 (three).
        input_shape: Shape of an image, `(height, width, channels)`; height and width may be `None`.
        normalisation: What raw images go through first, such as
            `keras_noisy.datasets.normalisation("imagenet")`. Defaults to `None`: pixels are divided by 255.

    Returns:
        A `keras.Model` from raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`: compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If keras-cv is not installed.

    Example:

    >>> from keras_noisy.models import resnet
    >>> model = resnet(num_classes=50, depth=18)
    >>> model.output_shape
    (None, 50)

    Reference:
        [He et al., 2016, Identity Mappings in Deep Residual Networks](
        https://arxiv.org/abs/1603.05027)
    """
    if not isinstance(num_classes, numbers.Integral) or num_classes < 2:
        raise ValueError(
            f"`num_classes` must be an integer of at least 2. Received: num_classes={num_classes!r}"
        )
    if depth not in tuple(_BLOCKS):
        raise ValueError(f"`depth` must be one of {list(_BLOCKS)}. Received: depth={depth!r}")
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    if len(shape) != 3 or shape[2] is None or not all(_is_dimension(n) for n in shape):
        raise ValueError(
            f"`input_shape` must be (height, width, channels). Received: input_shape={input_shape!r}"
        )
    # Built from its arguments: keras-cv's presets fetch them over the network.
    backbone = require("keras_cv", extra="vision").models.ResNetV2Backbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=_BLOCKS[depth],
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=normalisation is None,
        block_type="block" if depth == 50 else "basic_block",
        input_shape=shape,
    )
    inputs, x = backbone.input, backbone.output
    if normalisation is not None:
        inputs = keras.Input(shape)
        x = backbone(normalisation(inputs))
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def _is_dimension(n: Any) -> bool:
    return n is None or (isinstance(n, numbers.Integral) and int(n) > 0)
