from collections.abc import Sequence

import keras

from keras_noisy._arguments import check_choice, check_classes
from keras_noisy._extras import require
from keras_noisy.models._arguments import read_normalisation, read_shape

# The numbers of residual blocks of the four stages, by depth.
BLOCKS_PER_STAGE = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}


def resnet(
    num_classes: int,
    depth: int = 18,
    input_shape: Sequence[int | None] = (224, 224, 3),
    normalisation: keras.layers.Layer | None = None,
    library: str = "keras_cv",
) -> keras.Model:
    """Builds a ResNet classifier with random weights, on a backbone of keras-cv or keras-hub.

    It has residual blocks with pre-activation (ResNet V2), global average pooling and a dense
    layer. The first layers reduce height and width by 4, and the backbone in total by 32. Images
    of 32 x 32 pixels work, but larger ones are more suitable.

    Args:
        num_classes: Number of classes, at least 2.
        depth: 18 or 34 (two convolutions per block), or 50 (three). Defaults to `18`.
        input_shape: Shape of an image, `(height, width, channels)`; height and width may be `None`.
            Defaults to `(224, 224, 3)`.
        normalisation: Layer that normalises raw images, such as
            `keras_noisy.datasets.normalisation("imagenet")`. Defaults to `None`: pixels are divided
            by 255.
        library: `"keras_cv"` for its `ResNetV2Backbone`, or `"keras_hub"` for its `ResNetBackbone`
            with pre-activation. The architectures differ in details, so the weights of one don't
            fit the other. Defaults to `"keras_cv"`.

    Returns:
        A `keras.Model` that maps raw images, with pixels from 0 to 255, to logits of shape
        `(batch, num_classes)`. Compile it with a loss that has `from_logits=True`. The logits are
        float32 under mixed precision, too.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If the library is not installed.

    Example:

    >>> from keras_noisy.models import resnet
    >>> model = resnet(num_classes=50, depth=18)
    >>> model.output_shape
    (None, 50)

    References:

    - He, Zhang, Ren, Sun, 2016, "Identity Mappings in Deep Residual Networks",
      [ECCV 2016](https://arxiv.org/abs/1603.05027).
    """
    check_classes("num_classes", num_classes)
    check_choice("depth", depth, BLOCKS_PER_STAGE)
    shape = read_shape(input_shape, "(height, width, channels)", num_axes=[3], any_size=True)
    check_choice("library", library, ["keras_cv", "keras_hub"])
    # The backbone of keras-cv can divide pixels by 255 itself.
    has_own_rescaling = library == "keras_cv" and normalisation is None
    normalise = None if has_own_rescaling else read_normalisation(normalisation)
    # The backbones are not built from presets, which the libraries download.
    if library == "keras_cv":
        backbone = require("keras_cv", extra="vision").models.ResNetV2Backbone(
            stackwise_filters=[64, 128, 256, 512],
            stackwise_blocks=BLOCKS_PER_STAGE[depth],
            stackwise_strides=[1, 2, 2, 2],
            include_rescaling=has_own_rescaling,
            block_type="block" if depth == 50 else "basic_block",
            input_shape=shape,
        )
    else:
        backbone = require("keras_hub", extra="hub").models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_blocks=BLOCKS_PER_STAGE[depth],
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="bottleneck_block" if depth == 50 else "basic_block",
            use_pre_activation=True,
            image_shape=shape,
            data_format="channels_last",
        )
    inputs, x = backbone.input, backbone.output
    if normalise is not None:
        inputs = keras.Input(shape)
        x = backbone(normalise(inputs))
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    outputs = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")
