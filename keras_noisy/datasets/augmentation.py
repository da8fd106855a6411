"""Normalisation and augmentation of images, as in the literature."""

from collections.abc import Sequence

import keras

from keras_noisy._arguments import check_choice, check_integer
from keras_noisy.datasets._pipeline.seeded_augmentation import DATASETS, MAX_DEGREES, MAX_SHIFT

# By data set: mean and standard deviation of each channel of the training images, for pixels in
# [0, 1].
STATISTICS: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def normalisation(dataset: str) -> keras.layers.Layer:
    """Returns the layer that normalises raw pixels as the literature does for a data set.

    Formula: `(pixel / 255 - mean) / std` for each channel. Put it first in the model, so that the
    deployed model takes raw images: `keras_noisy.models.resnet(…, normalisation=layer)`.

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"fashion_mnist"`, or `"imagenet"`, which is also used
            for WebVision and other photographs.

    Returns:
        A `keras.layers.Layer` that maps pixels in [0, 255], channels last, to normalised ones.

    Raises:
        ValueError: If there are no statistics of `dataset`.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.datasets import normalisation
    >>> layer = normalisation("cifar10")
    >>> [round(float(v), 2) for v in layer(np.full((1, 1, 1, 3), 255.0))[0, 0, 0]]
    [2.06, 2.13, 2.12]

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554): the protocol that most
      later work follows.
    """
    check_choice("dataset", dataset, STATISTICS)
    mean, std = STATISTICS[dataset]
    return keras.layers.Rescaling(
        scale=[1.0 / (255.0 * s) for s in std],
        offset=[-m / s for m, s in zip(mean, std, strict=True)],
        name="normalisation",
    )


def augmentation(dataset: str, seed: int = 0) -> keras.layers.Layer | None:
    """Returns the layers that augment training images as the literature does for a data set.

    CIFAR-10: shifts by up to 4 pixels, filled with black, and horizontal flips. CIFAR-100: the
    same, and rotations by up to 20 degrees. (The literature crops from an image that is padded by 4
    pixels, which is a shift; Keras's own RandomCrop uses one offset for a whole batch.)
    Fashion-MNIST and glyphs: none.

    Args:
        dataset: `"cifar10"`, `"cifar100"`, `"fashion_mnist"` or `"glyphs"`.
        seed: Non-negative integer. Defaults to `0`.

    Returns:
        A `keras.layers.Pipeline` for batches of images, usable in a model and in tf.data; or
        `None`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> from keras_noisy.datasets import augmentation
    >>> [type(layer).__name__ for layer in augmentation("cifar100").layers]
    ['RandomTranslation', 'RandomFlip', 'RandomRotation']

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """
    check_choice("dataset", dataset, DATASETS)
    seed = check_integer("seed", seed, 0)
    if not dataset.startswith("cifar"):
        return None
    options = {"fill_mode": "constant", "data_format": "channels_last"}
    # Shifts are rounded to whole pixels: with the 0.5, -4 to 4 are equally likely.
    shift = (MAX_SHIFT + 0.5) / 32
    # Each layer has a seed of its own. With a common one, all flipped images would rotate left.
    seeds = (3 * seed, 3 * seed + 1, 3 * seed + 2)
    layers = [
        keras.layers.RandomTranslation(
            shift, shift, interpolation="nearest", seed=seeds[0], **options
        ),
        keras.layers.RandomFlip("horizontal", seed=seeds[1], data_format="channels_last"),
    ]
    if dataset == "cifar100":
        layers.append(keras.layers.RandomRotation(MAX_DEGREES / 360, seed=seeds[2], **options))
    return keras.layers.Pipeline(layers)
