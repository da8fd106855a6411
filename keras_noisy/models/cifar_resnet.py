from collections.abc import Sequence
from typing import Any

import keras

from keras_noisy._arguments import check_choice, check_classes
from keras_noisy.models._arguments import read_normalisation, read_shape
from keras_noisy.models.resnet import BLOCKS_PER_STAGE


def cifar_resnet(
    num_classes: int,
    depth: int = 34,
    input_shape: Sequence[int | None] = (32, 32, 3),
    normalisation: keras.layers.Layer | None = None,
) -> keras.Model:
    """Builds the ResNet for small images that papers on robust losses use for CIFAR-100.

    It has one 3 x 3 convolution with stride 1 and 64 filters, without max pooling, then four
    stages of residual blocks with 64, 128, 256 and 512 filters (ResNet V1: ReLU after the sum;
    each stage but the first halves height and width), global average pooling and a dense layer. It
    reduces images of 32 x 32 pixels to 4 x 4 positions, while `resnet` reduces height and width by
    32.

    With three channels and 100 classes, it has 11,220,132 trainable weights for depth 18,
    21,328,292 for 34 and 23,705,252 for 50. The initial weights are He uniform in convolutions
    (Keras's `"he_uniform"`, PyTorch's `kaiming_uniform_` with `mode="fan_in"` and
    `nonlinearity="relu"`), and Glorot uniform in the dense layer (Keras's default, PyTorch's
    `xavier_uniform_`). Batch normalisation has the momentum and epsilon of PyTorch's default.

    Args:
        num_classes: Number of classes, at least 2.
        depth: 18 or 34 (two convolutions per block), or 50 (three). Defaults to `34`.
        input_shape: Shape of an image, `(height, width, channels)`; height and width may be `None`.
            Defaults to `(32, 32, 3)`.
        normalisation: Layer that normalises raw images, such as
            `keras_noisy.datasets.normalisation("cifar100")`. Defaults to `None`: pixels are divided
            by 255.

    Returns:
        A `keras.Model` that maps raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`. Compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_noisy.datasets import normalisation
    >>> from keras_noisy.models import cifar_resnet
    >>> model = cifar_resnet(num_classes=100, depth=18, normalisation=normalisation("cifar100"))
    >>> model.output_shape
    (None, 100)

    References:

    - He, Zhang, Ren, Sun, 2016, "Deep Residual Learning for Image Recognition",
      [CVPR 2016](https://arxiv.org/abs/1512.03385): the blocks.
    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554): the first layer, the
      widths and the initial weights, as in the code that the authors published.
    """
    check_classes("num_classes", num_classes)
    check_choice("depth", depth, BLOCKS_PER_STAGE)
    shape = read_shape(input_shape, "(height, width, channels)", num_axes=[3], any_size=True)
    normalisation = read_normalisation(normalisation)
    inputs = keras.Input(shape)
    x = _relu(_convolve(normalisation(inputs), 64, 3))
    block = _bottleneck if depth == 50 else _basic_block
    for filters, count, stride in zip(
        (64, 128, 256, 512), BLOCKS_PER_STAGE[depth], (1, 2, 2, 2), strict=True
    ):
        for index in range(count):
            x = block(x, filters, stride if index == 0 else 1)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name=f"cifar_resnet{depth}")


def _basic_block(x: Any, filters: int, stride: int) -> Any:
    branch = _relu(_convolve(x, filters, 3, stride))
    branch = _convolve(branch, filters, 3)
    return _add(x, branch, stride)


def _bottleneck(x: Any, filters: int, stride: int) -> Any:
    branch = _relu(_convolve(x, filters, 1))
    branch = _relu(_convolve(branch, filters, 3, stride))
    branch = _convolve(branch, 4 * filters, 1)
    return _add(x, branch, stride)


def _add(x: Any, branch: Any, stride: int) -> Any:
    filters = branch.shape[-1]
    shortcut = x if x.shape[-1] == filters else _convolve(x, filters, 1, stride)
    return _relu(keras.layers.Add()([branch, shortcut]))


def _convolve(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    if size > 1 and stride > 1:
        # Padding "same" would only pad one side, and shift the branch by a pixel relative to its
        # shortcut.
        x = keras.layers.ZeroPadding2D(size // 2, data_format="channels_last")(x)
    x = keras.layers.Conv2D(
        filters,
        size,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer="he_uniform",
        data_format="channels_last",
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _relu(x: Any) -> Any:
    return keras.layers.ReLU()(x)
