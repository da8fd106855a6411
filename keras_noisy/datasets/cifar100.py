"""CIFAR-100: 50,000 training and 10,000 test photographs of 100 classes, 32 x 32 pixels."""

from typing import Any

import keras

from keras_noisy.datasets.augmentation import seeded_augmentation
from keras_noisy.datasets.downloads import Download, load_or_explain
from keras_noisy.datasets.pipeline import Pipeline, from_splits

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
        `(num_samples, 32, 32, 3)`, `y` holds the 100 fine labels, of shape `(num_samples, 1)`.

    Raises:
        FileNotFoundError: If the data is not there and can't be downloaded.
    """
    return load_or_explain(keras.datasets.cifar100.load_data, _DOWNLOAD)


def pipeline(split: str = "train", **options: Any) -> Pipeline:
    """CIFAR-100 as a tf.data pipeline of raw pixels.

    Training images are shifted, flipped and rotated at random (`keras_noisy.datasets.augmentation`). To
    normalise them, begin the model with `keras_noisy.datasets.normalisation("cifar100")`.

    Args:
        split: `"train"` or `"test"`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range.
        FileNotFoundError: If the data is not there and can't be downloaded; it says what to do.
    """
    return from_splits(load_data, split, options, 100, seeded_augmentation("cifar100"))
