"""Images and labels in arrays."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_noisy._arguments import check_choice, check_classes
from keras_noisy._labels import read_labels
from keras_noisy.datasets._pipeline.from_arrays import build_from_arrays
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.seeded_augmentation import DATASETS, seeded_augmentation

__all__ = ["pipeline"]


def pipeline(
    images: ArrayLike,
    labels: ArrayLike,
    num_classes: int,
    *,
    is_training: bool = True,
    augmentation: str | None = None,
    class_names: tuple[str, ...] | None = None,
    **options: Any,
) -> Pipeline:
    """Returns images in memory as a tf.data pipeline of raw pixels.

    Args:
        images: `uint8` array (samples, height, width, channels), or (samples, height, width) for
            one channel.
        labels: Integer array (samples,) or (samples, 1) with values in [0, K), or one-hot rows
            (samples, K) of any type.
        num_classes: Integer K, at least 2.
        is_training: Whether images are shuffled and augmented, unless the options say otherwise.
            Defaults to `True`.
        augmentation: Name of the data set whose augmentation is applied to training images, such as
            `"cifar10"` or `"cifar100"`; see `keras_noisy.datasets.augmentation`. Defaults to
            `None`: images are not changed.
        class_names: Class names in the order of the labels. Defaults to `None`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.datasets import arrays
    >>> x, y = np.zeros((10, 8, 8, 3), "uint8"), np.arange(10) % 2
    >>> train = arrays.pipeline(x, y, num_classes=2, batch_size=4)
    >>> train.steps, train.element_spec[0].shape.as_list()
    (3, [None, 8, 8, 3])
    """
    num_classes = check_classes("num_classes", num_classes)
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            "`images` must be uint8 of shape (samples, height, width) or (samples, height, width, "
            f"channels). Received: {images.dtype} of shape {images.shape}"
        )
    if not len(images):
        raise ValueError(f"`images` must have at least one image. Received: shape {images.shape}")
    allowed = f"be {len(images)} integers in [0, {num_classes}), one for each image"
    classes = read_labels("labels", labels, num_classes, allowed=allowed).classes
    if len(classes) != len(images):
        raise ValueError(f"`labels` must {allowed}. Received: {len(classes)} labels")
    check_choice("augmentation", augmentation, (None, *DATASETS))
    augment = None if augmentation is None else seeded_augmentation(augmentation)
    resolved = resolve_options(options, is_training=is_training)
    return build_from_arrays(images, classes, num_classes, resolved, augment, class_names)
