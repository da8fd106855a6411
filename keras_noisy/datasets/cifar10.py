"""CIFAR-10: 50,000 training and 10,000 test photographs of 10 classes, 32 x 32 pixels."""

from typing import Any

import keras

from keras_noisy.datasets.augmentation import seeded_augmentation
from keras_noisy.datasets.downloads import Download, load_or_explain
from keras_noisy.datasets.pipeline import Pipeline, from_splits

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_DOWNLOAD = Download(
    "CIFAR-10",
    {
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz": (
            "cifar-10-batches-py-target_archive"
        )
    },
    "170 MB",
)


def load_data() -> Any:
    """Loads CIFAR-10 as `keras.datasets.cifar10.load_data` does, or says how to get it.

    Returns:
        Tuple of NumPy arrays `(x_train, y_train), (x_test, y_test)`: `x` is `uint8` of shape
        `(num_samples, 32, 32, 3)`, `y` is `uint8` of shape `(num_samples, 1)`.

    Raises:
        FileNotFoundError: If the data is not there and can't be downloaded.
    """
    return load_or_explain(keras.datasets.cifar10.load_data, _DOWNLOAD)


def pipeline(split: str = "train", **options: Any) -> Pipeline:
    """CIFAR-10 as a tf.data pipeline of raw pixels.

    Training images are shifted and flipped at random (`keras_noisy.datasets.augmentation`). To normalise
    them, begin the model with `keras_noisy.datasets.normalisation("cifar10")`.

    Args:
        split: `"train"` or `"test"`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range.
        FileNotFoundError: If the data is not there and can't be downloaded; it says what to do.
    """
    augmentation = seeded_augmentation("cifar10")
    return from_splits(load_data, split, options, 10, augmentation, CLASS_NAMES)
