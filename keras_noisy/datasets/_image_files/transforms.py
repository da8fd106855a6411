"""Makes training and evaluation images of one size from image files, in the graph of tf.data.

The random numbers of an image are a function of the seed, the epoch and the index of the image,
however many images are loaded in parallel.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._random import bits, stream
from keras_noisy._typing import Tensor
from keras_noisy.datasets._image_files.decoding import decode_window
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow, without_autograph

# The usual parameters of random resized crops: share of the area, width to height, attempts.
_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
ATTEMPTS = 10
# Side of the centre crop for evaluation, as a share of the shorter side: 224 of 256 pixels.
_CENTRE = 0.875
# Largest relative change of brightness, contrast and saturation, and largest shift of the hue, as
# a share of the circle.
_JITTER = 0.4
_HUE = 0.2
# Weights of red, green and blue in the grey value.
_GREY = (0.299, 0.587, 0.114)

# Numbers of draws for an image: size and ratio of each attempt, position, flip, colours.
_DRAWS = (2 * ATTEMPTS, 2, 1, 4)
# Drawing for one image at a time would be a tenth of the work for an image.
_BLOCK = 256


def add_draws(samples: Any, select_indices: Callable[..., Tensor], seed: int, epoch: Tensor) -> Any:
    """Appends to each sample of a `tf.data.Dataset` the random numbers for `make_training_image`.

    Args:
        samples: `tf.data.Dataset` of tuples.
        select_indices: Function from the parts of a batch of samples to their indices.
        seed: Non-negative integer below 2^63.
        epoch: Scalar `int64`.
    """
    tf = require_tensorflow()

    def draw(epoch: np.int64, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        start = stream(seed, int(epoch))
        counters = indices[:, np.newaxis] * sum(_DRAWS) + np.arange(sum(_DRAWS))
        return (bits(start, counters) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def append(*block: Tensor) -> tuple[Tensor, ...]:
        draws = tf.numpy_function(draw, [epoch, select_indices(*block)], tf.float32)
        draws.set_shape((None, sum(_DRAWS)))
        return *block, draws

    return samples.batch(_BLOCK).map(without_autograph(append)).unbatch()


def make_image(
    contents: Tensor, size: int, colour_jitter: bool, draws: Tensor | None = None
) -> Tensor:
    """Returns a training image if there are draws, otherwise an evaluation image."""
    if draws is None:
        image = make_evaluation_image(contents, size)
    else:
        image = make_training_image(contents, size, draws, colour_jitter)
    return require_tensorflow().ensure_shape(image, (size, size, 3))


def make_training_image(contents: Tensor, size: int, draws: Tensor, colour_jitter: bool) -> Tensor:
    """Returns a random crop of an image, flipped and changed in colour: `uint8` (size, size, 3).

    Formula: a crop of 8 % to 100 % of the area with a ratio of width to height from 3/4 to 4/3,
    resized by bilinear interpolation; a horizontal flip with probability 1/2; with `colour_jitter`,
    brightness, contrast and saturation times a factor from 0.6 to 1.4 each, and the hue turned by
    up to a fifth of the circle.

    Args:
        contents: Scalar string, the contents of the file.
        size: Integer, height and width.
        draws: Numbers in [0, 1), from `add_draws`.
        colour_jitter: Whether to change colours.
    """
    tf = require_tensorflow()
    crops, position, flip, colours = tf.split(draws, _DRAWS)

    def choose_window(height: Tensor, width: Tensor) -> Tensor:
        attempts = tf.reshape(crops, (ATTEMPTS, 2))
        return choose_random_window(height, width, attempts, position)

    crop = decode_window(contents, choose_window)
    # Flipped before it is resized, because it is usually smaller.
    crop = tf.cond(flip[0] < 0.5, lambda: tf.reverse(crop, axis=[1]), lambda: crop)
    image = _resize(crop, size)
    return _to_uint8(jitter_colours(image, colours) if colour_jitter else image)


def make_evaluation_image(contents: Tensor, size: int) -> Tensor:
    """Returns the centre crop, 7/8 of the shorter side: `uint8` (size, size, 3)."""
    return _to_uint8(_resize(decode_window(contents, _choose_centre), size))


def choose_random_window(
    height: Tensor, width: Tensor, attempts: Tensor, position: Tensor
) -> Tensor:
    """Returns the window `[y, x, height, width]` of the first attempt that fits into the image.

    If none fits, as with very long images, it is the largest centred window whose ratio is allowed.

    Args:
        height: Height of the image.
        width: Width of the image.
        attempts: Draws (attempts, 2) for area and ratio.
        position: Draws (2,) for the position of the window.
    """
    tf = require_tensorflow()
    full_height, full_width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    area = full_height * full_width * (_AREA[0] + (_AREA[1] - _AREA[0]) * attempts[:, 0])
    low, high = (math.log(ratio) for ratio in _RATIO)
    ratio = tf.exp(low + (high - low) * attempts[:, 1])
    sizes = tf.round(tf.sqrt(tf.stack([area / ratio, area * ratio], axis=1)))
    fits = tf.reduce_all((sizes >= 1.0) & (sizes <= tf.stack([full_height, full_width])), axis=1)
    fallback = tf.stack(
        [
            tf.minimum(full_height, tf.round(full_width / _RATIO[0])),
            tf.minimum(full_width, tf.round(full_height * _RATIO[1])),
        ]
    )
    chosen = tf.where(tf.reduce_any(fits), sizes[tf.argmax(fits)], fallback)
    room = tf.stack([full_height, full_width]) - chosen
    corner = tf.where(tf.reduce_any(fits), tf.floor(position * (room + 1.0)), room // 2.0)
    return tf.cast(tf.concat([tf.minimum(corner, room), chosen], axis=0), tf.int32)


def _choose_centre(height: Tensor, width: Tensor) -> Tensor:
    tf = require_tensorflow()
    side = tf.cast(tf.round(_CENTRE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def jitter_colours(image: Tensor, draws: Tensor) -> Tensor:
    """Changes brightness, contrast, saturation and hue, in this order.

    The changes are linear, so that one product with a matrix makes all of them: saturation and hue
    scale and turn the chroma of the YIQ colour space. In HSV, the hue alone would take four times
    as long as everything here.

    Args:
        image: (height, width, 3) in [0, 255], of a static shape.
        draws: Numbers (4,) in [0, 1); 1/2 changes nothing.
    """
    tf = require_tensorflow()
    brightness, contrast, saturation = tf.unstack(1.0 + _JITTER * (2.0 * draws[:3] - 1.0))
    angle = 2.0 * math.pi * _HUE * (2.0 * draws[3] - 1.0)
    grey, chroma, turned = (tf.constant(part) for part in _COLOUR_PARTS)
    matrix = grey + saturation * (tf.cos(angle) * chroma + tf.sin(angle) * turned)
    # Contrast is relative to the mean grey value, which saturation and hue do not change.
    mean = tf.tensordot(tf.reduce_mean(image, axis=[0, 1]), tf.constant(_GREY), axes=1)
    # Several pixels at once, because a product with three columns is slow.
    pixels = math.gcd(image.shape[0] * image.shape[1], 8)
    block = tf.reshape(tf.einsum("ij,ab->iajb", tf.eye(pixels), matrix), (3 * pixels, 3 * pixels))
    changed = tf.matmul(tf.reshape(image, (-1, 3 * pixels)), brightness * contrast * block)
    offset = (1.0 - contrast) * brightness * mean
    return tf.clip_by_value(tf.reshape(changed, image.shape) + offset, 0.0, 255.0)


def _split_colours() -> tuple[NDArray[np.float32], ...]:
    """Returns matrices for rows (n, 3) of colours: grey, chroma, and the chroma turned by 90°.

    The first two add up to the identity. The turn is towards larger hues.
    """
    to_yiq = np.array([_GREY, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)])
    parts = (np.diag([1, 0, 0]), np.diag([0, 1, 1]), [[0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return tuple((np.linalg.inv(to_yiq) @ part @ to_yiq).T.astype(np.float32) for part in parts)


_COLOUR_PARTS = _split_colours()


def _resize(image: Tensor, size: int) -> Tensor:
    return require_tensorflow().image.resize(image, (size, size))


def _to_uint8(image: Tensor) -> Tensor:
    """Rounds pixels in [0, 255]; takes a third of the time of `round` and `saturate_cast`."""
    tf = require_tensorflow()
    return tf.cast(image + 0.5, tf.uint8)
