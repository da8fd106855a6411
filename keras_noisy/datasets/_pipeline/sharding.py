"""Decides which samples of an epoch a worker gets, and in which order and batches."""

import numpy as np
from numpy.typing import NDArray

from keras_noisy.datasets._pipeline.options import Options

Indices = NDArray[np.int64]


def order_samples(
    options: Options, num_samples: int, epoch: int, usable: NDArray[np.bool_] | None = None
) -> Indices:
    """Returns the indices of this worker's samples in an epoch, in order.

    Args:
        options: The options of the pipeline.
        num_samples: Number of samples of the split.
        epoch: Index of the epoch.
        usable: Mask (num_samples,) of the samples that may be used. Defaults to `None`: all.
    """
    order = np.arange(num_samples, dtype="int64")
    if options.shuffle:
        order = np.random.default_rng([options.seed, epoch]).permutation(order)
    # Filtered before the workers share the samples, so that each gets the same number.
    if usable is not None:
        order = order[usable[order]]
    if pads_batches(options):
        return order
    if not options.shuffle:
        return order[options.worker :: options.num_workers]
    # Workers that train together must take the same number of steps.
    shared = len(order) - len(order) % options.num_workers
    return order[: shared or len(order)][options.worker :: options.num_workers]


def count_samples(options: Options, size: int) -> int:
    """Returns how many samples reach `fit` if `order_samples` returned `size` of them.

    Raises:
        ValueError: If `whole_batches` is set and the samples don't fill one batch.
    """
    if pads_batches(options):
        return -(-size // options.num_workers)
    if drops_rest(options) and size < options.batch_size:
        raise ValueError(
            f"`batch_size` must be at most {size}, the number of images, for whole batches. "
            f"Received: batch_size={options.batch_size}"
        )
    return size - size % options.batch_size if drops_rest(options) else size


def count_steps(options: Options, size: int) -> int:
    """Returns the number of batches that `size` samples of `order_samples` give."""
    return -(-count_samples(options, size) // options.batch_size)


def pads_batches(options: Options) -> bool:
    """Returns whether batches are padded to one size and then split among the workers."""
    return options.whole_batches and not options.shuffle


def drops_rest(options: Options) -> bool:
    """Returns whether the samples that don't fill the last batch of an epoch are dropped."""
    return options.whole_batches and not pads_batches(options)


def read_batch_size(options: Options) -> int:
    """Returns the number of images that are read for a batch, before workers split it."""
    return options.batch_size * options.num_workers if pads_batches(options) else options.batch_size


def weight_samples(options: Options, size: int) -> float:
    """Returns the weight of each of `size` images in an epoch of padded batches.

    It makes up for Keras dividing by the number of images and padding together.
    """
    batch_size = read_batch_size(options)
    return -(-size // batch_size) * batch_size / size
