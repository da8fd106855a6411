"""How the literature normalises and augments small images."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_noisy._arguments import check_choice, check_integer
from keras_noisy.datasets.pipeline import require_tf

# By data set: mean and standard deviation of the channels of the training images, pixels in [0, 1].
STATISTICS: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
DATASETS = ("cifar10", "cifar100", "fashion_mnist", "glyphs")

# Pixels, each way, and the degrees of CIFAR-100.
_SHIFT = 4
_DEGREES = 20


def normalisation(dataset: str) -> keras.layers.Layer:
    """The layer that normalises raw pixels as the literature does for a data set.

    Formula: `(pixel / 255 - mean) / std` for each channel. Put it first in the model, so that the
    deployed model takes raw images: `keras_noisy.models.resnet(…, normalisation=layer)`.

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"fashion_mnist"`, or `"imagenet"`, which is what WebVision
            and other photographs take.

    Returns:
        A `keras.layers.Layer` from pixels in [0, 255], channels last, to normalised ones.

    Raises:
        ValueError: If there are no statistics of `dataset`.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.datasets import normalisation
    >>> layer = normalisation("cifar10")
    >>> [round(float(v), 2) for v in layer(np.full((1, 1, 1, 3), 255.0))[0, 0, 0]]
    [2.06, 2.13, 2.12]

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning with
      Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554): the protocol that most later work
      follows.
    """
    check_choice("dataset", dataset, STATISTICS)
    mean, std = STATISTICS[dataset]
    return keras.layers.Rescaling(
        scale=[1.0 / (255.0 * s) for s in std],
        offset=[-m / s for m, s in zip(mean, std, strict=True)],
        name="normalisation",
    )


def augmentation(dataset: str, seed: int = 0) -> keras.layers.Layer | None:
    """The layers that change training images at random as the literature does for a data set.

    CIFAR-10: shifts by up to 4 pixels, the border black, and horizontal flips. CIFAR-100: the same, and
    rotations by up to 20 degrees. (The literature crops from an image with a border of 4 pixels, which is
    a shift; Keras's own RandomCrop takes one place for a whole batch.) Fashion-MNIST and glyphs: none.

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"fashion_mnist"` or `"glyphs"`.
        seed: Non-negative integer. Defaults to `0`.

    Returns:
        A `keras.layers.Pipeline` for batches of images, usable in a model and in tf.data; or `None`.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> from keras_noisy.datasets import augmentation
    >>> [type(layer).__name__ for layer in augmentation("cifar100").layers]
    ['RandomTranslation', 'RandomFlip', 'RandomRotation']

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning with
      Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """
    check_choice("dataset", dataset, DATASETS)
    seed = check_integer("seed", seed, 0)
    if not dataset.startswith("cifar"):
        return None
    options = {"fill_mode": "constant", "data_format": "channels_last"}
    shift = (_SHIFT + 0.5) / 32  # rounded to whole pixels, -4 to 4 are equally likely
    # Each with a seed of its own: with the same one, images that are flipped would all turn left.
    seeds = (3 * seed, 3 * seed + 1, 3 * seed + 2)
    layers = [
        keras.layers.RandomTranslation(
            shift, shift, interpolation="nearest", seed=seeds[0], **options
        ),
        keras.layers.RandomFlip("horizontal", seed=seeds[1], data_format="channels_last"),
    ]
    if dataset == "cifar100":
        layers.append(keras.layers.RandomRotation(_DEGREES / 360, seed=seeds[2], **options))
    return keras.layers.Pipeline(layers)


def seeded_augmentation(dataset: str) -> Callable[[Any, Any], Any] | None:
    """What `augmentation` does, as a function of images and a seed, for the graph of tf.data.

    Keras's layers draw from a state of their own; in tf.data it moves on with batches that were prepared
    and never taken, whose number is a matter of time.
    """
    if not dataset.startswith("cifar"):
        return None
    return functools.partial(_moved, degrees=_DEGREES if dataset == "cifar100" else 0)


def _moved(images: Any, seed: Any, degrees: float) -> Any:
    """Shifts, flips and rotates `uint8` images (n, height, width, channels), the border black: `float32`."""
    tf = require_tf()
    height, width = images.shape[1:3]
    draws = tf.random.stateless_uniform((4, tf.shape(images)[0]), seed)
    down, right = tf.unstack(tf.floor(draws[:2] * (2 * _SHIFT + 1)) - _SHIFT)
    flip = tf.where(draws[2] < 0.5, -1.0, 1.0)
    angle = (2.0 * draws[3] - 1.0) * math.radians(degrees)
    cos, sin, zero = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
    y, x = (height - 1) / 2, (width - 1) / 2  # the centre
    # Where each pixel comes from: turned around the centre, mirrored, shifted.
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
