from collections.abc import Sequence

import keras

from keras_noisy._arguments import check_classes
from keras_noisy.models._arguments import read_shape


def mlp1024(num_classes: int, input_shape: Sequence[int] = (28, 28, 1)) -> keras.Model:
    """Builds a fully connected network with three hidden layers of 1024 units each, with ReLU.

    The source names a network MLP1024 of this width. It doesn't specify the number of hidden
    layers, nor whether they are normalised: three layers without normalisation are this package's
    choice. The network has 3,928,040 weights for 28 x 28 pixels and 1,000 classes.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Shape of an image or of any other array, without the batch axis. It is
            flattened. Defaults to `(28, 28, 1)`.

    Returns:
        A `keras.Model` that maps raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`. Compile it with a loss that has `from_logits=True`. The model itself
        rescales the pixels to [-1, 1]. The logits are float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_noisy.models import mlp1024
    >>> model = mlp1024(num_classes=1000, input_shape=(28, 28))
    >>> model.output_shape
    (None, 1000)

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 5.
    """
    check_classes("num_classes", num_classes)
    shape = read_shape(input_shape, "a sequence of positive integers")
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = keras.layers.Flatten()(x)
    for _ in range(3):
        x = keras.layers.Dense(1024, activation="relu")(x)
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name="mlp1024")
