"""CIFAR-100: 50,000 training and 10,000 test photographs of 100 classes, 32 x 32 pixels."""

from typing import Any

import keras

from keras_noisy.datasets._downloads import Download, load_or_explain
from keras_noisy.datasets._pipeline.from_arrays import build_from_splits
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.seeded_augmentation import seeded_augmentation

__all__ = ["load_data", "pipeline"]

_DOWNLOAD = Download(
    "CIFAR-100",
    {
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz": (
            "cifar-100-python-target_archive"
        )
    },
    "169 MB",
)


def load_data() -> Any:
    """Loads CIFAR-100 as `keras.datasets.cifar100.load_data` does, or says how to get it.

    Returns:
        Tuple of NumPy arrays `(x_train, y_train), (x_test, y_test)`: `x` is `uint8` of shape
        `(num_samples, 32, 32, 3)`, `y` has the 100 fine labels, of shape `(num_samples, 1)`.

    Raises:
        FileNotFoundError: If the data is missing and can't be downloaded.

    Example:

    >>> from keras_noisy.datasets import cifar100
    >>> (x_train, y_train), (x_test, y_test) = cifar100.load_data()  # doctest: +SKIP
    >>> x_train.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    """
    return load_or_explain(keras.datasets.cifar100.load_data, _DOWNLOAD)


def pipeline(split: str = "train", **options: Any) -> Pipeline:
    """Returns CIFAR-100 as a tf.data pipeline of raw pixels.

    Training images are shifted, flipped and rotated at random
    (`keras_noisy.datasets.augmentation`). To normalise the images, start the model with
    `keras_noisy.datasets.normalisation("cifar100")`.

    Args:
        split: `"train"` or `"test"`. Defaults to `"train"`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range.
        FileNotFoundError: If the data is missing and can't be downloaded; the message says how to
            get it.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import keras_noisy
    >>> from keras_noisy.datasets import cifar100
    >>> noise = keras_noisy.noise.symmetric(num_classes=100, rate=0.4)
    >>> train = cifar100.pipeline("train", noise=noise, batch_size=100)  # doctest: +SKIP
    >>> train.steps  # doctest: +SKIP
    500
    """
    return build_from_splits(load_data, split, options, 100, seeded_augmentation("cifar100"))
