"""Builds pipelines of images that are read from their files in each epoch."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_flag, check_integer, check_number
from keras_noisy._typing import Tensor
from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.bad_images import append_bad_images, read_bad_images
from keras_noisy.datasets._image_files.file_list import FileList
from keras_noisy.datasets._image_files.folders import check_folder
from keras_noisy.datasets._image_files.skipped_images import BadLimit, SkippedImageTracker
from keras_noisy.datasets._image_files.transforms import add_draws, make_image
from keras_noisy.datasets._pipeline.labels import apply_noise, select_labels
from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.sharding import (
    count_samples,
    count_steps,
    drops_rest,
    order_samples,
    read_batch_size,
)
from keras_noisy.datasets._pipeline.tf_data import (
    enumerate_samples,
    finish,
    iterate_epochs,
    keep_steps,
    make_empty,
    make_whole_batches,
    map_in_parallel,
    require_tensorflow,
    without_autograph,
)


def build_from_files(
    root: Path,
    files: FileList,
    num_classes: int,
    options: Options,
    *,
    image_size: int,
    colour_jitter: bool,
    max_bad_share: float,
    max_bad_files: int,
    bad_images: Path,
    source: str,
    class_names: tuple[str, ...] | None = None,
    logs_skipped: bool = True,
) -> Pipeline:
    """Builds the pipeline of a list of image files; see `image_list.pipeline` for the arguments.

    The log calls the data set `source`; `logs_skipped` is whether it says what is skipped.
    """
    check_folder("root", root)
    check_integer("image_size", image_size, 1)
    check_flag("colour_jitter", colour_jitter)
    check_number("max_bad_share", max_bad_share, "[0, 1]")
    check_integer("max_bad_files", max_bad_files, 0)
    tf = require_tensorflow()
    noisy_labels = apply_noise(files.labels, options.noise, options.seed, num_classes)

    listed = read_bad_images(bad_images, root)
    append_bad_images(bad_images, sorted(set(files.bad) - set(listed)), root)
    limit = BadLimit(max_bad_share, max_bad_files, len(files.paths) + len(files.bad))
    limit.check(files.bad, bad_images)
    listed_paths = {os.fsencode(image.path) for image in listed}
    is_bad = np.fromiter((path in listed_paths for path in files.paths), bool, len(files.paths))
    skipped = _collect_skipped(files, is_bad, num_classes, class_names)
    if logs_skipped:
        exclusion.log_skipped(source, int((~is_bad).sum()), skipped)
    if is_bad.all():
        raise ValueError(
            f"`root` must hold images that can be used. Received: root={os.fspath(root)!r}, "
            f"{len(is_bad)} images of {source}, all of them listed as bad in {bad_images}"
        )

    def order(epoch: int) -> NDArray[np.int64]:
        return order_samples(options, len(files.paths), epoch, usable=~is_bad)

    tracker = SkippedImageTracker(
        root,
        files.paths,
        order,
        bad_images,
        limit,
        files.bad,
        skipped,
        options.batch_size if drops_rest(options) else 1,
    )
    all_paths = tf.constant(files.paths)
    all_noisy, all_clean = tf.constant(noisy_labels), tf.constant(files.labels)
    folder = os.fsencode(root) + b"/"

    def load(position: Tensor, index: Tensor, draws: Tensor | None = None) -> tuple[Any, ...]:
        contents = tf.io.read_file(folder + all_paths[index])
        image = make_image(contents, image_size, colour_jitter, draws)
        return position, image, select_labels(options, all_noisy[index], all_clean[index])

    def build_epoch(epoch: Tensor) -> Any:
        def record(position: Tensor, x: Tensor, y: Any) -> Tensor:
            return tf.numpy_function(tracker.record_batch, [epoch, position], bool)

        samples = enumerate_samples(tracker.order, epoch)
        if options.augment:
            samples = add_draws(samples, lambda position, index: index, options.seed, epoch)
        batches = (
            map_in_parallel(samples, load)
            .ignore_errors()
            .batch(read_batch_size(options))
            .filter(without_autograph(record))
        )
        end = tf.data.Dataset.from_tensors(make_empty(batches.element_spec)).filter(
            without_autograph(lambda *_: tf.numpy_function(tracker.record_end, [epoch], bool))
        )
        batches = keep_steps(batches.concatenate(end), options, size)
        return make_whole_batches(batches, options, size)

    def list_paths() -> list[str]:
        bad = frozenset(skipped.get(exclusion.BAD, ()))
        paths = (os.fsdecode(files.paths[i]) for i in np.flatnonzero(~is_bad))
        return [path for path in paths if path not in bad]

    size = len(tracker.order(0))
    return Pipeline(
        finish(iterate_epochs(build_epoch, options.first_epoch), count_steps(options, size)),
        num_classes,
        count_samples(options, size),
        options.batch_size,
        class_names,
        skipped,
        list_paths if options.num_workers == 1 else None,
    )


def _collect_skipped(
    files: FileList,
    is_bad: NDArray[np.bool_],
    num_classes: int,
    class_names: tuple[str, ...] | None,
) -> exclusion.Skipped:
    """Returns what is skipped, by reason, with known bad images and classes without an image."""
    skipped = {reason: list(entries) for reason, entries in files.skipped.items()}
    if is_bad.any():
        skipped[exclusion.BAD] = [os.fsdecode(files.paths[i]) for i in np.flatnonzero(is_bad)]
    counts = np.bincount(files.labels[~is_bad], minlength=num_classes)
    if empty := np.flatnonzero(counts == 0).tolist():
        names = class_names or ()
        skipped[exclusion.EMPTY_CLASS] = [names[i] if i < len(names) else str(i) for i in empty]
    return skipped
