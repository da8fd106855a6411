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


def set_cardinality(dataset: Any, count_steps: Callable[[], int]) -> Any:
    """Sets the number of batches that a `tf.data.Dataset` reports; returns the dataset.

    Unlike with `assert_cardinality`, an epoch may turn out to be shorter. Without a number, `fit`
    shows no progress in the first epoch, and ends it with a warning.
    """
    tf = require_tensorflow()
    dataset.cardinality = lambda: tf.constant(count_steps(), tf.int64)
    return dataset


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
    if options.whole_batches:
        return batches.filter(without_autograph(lambda x, y: tf.shape(x)[0] == options.batch_size))
    return batches


def make_seed(seed: int, epoch: Tensor, index: Tensor) -> Tensor:
    """Returns the seed (2,) of a sample or batch in an epoch, for stateless random functions."""
    return require_tensorflow().stack([seed + epoch * 2**32, index])


def to_uint8(images: Tensor) -> Tensor:
    """Rounds pixels in [0, 255] and casts them to `uint8`; values out of range saturate."""
    tf = require_tensorflow()
    return tf.saturate_cast(tf.round(images), tf.uint8)
