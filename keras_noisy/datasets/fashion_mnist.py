"""Fashion-MNIST: 60,000 training and 10,000 test images of 10 kinds of clothes, 28 x 28 pixels."""

from typing import Any

import keras

from keras_noisy.datasets._downloads import Download, load_or_explain
from keras_noisy.datasets._pipeline.from_arrays import build_from_splits
from keras_noisy.datasets._pipeline.pipeline import Pipeline

__all__ = ["load_data", "pipeline"]

_CLASS_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_DOWNLOAD = Download(
    "Fashion-MNIST",
    {
        f"{_ORIGIN}{file}.gz": f"fashion-mnist/{file}.gz"
        for file in (
            "train-labels-idx1-ubyte",
            "train-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
        )
    },
    "31 MB",
)


def load_data() -> Any:
    """Loads Fashion-MNIST as `keras.datasets.fashion_mnist.load_data` does, or says how to get it.

    Returns:
        Tuple of NumPy arrays `(x_train, y_train), (x_test, y_test)`: `x` is `uint8` of shape
        `(num_samples, 28, 28)`, `y` is `uint8` of shape `(num_samples,)`.

    Raises:
        FileNotFoundError: If the data is missing and can't be downloaded.

    Example:

    >>> from keras_noisy.datasets import fashion_mnist
    >>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()  # doctest: +SKIP
    >>> x_train.shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    return load_or_explain(keras.datasets.fashion_mnist.load_data, _DOWNLOAD)


def pipeline(split: str = "train", **options: Any) -> Pipeline:
    """Returns Fashion-MNIST as a tf.data pipeline of raw pixels, with one channel.

    Images are not augmented. To normalise them, start the model with
    `keras_noisy.datasets.normalisation("fashion_mnist")`.

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
    >>> from keras_noisy.datasets import fashion_mnist
    >>> noise = keras_noisy.noise.symmetric(num_classes=10, rate=0.4)
    >>> train = fashion_mnist.pipeline("train", noise=noise, batch_size=100)  # doctest: +SKIP
    >>> train.steps  # doctest: +SKIP
    600
    """
    return build_from_splits(load_data, split, options, 10, class_names=_CLASS_NAMES)
