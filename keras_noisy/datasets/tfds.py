"""Image classification data sets of the TensorFlow Datasets catalogue, with a choice of labels."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag, check_integer
from keras_noisy._extras import require
from keras_noisy._typing import Tensor
from keras_noisy.datasets._image_files.transforms import add_draws, make_image
from keras_noisy.datasets._pipeline.from_arrays import build_from_arrays
from keras_noisy.datasets._pipeline.labels import check_noise, select_labels
from keras_noisy.datasets._pipeline.options import Options, resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.seeded_augmentation import seeded_augmentation
from keras_noisy.datasets._pipeline.sharding import (
    count_samples,
    count_steps,
    order_samples,
    pads_batches,
    read_batch_size,
)
from keras_noisy.datasets._pipeline.tf_data import (
    finish,
    iterate_epochs,
    make_whole_batches,
    map_in_parallel,
    require_tensorflow,
    without_autograph,
)
from keras_noisy.noise import add_index, corrupt_dataset

__all__ = ["pipeline"]

# Size of the shuffle buffer for photographs, which stay on the disk.
_SHUFFLE_BUFFER = 4096


def pipeline(
    name: str,
    split: str = "train",
    *,
    label_key: str = "label",
    image_key: str = "image",
    is_training: bool | None = None,
    image_size: int | None = None,
    colour_jitter: bool = True,
    data_dir: str | os.PathLike | None = None,
    **options: Any,
) -> Pipeline:
    """Returns a data set of TensorFlow Datasets as a tf.data pipeline of raw pixels.

    The catalogue has data sets with real label noise. `label_key` selects the labels:

    | name | noisy labels | clean labels |
    | --- | --- | --- |
    | `"cifar10_n"` | `"worse_label"`, `"aggre_label"`, `"random_label1"`, `2`, `3` | `"label"` |
    | `"cifar100_n"` | `"noise_label"` | `"label"` |
    | `"controlled_noisy_web_labels"` | `"label"` | where `"is_clean"` |
    | `"food101"` | `"label"` of `"train"` | `"label"` of `"validation"` |

    Photographs of many sizes need an `image_size`: they are cropped and resized as those of
    WebVision are, and read from the disk in each epoch, with a shuffle buffer of 4,096. Images of
    one size are read into memory, and augmented as the literature does for that data set.

    Args:
        name: Name of the data set, as `tfds.load` takes it.
        split: Name of the split, as `tfds.load` takes it. Defaults to `"train"`.
        label_key: Name of the feature with the labels. Defaults to `"label"`.
        image_key: Name of the feature with the images. Defaults to `"image"`.
        is_training: Whether images are shuffled and augmented, unless the options say otherwise.
            Defaults to `None`: only if the name of the split begins with `train`.
        image_size: Height and width, for images of different sizes. Defaults to `None`.
        colour_jitter: With `image_size`, whether augmentation also changes colours. Defaults to
            `True`.
        data_dir: Folder of TensorFlow Datasets. Defaults to its own, `~/tensorflow_datasets`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. With
            `keep_clean`, the clean labels are those of `"label"`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, if the data set has no such feature of
            images or classes, or if the split has no samples or no labels, as some test sets.
        FileNotFoundError: If the data is missing and can't be downloaded; the message says how to
            get it.
        ImportError: If tensorflow-datasets is not installed.

    Example:

    >>> import tensorflow_datasets
    >>> from keras_noisy.datasets import tfds
    >>> with tensorflow_datasets.testing.mock_data(num_examples=8):  # instead of real data
    ...     train = tfds.pipeline("cifar10_n", label_key="worse_label", batch_size=4)
    >>> train.num_classes, train.element_spec[0].shape.as_list()
    (10, [None, 32, 32, 3])
    """
    library = require("tensorflow_datasets", extra="datasets")
    if not isinstance(split, str):
        raise ValueError(f"`split` must be the name of a split. Received: split={split!r}")
    check_flag("colour_jitter", colour_jitter)
    if is_training is None:
        is_training = split.startswith("train")
    resolved = resolve_options(options, is_training=is_training)
    if image_size is not None:
        check_integer("image_size", image_size, 1)
    builder = library.builder(name, data_dir=data_dir)
    features = builder.info.features
    for argument, key, kind, what in (
        ("image_key", image_key, library.features.Image, "images"),
        ("label_key", label_key, library.features.ClassLabel, "one class for each image"),
    ):
        if key not in features:
            raise ValueError(
                f"`{argument}` must be a feature of {name}, one of {sorted(features)}. "
                f"Received: {argument}={key!r}"
            )
        if not isinstance(features[key], kind):
            suitable = sorted(each for each in features if isinstance(features[each], kind))
            raise ValueError(
                f"`{argument}` must be a feature of {name} with {what}, one of {suitable}. "
                f"Received: {argument}={key!r}, which is {features[key]}"
            )
    if image_size is None and None in features[image_key].shape:
        raise ValueError(
            f"`image_size` must be an integer for {name}, whose images have different sizes. "
            "Received: image_size=None"
        )
    decoders = {image_key: library.decode.SkipDecoding()} if image_size else None
    folder = "" if data_dir is None else f', data_dir="{os.fspath(data_dir)}"'
    samples = _load_samples(builder, split, decoders, f'tfds.load("{name}"{folder})')
    is_class = "label" in features and isinstance(features["label"], library.features.ClassLabel)
    clean_key = "label" if is_class else label_key
    samples = samples.map(
        without_autograph(lambda sample: (sample[image_key], sample[label_key], sample[clean_key]))
    )
    num_samples = int(samples.cardinality())
    if num_samples == 0:
        raise ValueError(f"`split` must have samples. Received: split={split!r} of {name}")
    num_classes = features[label_key].num_classes
    class_names = tuple(features[label_key].names)
    if image_size is None:
        images, noisy, clean = (
            np.stack(part) for part in zip(*samples.as_numpy_iterator(), strict=True)
        )
        _check_labels(noisy, split, name)
        base_name = name.split("/")[0].split(":")[0].removesuffix("_n")
        augmentation = seeded_augmentation(base_name)
        return build_from_arrays(
            images, noisy, num_classes, resolved, augmentation, class_names, clean
        )
    # The first label tells, because a split has either all labels or none.
    _check_labels(next(iter(samples))[1].numpy(), split, name)
    noise = check_noise(resolved.noise, num_samples, num_classes)
    size = len(order_samples(resolved, num_samples, 0))
    batches = _stream_batches(samples, image_size, colour_jitter, noise, size, resolved)
    return Pipeline(
        batches, num_classes, count_samples(resolved, size), resolved.batch_size, class_names
    )


def _check_labels(labels: NDArray, split: str, name: str) -> None:
    """Raises a ValueError if labels are missing, which TensorFlow Datasets marks by -1."""
    if np.any(labels < 0):
        raise ValueError(
            "`split` must have labels. "
            f"Received: split={split!r} of {name}, a test set whose labels are not published (-1)"
        )


def _stream_batches(
    samples: Any,
    image_size: int,
    colour_jitter: bool,
    noise: NDArray | None,
    size: int,
    options: Options,
) -> Any:
    """Returns batches of photographs that are read from the disk in each epoch.

    Args:
        samples: `tf.data.Dataset` of `(contents of a file, noisy label, clean label)`.
        image_size: Height and width.
        colour_jitter: Whether augmentation also changes colours.
        noise: Transition matrix or labels that are applied to the noisy labels, or `None`.
        size: Number of this worker's samples in an epoch.
        options: The options of the pipeline.
    """
    tf = require_tensorflow()
    numbered = add_index(
        samples.map(without_autograph(lambda contents, noisy, clean: ((contents, clean), noisy)))
    )
    numbered = numbered.map(without_autograph(lambda x, y: ((*x, y["index"]), y)))
    if noise is not None:
        numbered = corrupt_dataset(numbered, noise, options.seed if noise.ndim == 2 else None)
    else:
        numbered = numbered.map(without_autograph(lambda x, y: (x, y["label"])))
    if not pads_batches(options):  # padded batches are split among the workers later
        numbered = numbered.shard(options.num_workers, options.worker)

    def build_epoch(epoch: Tensor) -> Any:
        order = numbered
        if options.shuffle:
            # Sets the seed of this graph, so that the global seed of TensorFlow has no effect. It
            # must not be 0, with which TensorFlow fails.
            tf.compat.v1.get_default_graph().seed = 1 + options.seed % 2**30
            order = order.shuffle(_SHUFFLE_BUFFER, epoch)
        order = order.take(size)
        if options.augment:
            order = add_draws(order, lambda x, noisy: x[-1], options.seed, epoch)
        return map_in_parallel(order, load)

    def load(x: Any, noisy: Tensor, draws: Tensor | None = None) -> tuple[Tensor, Any]:
        contents, clean, _ = x
        image = make_image(contents, image_size, colour_jitter, draws)
        return image, select_labels(options, tf.cast(noisy, tf.int32), tf.cast(clean, tf.int32))

    images = iterate_epochs(build_epoch, options.first_epoch).batch(read_batch_size(options))
    return finish(make_whole_batches(images, options, size), count_steps(options, size))


def _load_samples(builder: Any, split: str, decoders: Any, load: str) -> Any:
    """Returns a split as a `tf.data.Dataset`, prepared if needed, or explains how to get it."""
    options = {"split": split, "decoders": decoders, "shuffle_files": False}
    try:
        return builder.as_dataset(**options)
    except AssertionError:  # TensorFlow Datasets raises this if the data is not prepared
        pass
    try:
        builder.download_and_prepare()
        return builder.as_dataset(**options)
    except Exception as error:
        size = builder.info.download_size
        raise FileNotFoundError(
            f"{builder.info.full_name} is not in {builder.data_dir} and could not be made there "
            f"({type(error).__name__}: {error}). Where there is a network, run\n"
            f"  python -c 'import tensorflow_datasets as tfds; {load}'\n"
            f"It downloads {size if size else 'an unknown amount'} from {builder.info.homepage}; "
            "some data sets ask for files that have to be fetched by hand, and say so."
        ) from error
