"""Images of printed characters: a classification task with up to 2,000 classes.

Nothing is downloaded: the characters are drawn from the DejaVu fonts that matplotlib ships.
"""

import os
import tempfile
import warnings
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag, check_integer
from keras_noisy.datasets._glyphs.characters import CHARACTERS
from keras_noisy.datasets._glyphs.drawing import (
    SIDE,
    load_fonts,
    render,
    transform_parameters,
    warp,
)
from keras_noisy.datasets._pipeline.from_arrays import build_from_splits
from keras_noisy.datasets._pipeline.pipeline import Pipeline

__all__ = ["class_names", "load_data", "pipeline"]

_Split = tuple[NDArray[np.uint8], NDArray[np.int32]]

# Part of the file name in the cache: increase it whenever the same arguments give other images.
_VERSION = 1

_TRAIN, _TEST = 0, 1


def load_data(
    num_classes: int = 1000,
    train_per_class: int = 60,
    test_per_class: int = 10,
    seed: int = 0,
    cache: bool = True,
    verbose: int = 1,
) -> tuple[_Split, _Split]:
    """Loads the glyphs dataset: images of printed characters, one class for each character.

    Images are white on black, as in MNIST. A class is a letter, digit, symbol or punctuation mark,
    from Latin, Greek and Cyrillic to arrows and box drawings; characters that look alike (Latin A,
    Greek Alpha, Cyrillic A) are one class. An image shows its character in one of 12 font styles,
    16 to 23 pixels in size, shifted by up to 2 pixels, rotated by up to 12 degrees and sheared by
    up to 0.15, all drawn uniformly at random. The height on the line is kept, so that a comma can
    be told from an apostrophe; a glyph that would be cropped is moved inwards and, if necessary,
    shrunk.

    The classes are nested: the first 100 of 1,000 classes are those of `num_classes=100`, with
    the same images. Training and test images come from independent random streams.

    The first call draws the images, which takes seconds and needs matplotlib; later calls with the
    same arguments read them from `datasets/keras_noisy` in the Keras home folder (`$KERAS_HOME`,
    else `~/.keras`).

    Args:
        num_classes: Number of classes, from 2 to 2,000. Defaults to `1000`.
        train_per_class: Number of training images of each class. Defaults to `60`.
        test_per_class: Number of test images of each class. Defaults to `10`.
        seed: Non-negative integer; another seed gives other images of the same characters. Defaults
            to `0`.
        cache: Whether to read the images from the Keras home folder and to store them there.
            Defaults to `True`.
        verbose: 1 shows a progress bar while images are drawn, 0 does not. Defaults to `1`.

    Returns:
        Tuple of NumPy arrays `(x_train, y_train), (x_test, y_test)`, in random order: `x` is
        `uint8` of shape `(num_samples, 28, 28)`, `y` is `int32` of shape `(num_samples,)`.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If images must be drawn and matplotlib is not installed.

    Example:

    >>> from keras_noisy.datasets import glyphs
    >>> (x_train, y_train), (x_test, y_test) = glyphs.load_data(num_classes=10, verbose=0)
    >>> x_train.shape, y_train.shape, x_test.shape, y_test.shape
    ((600, 28, 28), (600,), (100, 28, 28), (100,))
    """
    num_classes = check_integer("num_classes", num_classes, 2, len(CHARACTERS))
    counts = (
        check_integer("train_per_class", train_per_class, 1),
        check_integer("test_per_class", test_per_class, 1),
    )
    seed = check_integer("seed", seed, 0)
    if not check_flag("cache", cache):
        return _generate(num_classes, counts, seed, verbose)

    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    name = f"glyphs-v{_VERSION}-{num_classes}x{counts[_TRAIN]}x{counts[_TEST]}-seed{seed}.npz"
    path = os.path.join(home, "datasets", "keras_noisy", name)
    data = _read(path)
    if data is None:
        data = _generate(num_classes, counts, seed, verbose)
        _write(path, data)
    return data


def pipeline(
    split: str = "train",
    num_classes: int = 1000,
    train_per_class: int = 60,
    test_per_class: int = 10,
    **options: Any,
) -> Pipeline:
    """Returns the glyphs as a tf.data pipeline of raw pixels, with one channel.

    Args:
        split: `"train"` or `"test"`. Defaults to `"train"`.
        num_classes: Number of classes, from 2 to 2,000. Defaults to `1000`.
        train_per_class: Number of training images of each class. Defaults to `60`.
        test_per_class: Number of test images of each class. Defaults to `10`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. The
            images are those of `load_data` with its default seed.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If TensorFlow is not installed, or if images must be drawn and matplotlib is
            not installed.

    Example:

    >>> import keras_noisy
    >>> noise = keras_noisy.noise.symmetric(num_classes=10, rate=0.4)
    >>> train = keras_noisy.datasets.glyphs.pipeline("train", num_classes=10, noise=noise)
    >>> train.steps
    5
    >>> train.element_spec[0].shape.as_list()
    [None, 28, 28, 1]
    """

    def load() -> tuple[_Split, _Split]:
        return load_data(num_classes, train_per_class, test_per_class, verbose=0)

    names = tuple(class_names(num_classes))
    return build_from_splits(load, split, options, num_classes, class_names=names)


def class_names(num_classes: int = 1000) -> list[str]:
    """Returns the characters of the classes of the glyphs dataset, in the order of the labels.

    Args:
        num_classes: Number of classes, from 2 to 2,000. Defaults to `1000`.

    Returns:
        List of `num_classes` strings of one character each.

    Raises:
        ValueError: If `num_classes` is out of its range.

    Example:

    >>> from keras_noisy.datasets import glyphs
    >>> glyphs.class_names(5)
    ['ე', 'ᴿ', 'ŗ', 'Ἢ', ',']
    """
    num_classes = check_integer("num_classes", num_classes, 2, len(CHARACTERS))
    # The order is fixed, so that classes are nested and do not depend on the seed of the images.
    order = np.argsort(np.random.default_rng(0).random(len(CHARACTERS)))
    return [CHARACTERS[i] for i in order[:num_classes]]


def _generate(
    num_classes: int, counts: tuple[int, int], seed: int, verbose: int
) -> tuple[_Split, _Split]:
    """Draws the training and test images; `counts` are their numbers for each class."""
    fonts = load_fonts()
    images = [np.empty((num_classes * n, SIDE, SIDE), np.uint8) for n in counts]
    labels = [np.empty(num_classes * n, np.int32) for n in counts]
    # The positions of the images are random, so that batches mix the classes.
    positions = [
        np.argsort(_rng(seed, split).random(num_classes * n)) for split, n in enumerate(counts)
    ]
    progress = keras.utils.Progbar(num_classes, verbose=verbose, unit_name="class")
    for label, character in enumerate(class_names(num_classes)):
        glyphs = render(character, fonts)
        for split, n in enumerate(counts):
            # Each class and split has a random stream, and each image a row of it, so that an image
            # depends neither on the number of classes nor on the number of images.
            uniform = _rng(seed, split, label).random((n, 6))
            position = positions[split][label * n : (label + 1) * n]
            labels[split][position] = label
            for start in range(0, n, 256):  # bounds the memory of the warp
                block = slice(start, start + 256)
                parameters = transform_parameters(uniform[block])
                images[split][position[block]] = warp(glyphs, *parameters)
        progress.update(label + 1)
    return (images[_TRAIN], labels[_TRAIN]), (images[_TEST], labels[_TEST])


def _rng(seed: int, *key: int) -> np.random.Generator:
    """Returns a generator whose stream is independent of those with other keys."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _read(path: str) -> tuple[_Split, _Split] | None:
    """Returns the images in the cache, or `None` if the file is missing or damaged."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
    except Exception:  # damaged archives raise many types of errors
        return None


def _write(path: str, data: tuple[_Split, _Split]) -> None:
    """Writes the images to the cache, or warns if that fails."""
    (x_train, y_train), (x_test, y_test) = data
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        # Written elsewhere and moved, so that an interrupted run leaves no incomplete file.
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            file = os.path.join(draft, os.path.basename(path))
            np.savez_compressed(
                file, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test
            )
            os.replace(file, path)
    except OSError as error:
        warnings.warn(f"The glyphs dataset could not be cached: {error}", stacklevel=3)
