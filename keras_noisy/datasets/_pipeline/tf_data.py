"""Building blocks of tf.data pipelines."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_noisy._extras import require
from keras_noisy._typing import Tensor
from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.datasets._pipeline.sharding import (
    Indices,
    count_steps,
    drops_rest,
    pads_batches,
    read_batch_size,
    weight_samples,
)


def require_tensorflow() -> Any:
    """Imports TensorFlow.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    return require("tensorflow", extra="datasets")


def without_autograph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function` marked so that AutoGraph does not rewrite its source."""
    return require_tensorflow().autograph.experimental.do_not_convert(function)


def iterate_epochs(build_epoch: Callable[[Tensor], Any], first_epoch: int) -> Any:
    """Returns a `tf.data.Dataset` whose iterations are `build_epoch(epoch)` of successive epochs.

    State that belongs to an epoch must be created in `build_epoch`: several iterations may run at
    the same time, or stop early.
    """
    tf = require_tensorflow()
    counter = itertools.count(first_epoch)

    def build_next_epoch(_: Tensor) -> Any:
        epoch = tf.numpy_function(lambda: np.int64(next(counter)), [], tf.int64)
        epoch.set_shape(())
        return build_epoch(epoch)

    return tf.data.Dataset.from_tensors(0).flat_map(without_autograph(build_next_epoch))


def enumerate_samples(order: Callable[[int], Indices], epoch: Tensor) -> Any:
    """Returns a `tf.data.Dataset` of `(position, index)` of the samples in `order(epoch)`."""
    tf = require_tensorflow()
    indices = tf.numpy_function(lambda epoch: order(int(epoch)), [epoch], tf.int64)
    indices.set_shape((None,))
    return tf.data.Dataset.from_tensor_slices(indices).enumerate()


def map_in_parallel(samples: Any, load: Callable[..., Any]) -> Any:
    """Maps a `tf.data.Dataset` by `load`, which decodes images; keeps the order."""
    tf = require_tensorflow()
    options = tf.data.Options()
    # Decoding needs all processors in any case; autotuning would cost 5 % of their time.
    options.autotune.enabled = False
    # More calls than processors, so that decoding goes on while a batch is assembled.
    calls = 4 * (os.cpu_count() or 1)
    images = samples.map(without_autograph(load), num_parallel_calls=calls, deterministic=True)
    return images.with_options(options)


def finish(batches: Any, steps: int) -> Any:
    """Prefetches batches, and tells Keras their number, which transformations then keep.

    Without a number, `fit` shows no progress in the first epoch, and ends it with a warning.

    Args:
        batches: `tf.data.Dataset` whose iterations have `steps` batches.
        steps: Number of batches.
    """
    tf = require_tensorflow()
    cardinality = tf.data.experimental.assert_cardinality(steps)
    return batches.prefetch(tf.data.AUTOTUNE).apply(cardinality)


def keep_steps(batches: Any, options: Options, size: int) -> Any:
    """Keeps the number of batches of an epoch if some of its samples are missing.

    Keras reads the number of batches once, before the first epoch. As soon as missing samples make
    up for a batch, the next batch is divided into two, or, if the rest of an epoch is dropped, is
    returned twice. At the end of the epoch the last batch is divided into as many as are due; if it
    has fewer samples, some are repeated, unless batches are padded.

    Args:
        batches: `tf.data.Dataset` of `(positions, images, labels)`, an epoch, with an empty batch
            at its end. Positions count the samples, including those that are missing.
        options: The options of the pipeline.
        size: Number of samples in the epoch, including those that are missing.

    Returns:
        `tf.data.Dataset` of `(images, labels)`.
    """
    tf = require_tensorflow()
    per_batch, steps = read_batch_size(options), count_steps(options, size)
    is_whole = drops_rest(options)
    fewest = 0 if pads_batches(options) else 1  # samples in a part

    def count_parts(state: Any, batch: Any) -> tuple[Any, Any]:
        done, previous = state
        positions, length = batch[0], tf.size(batch[0], tf.int64)
        to_come = tf.cond(length > 0, lambda: size - 1 - positions[-1] + length, lambda: done * 0)
        to_come = to_come // per_batch if is_whole else -(-to_come // per_batch)
        due = steps - done - to_come
        parts = tf.where(length > 0, tf.clip_by_value(due, 1, 2), due)
        parts = tf.where(tf.size(previous[0]) > 0, parts, 0)  # there is no batch before the first
        return (done + parts, batch), (parts, *previous)

    def divide(parts: Tensor, positions: Tensor, x: Tensor, y: Any) -> Any:
        length = tf.size(positions, tf.int64)

        def select_part(part: Tensor) -> tuple[Tensor, Any]:
            start, stop = part * length // parts, (part + 1) * length // parts
            rows = slice(start, tf.maximum(stop, start + fewest))
            return (x, y) if is_whole else tf.nest.map_structure(lambda each: each[rows], (x, y))

        return tf.data.Dataset.range(parts).map(without_autograph(select_part))

    if is_whole:
        lengths = (0, per_batch)
        batches = batches.filter(
            without_autograph(lambda positions, x, y: tf.reduce_any(tf.size(positions) == lengths))
        )
    start = tf.constant(0, tf.int64), make_empty(batches.element_spec)
    parts = batches.scan(start, without_autograph(count_parts))
    return parts.flat_map(without_autograph(divide))


def make_empty(element_spec: Any) -> Any:
    """Returns an empty batch."""
    tf = require_tensorflow()
    return tf.nest.map_structure(
        lambda spec: tf.zeros([n or 0 for n in spec.shape], spec.dtype), element_spec
    )


def make_whole_batches(batches: Any, options: Options, size: int) -> Any:
    """Pads or drops the last batch of an epoch if `options.whole_batches` is set.

    Args:
        batches: `tf.data.Dataset` of `(images, labels)`, an epoch.
        options: The options of the pipeline.
        size: Number of images in the epoch.
    """
    tf = require_tensorflow()

    def pad_and_shard(x: Tensor, y: Any) -> Any:
        present = tf.shape(x)[0]
        start = options.worker * options.batch_size
        shard = slice(start, start + options.batch_size)

        def pad(values: Tensor) -> Tensor:
            added = read_batch_size(options) - present
            return tf.pad(values, [(0, added)] + [(0, 0)] * (len(values.shape) - 1))[shard]

        weights = tf.fill([present], weight_samples(options, size))
        return tf.nest.map_structure(pad, (x, y, weights))

    if pads_batches(options):
        return batches.map(without_autograph(pad_and_shard))
    if drops_rest(options):
        return batches.filter(without_autograph(lambda x, y: tf.shape(x)[0] == options.batch_size))
    return batches


def make_seed(seed: int, epoch: Tensor, index: Tensor) -> Tensor:
    """Returns the seed (2,) of a sample or batch in an epoch, for stateless random functions."""
    return require_tensorflow().stack([seed + epoch * 2**32, index])


def to_uint8(images: Tensor) -> Tensor:
    """Rounds pixels in [0, 255] and casts them to `uint8`; values out of range saturate."""
    tf = require_tensorflow()
    return tf.saturate_cast(tf.round(images), tf.uint8)
