"""Augments batches of small images as a pure function of a seed."""

import functools
import math
from collections.abc import Callable

from keras_noisy._typing import Tensor
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow

DATASETS = ("cifar10", "cifar100", "fashion_mnist", "glyphs")
MAX_SHIFT = 4  # in pixels, in each direction
MAX_DEGREES = 20  # of the rotations of CIFAR-100


def seeded_augmentation(dataset: str) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Returns `keras_noisy.datasets.augmentation` as a function of images and a seed, or `None`.

    Keras's layers draw from a state, which in tf.data also advances with batches that are
    prefetched but never used, so that results would depend on timing.
    """
    if not dataset.startswith("cifar"):
        return None
    max_degrees = MAX_DEGREES if dataset == "cifar100" else 0
    return functools.partial(_shift_flip_rotate, max_degrees=max_degrees)


def _shift_flip_rotate(images: Tensor, seed: Tensor, max_degrees: float) -> Tensor:
    """Changes images at random, and fills with black.

    Args:
        images: `uint8` (n, height, width, channels).
        seed: Integers (2,).
        max_degrees: Largest rotation.

    Returns:
        `float32` of the same shape.
    """
    tf = require_tensorflow()
    height, width = images.shape[1:3]
    draws = tf.random.stateless_uniform((4, tf.shape(images)[0]), seed)
    down, right = tf.unstack(tf.floor(draws[:2] * (2 * MAX_SHIFT + 1)) - MAX_SHIFT)
    flip = tf.where(draws[2] < 0.5, -1.0, 1.0)
    angle = (2.0 * draws[3] - 1.0) * math.radians(max_degrees)
    cos, sin, zero = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
    y, x = (height - 1) / 2, (width - 1) / 2  # the centre
    # The source of each output pixel: rotated around the centre, flipped, shifted.
    from_x = [flip * cos, -flip * sin, x - flip * (cos * x - sin * y) - right]
    from_y = [sin, cos, y - (sin * x + cos * y) - down]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack([*from_x, *from_y, zero, zero], axis=1),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
