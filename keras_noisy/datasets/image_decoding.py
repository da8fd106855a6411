"""From the bytes of an image file to an image of one size, in the graph of tf.data.

Only the part that is kept of a JPEG is decoded. What is drawn for an image is a function of the seed, the
epoch and its index, whatever else happens in parallel.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._random import bits, stream
from keras_noisy._typing import Tensor
from keras_noisy.datasets.pipeline import as_it_is

# Of RandomResizedCrop, as everybody has it: share of the area, width to height, tries.
_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_TRIES = 10
# Of the side of an image, the part that evaluation looks at: 224 of 256 pixels.
_CENTRE = 0.875
# Brightness, contrast, saturation by up to this factor more or less, and hue by that share of the circle.
_JITTER = 0.4
_HUE = 0.2
_GREY = (0.299, 0.587, 0.114)

# What is drawn for an image: its parts, where they are, whether it is flipped, its colours.
_DRAWS = (2 * _TRIES, 2, 1, 4)
# Images that are drawn for at a time: one by one it would be a tenth of the work for an image.
_BLOCK = 256


def with_draws(samples: Any, index_of: Callable[..., Tensor], seed: int, epoch: Tensor) -> Any:
    """Adds to each sample of a `tf.data.Dataset` what `training_image` needs.

    Args:
        samples: Tuples.
        index_of: From the parts of a batch of them to the indices of the samples.
        seed: Non-negative integer below 2^63.
        epoch: Scalar `int64`.
    """
    import tensorflow as tf

    def draw(epoch: np.int64, index: NDArray[np.int64]) -> NDArray[np.float32]:
        start = stream(seed, int(epoch))
        counters = index[:, np.newaxis] * sum(_DRAWS) + np.arange(sum(_DRAWS))
        return (bits(start, counters) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def add(*block: Tensor) -> tuple[Tensor, ...]:
        draws = tf.numpy_function(draw, [epoch, index_of(*block)], tf.float32)
        draws.set_shape((None, sum(_DRAWS)))
        return *block, draws

    return samples.batch(_BLOCK).map(as_it_is(add)).unbatch()


def training_image(contents: Tensor, size: int, draws: Tensor, colour_jitter: bool) -> Tensor:
    """A random part of an image, flipped or not, its colours changed: `uint8` (size, size, 3).

    Formula: a part of 8 % to 100 % of the area with a ratio of width to height from 3/4 to 4/3, resized by
    bilinear interpolation; a horizontal flip with probability 1/2; with `colour_jitter`, brightness,
    contrast and saturation times a factor from 0.6 to 1.4 each, and the hue turned by up to 0.2.

    Args:
        contents: Scalar string, the file: JPEG, PNG, GIF, BMP or WebP.
        size: Integer, height and width.
        draws: Numbers in [0, 1), from `with_draws`.
        colour_jitter: Whether colours change.
    """
    import tensorflow as tf

    crops, position, flip, colours = tf.split(draws, _DRAWS)

    def window(height: Tensor, width: Tensor) -> Tensor:
        return _random_window(height, width, tf.reshape(crops, (_TRIES, 2)), position)

    part = _decode_window(contents, window)
    # Now, when it is smallest.
    part = tf.cond(flip[0] < 0.5, lambda: tf.reverse(part, axis=[1]), lambda: part)
    image = _resized(part, size)
    return _rounded(_jittered(image, colours) if colour_jitter else image)


def sample_image(contents: Tensor, size: int, colour_jitter: bool, draws: Tensor = None) -> Tensor:
    """A training image where something is drawn for it, else an evaluation image."""
    import tensorflow as tf

    if draws is None:
        image = evaluation_image(contents, size)
    else:
        image = training_image(contents, size, draws, colour_jitter)
    return tf.ensure_shape(image, (size, size, 3))


def evaluation_image(contents: Tensor, size: int) -> Tensor:
    """The middle of an image, 7/8 of its shorter side in height and width: `uint8` (size, size, 3)."""
    return _rounded(_resized(_decode_window(contents, _middle_window), size))


def decode_whole(contents: Tensor) -> Tensor:
    """The whole image in its own size, as `uint8` (height, width, 3); an error if a part is damaged."""
    import tensorflow as tf

    return tf.io.decode_image(contents, channels=3, expand_animations=False)


def _decode_window(contents: Tensor, window_of: Any) -> Tensor:
    """The part of an image that `window_of(height, width)` names, as (y, x, height, width)."""
    import tensorflow as tf

    def of_jpeg() -> Tensor:
        shape = tf.io.extract_jpeg_shape(contents)
        return tf.io.decode_and_crop_jpeg(contents, window_of(shape[0], shape[1]), channels=3)

    def of_whole() -> Tensor:
        image = decode_whole(contents)
        shape = tf.shape(image)
        y, x, height, width = tf.unstack(window_of(shape[0], shape[1]))
        return image[y : y + height, x : x + width]

    # Of a truncated JPEG, the decoder would return a part that is there: an image that is bad in one epoch
    # and not in another. Without its last marker, a file is decoded to the end, which fails if it is.
    has_end = tf.strings.substr(contents, -2, 2) == b"\xff\xd9"
    image = tf.cond(tf.io.is_jpeg(contents) & has_end, of_jpeg, of_whole)
    image.set_shape((None, None, 3))
    return image


def _random_window(height: Tensor, width: Tensor, crops: Tensor, position: Tensor) -> Tensor:
    """The first of the tries that fits; the middle where none does, as with very long images."""
    import tensorflow as tf

    full_height, full_width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    area = full_height * full_width * (_AREA[0] + (_AREA[1] - _AREA[0]) * crops[:, 0])
    low, high = (math.log(ratio) for ratio in _RATIO)
    ratio = tf.exp(low + (high - low) * crops[:, 1])
    sizes = tf.round(tf.sqrt(tf.stack([area / ratio, area * ratio], axis=1)))
    fits = tf.reduce_all((sizes >= 1.0) & (sizes <= tf.stack([full_height, full_width])), axis=1)
    middle = tf.stack(
        [
            tf.minimum(full_height, tf.round(full_width / _RATIO[0])),
            tf.minimum(full_width, tf.round(full_height * _RATIO[1])),
        ]
    )
    chosen = tf.where(tf.reduce_any(fits), sizes[tf.argmax(fits)], middle)
    room = tf.stack([full_height, full_width]) - chosen
    corner = tf.where(tf.reduce_any(fits), tf.floor(position * (room + 1.0)), room // 2.0)
    return tf.cast(tf.concat([tf.minimum(corner, room), chosen], axis=0), tf.int32)


def _middle_window(height: Tensor, width: Tensor) -> Tensor:
    import tensorflow as tf

    side = tf.cast(tf.round(_CENTRE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def _resized(image: Tensor, size: int) -> Tensor:
    import tensorflow as tf

    return tf.image.resize(image, (size, size))


def _rounded(image: Tensor) -> Tensor:
    """From [0, 255] to `uint8`: a third of the time of rounding and a cast that saturates."""
    import tensorflow as tf

    return tf.cast(image + 0.5, tf.uint8)


def _jittered(image: Tensor, draws: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue, in this order; (height, width, 3) in [0, 255]."""
    import tensorflow as tf

    brightness, contrast, saturation = tf.unstack(1.0 + _JITTER * (2.0 * draws[:3] - 1.0))
    image = tf.minimum(image * brightness, 255.0)
    mean = tf.reduce_mean(tf.tensordot(image, tf.constant(_GREY), axes=1))
    image = tf.clip_by_value(mean + contrast * (image - mean), 0.0, 255.0)
    grey = tf.tensordot(image, tf.constant(_GREY), axes=1)[..., tf.newaxis]
    image = tf.clip_by_value(grey + saturation * (image - grey), 0.0, 255.0)
    return tf.image.adjust_hue(image / 255.0, _HUE * (2.0 * draws[3] - 1.0)) * 255.0
