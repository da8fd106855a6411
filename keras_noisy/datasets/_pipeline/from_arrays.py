"""Builds pipelines of images that are in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_choice
from keras_noisy._typing import Tensor
from keras_noisy.datasets._pipeline.labels import apply_noise, select_labels
from keras_noisy.datasets._pipeline.options import Options, resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.sharding import (
    count_samples,
    count_steps,
    order_samples,
    read_batch_size,
)
from keras_noisy.datasets._pipeline.tf_data import (
    enumerate_samples,
    finish,
    iterate_epochs,
    make_seed,
    make_whole_batches,
    require_tensorflow,
    to_uint8,
    without_autograph,
)


def build_from_arrays(
    images: NDArray[np.uint8],
    labels: NDArray,
    num_classes: int,
    options: Options,
    augmentation: Callable[[Tensor, Tensor], Tensor] | None,
    class_names: tuple[str, ...] | None = None,
    clean_labels: NDArray | None = None,
) -> Pipeline:
    """Builds the pipeline of images in memory.

    Args:
        images: Array (samples, height, width) or (samples, height, width, channels).
        labels: Integer array (samples,) or (samples, 1), to which the noise is applied.
        num_classes: Number of classes.
        options: The options of the pipeline.
        augmentation: Function from a batch of images and a seed (2,) to images, or `None`.
        class_names: Class names in the order of the labels. Defaults to `None`.
        clean_labels: Array (samples,). Defaults to `labels`.
    """
    tf = require_tensorflow()
    labels = np.asarray(labels).ravel()
    noisy_labels = apply_noise(labels, options.noise, options.seed, num_classes)
    clean_labels = labels if clean_labels is None else clean_labels
    if images.ndim == 3:
        images = images[..., np.newaxis]
    # The graph refers to tensors, but would hold copies of arrays. tf.data runs on the CPU; without
    # a device, TensorFlow would copy the data set to the GPU.
    with tf.device("CPU:0"):
        all_images, all_noisy, all_clean = (
            tf.constant(each) for each in (images, noisy_labels, np.asarray(clean_labels, "int32"))
        )

    def order(epoch: int) -> NDArray[np.int64]:
        return order_samples(options, len(labels), epoch)

    def build_epoch(epoch: Tensor) -> Any:
        def load_batch(position: Tensor, index: Tensor) -> tuple[Tensor, Any]:
            x = tf.gather(all_images, index)
            if options.augment and augmentation is not None:
                x = to_uint8(augmentation(x, make_seed(options.seed, epoch, position[0])))
            noisy, clean = tf.gather(all_noisy, index), tf.gather(all_clean, index)
            return x, select_labels(options, noisy, clean)

        batches = (
            enumerate_samples(order, epoch)
            .batch(read_batch_size(options))
            .map(
                without_autograph(load_batch),
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
        )
        return make_whole_batches(batches, options, len(labels))

    size = len(order(0))
    return Pipeline(
        finish(iterate_epochs(build_epoch, options.first_epoch), count_steps(options, size)),
        num_classes,
        count_samples(options, size),
        options.batch_size,
        class_names,
    )


def build_from_splits(
    load: Callable[[], Any],
    split: str,
    arguments: dict[str, Any],
    num_classes: int,
    augmentation: Callable[[Tensor, Tensor], Tensor] | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Pipeline:
    """Builds the pipeline of a split of a data set that loads as `keras.datasets` do.

    Args:
        load: Function that returns `(x_train, y_train), (x_test, y_test)`.
        split: `"train"` or `"test"`.
        arguments: The options of the call, by name.
        num_classes: Number of classes.
        augmentation: Function from a batch of images and a seed (2,) to images, or `None`.
        class_names: Class names in the order of the labels. Defaults to `None`.
    """
    check_choice("split", split, ("train", "test"))
    is_training = split == "train"
    options = resolve_options(arguments, is_training=is_training)
    x, y = load()[0 if is_training else 1]
    return build_from_arrays(x, y, num_classes, options, augmentation, class_names)
