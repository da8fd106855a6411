"""Images in a folder, and a list of their labels: your own data, or WebVision's."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_noisy._arguments import check_flag, check_integer, check_number
from keras_noisy.datasets.bad_images import append_bad_images, read_bad_images
from keras_noisy.datasets.file_list import FileList, read_file_list
from keras_noisy.datasets.image_decoding import sample_image, with_draws
from keras_noisy.datasets.image_watch import ImageWatch, refuse_too_many
from keras_noisy.datasets.pipeline import (
    Options,
    Pipeline,
    as_it_is,
    check_folder,
    decoded,
    epochs,
    expecting,
    in_order,
    in_whole_batches,
    noisy_labels,
    require_tf,
)


def pipeline(
    root: str | os.PathLike,
    file_list: str | os.PathLike,
    num_classes: int,
    *,
    is_training: bool = True,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    bad_images: str | os.PathLike = "bad_images.csv",
    class_names: tuple[str, ...] | None = None,
    **options: Any,
) -> Pipeline:
    """Images in a folder with a list of labels, as a tf.data pipeline of raw pixels.

    Training images are random parts of the originals, resized, flipped and changed in colour; of a JPEG
    only that part is decoded. Evaluation images are the middle of the originals. What an image gets
    depends on `seed`, the epoch and its place in the list alone, and so does the order.

    Files that are no images, or damaged, are left out; training goes on. They are written to `bad_images`,
    and what that list has is left out from the beginning. PNG, GIF and BMP files are read whatever their
    names say, and so are greyscale and CMYK images.

    Args:
        root: Folder that the paths of the list begin at.
        file_list: File with a line `path label` for each image, labels counted from 0; see
            `keras_noisy.datasets.read_file_list`.
        num_classes: Number of classes, at least 2.
        is_training: Whether images are shuffled and augmented, if the options don't say. Defaults to
            `True`.
        image_size: Positive integer, height and width of the images. Defaults to `224`.
        colour_jitter: Whether augmentation changes colours, too. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad; with more, training
            stops. Defaults to `0.01`.
        bad_images: CSV file of the bad ones, read and added to. Defaults to `"bad_images.csv"`.
        class_names: Names in the order of the labels. Defaults to `None`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. `noise` is
            for the usable lines of the list, in their order.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, or if more images are bad than may be; where
            that is found in training, TensorFlow raises it with its own type and this message.
        FileNotFoundError: If `root` or `file_list` does not exist.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.datasets import image_list
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.jpg", "b.jpg"):
    ...         keras.utils.save_img(Path(folder) / name, np.zeros((300, 200, 3)))
    ...     _ = (Path(folder) / "list.txt").write_text("a.jpg 0\\nb.jpg 1\\n")
    ...     train = image_list.pipeline(folder, Path(folder) / "list.txt", num_classes=2)
    ...     [(x.shape, str(x.dtype)) for x, y in train.dataset.as_numpy_iterator()]
    [((2, 224, 224, 3), 'uint8')]
    """
    files = read_file_list(file_list, num_classes)
    return from_files(
        Path(root),
        files,
        num_classes,
        Options.of(options, is_training=is_training),
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        bad_images=Path(bad_images),
        class_names=class_names,
    )


def from_files(
    root: Path,
    files: FileList,
    num_classes: int,
    options: Options,
    *,
    image_size: int,
    colour_jitter: bool,
    max_bad_share: float,
    bad_images: Path,
    class_names: tuple[str, ...] | None = None,
) -> Pipeline:
    """The pipeline of a list that is read already."""
    check_folder("root", root)
    check_integer("image_size", image_size, 1)
    check_flag("colour_jitter", colour_jitter)
    check_number("max_bad_share", max_bad_share, "[0, 1]")
    tf = require_tf()
    noisy = noisy_labels(files.labels, options.noise, options.seed, num_classes)

    listed = read_bad_images(bad_images)
    append_bad_images(bad_images, sorted(set(files.bad) - set(listed)))
    known_paths = {os.fsencode(image.path) for image in listed}
    is_bad = np.fromiter((path in known_paths for path in files.paths), bool, len(files.paths))
    already_bad = int(is_bad.sum()) + len(files.bad)
    total = len(files.paths) + len(files.bad)
    refuse_too_many(files.bad, int(is_bad.sum()), total, max_bad_share, bad_images)

    def order_of(epoch: int) -> Any:
        return options.order(len(files.paths), epoch, usable=~is_bad)

    watch = ImageWatch(
        root,
        files.paths,
        order_of,
        bad_images,
        max_bad_share,
        already_bad,
        total,
        options.batch_size_read,
    )
    path_of = tf.constant(files.paths)
    noisy_of, clean_of = tf.constant(noisy), tf.constant(files.labels)
    folder = os.fsencode(root) + b"/"

    def load(position: Any, index: Any, draws: Any = None) -> tuple[Any, ...]:
        contents = tf.io.read_file(folder + path_of[index])
        image = sample_image(contents, image_size, colour_jitter, draws)
        return position, image, options.labels(noisy_of[index], clean_of[index])

    def batches_of(epoch: Any) -> Any:
        def arrived(position: Any, x: Any, y: Any) -> Any:
            return tf.numpy_function(watch.arrived, [epoch, position], bool)

        samples = in_order(watch.order_of, epoch)
        if options.augment:
            samples = with_draws(samples, lambda position, index: index, options.seed, epoch)
        batches = (
            decoded(samples, load)
            .ignore_errors()
            .batch(options.batch_size_read)
            .filter(as_it_is(arrived))
        )
        batches = batches.map(as_it_is(lambda position, x, y: (x, y)))
        batches = batches.concatenate(_nothing_but_calls(watch.end, epoch, batches.element_spec))
        return in_whole_batches(batches, options, size)

    size = len(watch.order_of(0))
    dataset = expecting(
        epochs(batches_of, options.first_epoch).prefetch(tf.data.AUTOTUNE),
        lambda: -(-options.samples_of(size - len(watch.bad)) // options.batch_size),
    )
    return Pipeline(dataset, num_classes, options.samples_of(size), options.batch_size, class_names)


def _nothing_but_calls(function: Any, argument: Any, element_spec: Any) -> Any:
    """A `tf.data.Dataset` without elements that calls a function when it is asked for the first."""
    tf = require_tf()
    zeros = tf.nest.map_structure(
        lambda spec: tf.zeros([n or 0 for n in spec.shape], spec.dtype), element_spec
    )
    one = tf.data.Dataset.from_tensors(zeros)
    return one.filter(as_it_is(lambda *_: tf.numpy_function(function, [argument], bool)))
