"""Image classification data sets of the TensorFlow Datasets catalogue, with a choice of labels."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag, check_integer
from keras_noisy._extras import require
from keras_noisy.datasets.augmentation import seeded_augmentation
from keras_noisy.datasets.image_decoding import sample_image, with_draws
from keras_noisy.datasets.pipeline import (
    Options,
    Pipeline,
    as_it_is,
    decoded,
    epochs,
    from_arrays,
    in_whole_batches,
    read_noise,
    require_tf,
)
from keras_noisy.noise import add_index, corrupt_dataset

# Of photographs, which stay on the disk: how many files wait to be drawn from.
_SHUFFLED = 4096


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
    """A data set of TensorFlow Datasets as a tf.data pipeline of raw pixels.

    The catalogue has data sets whose labels are noisy by nature. `label_key` says which labels to take:

    | name | noisy labels | clean labels |
    | --- | --- | --- |
    | `"cifar10_n"` | `"worse_label"`, `"aggre_label"`, `"random_label1"`, `2`, `3` | `"label"` |
    | `"cifar100_n"` | `"noise_label"` | `"label"` |
    | `"controlled_noisy_web_labels"` | `"label"` | where `"is_clean"` |
    | `"food101"` | `"label"` of `"train"` | `"label"` of `"validation"` |

    Photographs of many sizes need an `image_size`: they are cut and resized as those of WebVision are, and
    read from the disk in each epoch, shuffled within a window of 4,096. Images of one size are read into
    memory, and augmented as the literature does for that data set.

    Args:
        name: Name of the data set, as `tfds.load` takes it.
        split: Name of the split, as `tfds.load` takes it. Defaults to `"train"`.
        label_key: Feature that holds the labels. Defaults to `"label"`.
        image_key: Feature that holds the images. Defaults to `"image"`.
        is_training: Whether images are shuffled and augmented, if the options don't say. Defaults to
            `None`: where the name of the split begins with `train`.
        image_size: Height and width, for images of different sizes. Defaults to `None`.
        colour_jitter: With `image_size`, whether augmentation changes colours. Defaults to `True`.
        data_dir: Folder of TensorFlow Datasets. Defaults to its own, `~/tensorflow_datasets`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. With
            `keep_clean`, the clean labels are those of `"label"`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, or the data set has no such feature.
        FileNotFoundError: If the data is not there and can't be downloaded; it says what to do.
        ImportError: If tensorflow-datasets is not installed.

    Example:

    >>> import tensorflow_datasets
    >>> from keras_noisy.datasets import tfds
    >>> with tensorflow_datasets.testing.mock_data(num_examples=8):  # instead of the real one
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
    read = Options.of(options, is_training=is_training)
    if image_size is not None:
        check_integer("image_size", image_size, 1)
    builder = library.builder(name, data_dir=data_dir)
    features = builder.info.features
    for argument, key in (("image_key", image_key), ("label_key", label_key)):
        if key not in features:
            raise ValueError(
                f"`{argument}` must be a feature of {name}, one of {sorted(features)}. "
                f"Received: {argument}={key!r}"
            )
    if image_size is None and None in features[image_key].shape:
        raise ValueError(
            f"`image_size` must be an integer for {name}, whose images have different sizes. "
            "Received: image_size=None"
        )
    decoders = {image_key: library.decode.SkipDecoding()} if image_size else None
    where = "" if data_dir is None else f', data_dir="{os.fspath(data_dir)}"'
    samples = _as_dataset(builder, split, decoders, f'tfds.load("{name}"{where})')
    clean_key = "label" if "label" in features else label_key
    samples = samples.map(
        as_it_is(lambda sample: (sample[image_key], sample[label_key], sample[clean_key]))
    )
    num_classes = features[label_key].num_classes
    class_names = tuple(features[label_key].names)
    if image_size is None:
        images, noisy, clean = (
            np.stack(part) for part in zip(*samples.as_numpy_iterator(), strict=True)
        )
        known = name.split("/")[0].split(":")[0].removesuffix("_n")
        augmentation = seeded_augmentation(known)
        return from_arrays(images, noisy, num_classes, read, augmentation, class_names, clean)
    total = int(samples.cardinality())
    noise = read_noise(read.noise, total, num_classes)
    size = len(read.order(total, 0))
    batches = _stream(samples, image_size, colour_jitter, noise, size, read)
    return Pipeline(batches, num_classes, read.samples_of(size), read.batch_size, class_names)


def _stream(
    samples: Any,
    image_size: int,
    colour_jitter: bool,
    noise: NDArray | None,
    size: int,
    options: Options,
) -> Any:
    """Batches of photographs that stay on the disk; `samples` are (file, noisy, clean label).

    `size` is the number of this worker's samples in an epoch.
    """
    tf = require_tf()
    numbered = add_index(samples.map(as_it_is(lambda file, noisy, clean: ((file, clean), noisy))))
    numbered = numbered.map(as_it_is(lambda x, y: ((*x, y["index"]), y)))
    if noise is not None:
        numbered = corrupt_dataset(numbered, noise, options.seed if noise.ndim == 2 else None)
    else:
        numbered = numbered.map(as_it_is(lambda x, y: (x, y["label"])))
    if not options.fills:  # then it is the batches that are shared
        numbered = numbered.shard(options.num_workers, options.worker)

    def images_of(epoch: Any) -> Any:
        order = numbered
        if options.shuffle:
            # Of this graph alone; otherwise the seed that the user gave TensorFlow would count, too. With 0,
            # TensorFlow fails.
            tf.compat.v1.get_default_graph().seed = 1 + options.seed % 2**30
            order = order.shuffle(_SHUFFLED, epoch)
        order = order.take(size)
        if options.augment:
            order = with_draws(order, lambda x, noisy: x[-1], options.seed, epoch)
        return decoded(order, load)

    def load(x: Any, noisy: Any, draws: Any = None) -> Any:
        contents, clean, _ = x
        image = sample_image(contents, image_size, colour_jitter, draws)
        return image, options.labels(tf.cast(noisy, tf.int32), tf.cast(clean, tf.int32))

    images = epochs(images_of, options.first_epoch).batch(options.batch_size_read)
    batches = in_whole_batches(images, options, size).prefetch(tf.data.AUTOTUNE)
    steps = -(-options.samples_of(size) // options.batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(steps))


def _as_dataset(builder: Any, split: str, decoders: Any, load: str) -> Any:
    options = {"split": split, "decoders": decoders, "shuffle_files": False}
    try:
        return builder.as_dataset(**options)
    except AssertionError:  # what TensorFlow Datasets raises where nothing is prepared
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
            f"It downloads {size if size else 'an unknown amount'} from {builder.info.homepage}; some "
            "data sets ask for files that have to be fetched by hand, and say so."
        ) from error
