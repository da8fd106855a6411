from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_flag
from keras_noisy._extras import require
from keras_noisy._labels import read_labels
from keras_noisy._random import FACTORS, STEP, stream
from keras_noisy.noise._arguments import noisy_dtype, read_transition_matrix
from keras_noisy.noise._elements import (
    check_dataset,
    get_label,
    has_index,
    is_integer_spec,
    replace_label,
)
from keras_noisy.noise._transitions import cumulate_row
from keras_noisy.noise.add_index import add_index
from keras_noisy.noise.transition_matrix import SymmetricMatrix, TransitionMatrix

# A function from labels and indices, both int64 of shape (n,), to noisy labels.
_Draw = Callable[[Any, Any], Any]


def corrupt_dataset(
    dataset: Any, noise: ArrayLike, seed: int | None = None, keep_clean: bool = False
) -> Any:
    """Makes the labels of a `tf.data.Dataset` noisy.

    In every epoch, a sample gets the label that `keras_noisy.noise.corrupt` draws for the same seed
    and index. The index of a sample is its position in the data set. It is added here if the labels
    are scalars and the data set has not been shuffled. To shuffle, shard or batch first, call
    `keras_noisy.noise.add_index` before.

    Args:
        dataset: A `tf.data.Dataset` with elements `(x, label)`, `(x, label, …)` or dicts with a key
            `"label"`, as in TensorFlow Datasets, with integer labels. Or a data set to which
            `add_index` has been applied; then the elements may be batches.
        noise: Array (K, K), a transition matrix `T[true, noisy]`, as `keras_noisy.noise.symmetric`
            returns it. Or the noisy labels by index, as `instance_dependent` and `from_human`
            return them: an integer array (samples,) or (samples, 1), or one-hot rows
            (samples, K) of other shapes than (K, K).
        seed: Non-negative integer below 2^63. Required with a transition matrix, and not allowed
            with noisy labels.
        keep_clean: Whether labels become `{"noisy": …, "clean": …}`. Defaults to `False`: they
            become the noisy labels alone.

    Returns:
        A `tf.data.Dataset` with the same elements, except for their labels. These have the shape of
        the true labels, and their dtype or, if the classes need it, a larger integer dtype.

    Raises:
        ValueError: If an argument is invalid, or `dataset` has batches that are not numbered.
        ImportError: If TensorFlow is not installed.
        tensorflow.errors.InvalidArgumentError: While the data set is read, if a label lies outside
            [0, K), or if `noise` has no label for an index.

    Example:

    >>> import numpy as np
    >>> import tensorflow as tf
    >>> import keras_noisy
    >>> labels, matrix = np.arange(1000) % 10, keras_noisy.noise.symmetric(10, rate=0.4)
    >>> dataset = tf.data.Dataset.from_tensor_slices((labels, labels))
    >>> noisy = keras_noisy.noise.corrupt_dataset(dataset, matrix, seed=0)
    >>> [int(y) for _, y in noisy] == keras_noisy.noise.corrupt(labels, matrix, seed=0).tolist()
    True

    The noise of shuffled batches is the same in each epoch:

    >>> train = keras_noisy.noise.add_index(dataset).shuffle(1000).batch(100)
    >>> train = keras_noisy.noise.corrupt_dataset(train, matrix, seed=0)
    """
    check_flag("keep_clean", keep_clean)
    check_dataset(dataset)
    draw, largest = _read_noise(noise, seed)
    if not has_index(get_label(dataset.element_spec)):
        dataset = add_index(dataset)
    _check_index(get_label(dataset.element_spec))
    tf = require("tensorflow", extra="datasets")

    @tf.autograph.experimental.do_not_convert
    def corrupt(*parts: Any) -> Any:
        element = parts[0] if len(parts) == 1 else parts  # `map` unpacks tuples.
        numbered = get_label(element)
        clean, index = numbered["label"], numbered["index"]
        dtype = tf.as_dtype(noisy_dtype(np.dtype(clean.dtype.as_numpy_dtype), largest))
        flat = [tf.cast(tf.reshape(values, [-1]), tf.int64) for values in (clean, index)]
        noisy = tf.reshape(tf.cast(draw(*flat), dtype), tf.shape(clean))
        noisy.set_shape(clean.shape)
        return replace_label(element, {"noisy": noisy, "clean": clean} if keep_clean else noisy)

    return dataset.map(corrupt, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _check_index(numbered: Any) -> None:
    """Raises a ValueError unless there is one integer index for each integer label."""
    label, index = numbered["label"], numbered["index"]
    if not (is_integer_spec(label) and is_integer_spec(index)):
        raise ValueError(
            f"`dataset` must have integer labels and indices. Received: {label} and {index}"
        )
    # Labels of shape (1,) have shape (n, 1) in a batch.
    possible = (index.shape, index.shape.concatenate([1]))
    if not any(label.shape.is_compatible_with(shape) for shape in possible):
        raise ValueError(
            "`dataset` must have one index for each label. "
            f"Received: labels of shape {label.shape} and indices of shape {index.shape}"
        )


def _read_noise(noise: ArrayLike, seed: int | None) -> tuple[_Draw, int]:
    """Returns the function that draws noisy labels, and the largest label that it may return."""
    if isinstance(noise, TransitionMatrix):
        return _make_formula(noise, _check_seed(seed)), len(noise) - 1
    array = np.asarray(noise)
    if array.ndim not in (1, 2):
        raise ValueError(
            "`noise` must be a transition matrix (K, K) or labels (samples,). "
            f"Received: noise of shape {array.shape}"
        )
    is_matrix = array.ndim == 2 and array.shape[1] != 1 and array.dtype.kind in "iufb"
    if is_matrix and (array.shape[0] == array.shape[1] or not _has_one_hot_rows(array)):
        matrix = read_transition_matrix("noise", array)
        return _make_sampler(matrix, _check_seed(seed)), len(matrix) - 1
    labels = read_labels("noise", array).classes
    if labels.size == 0 or labels.min() < 0:
        raise ValueError(
            f"`noise` must hold at least one label, and none below 0. Received: noise={labels!r}"
        )
    if seed is not None:
        raise ValueError(
            "`seed` must be None with an array of labels: there is nothing to draw. "
            f"Received: seed={seed!r}"
        )
    return _make_lookup(labels), int(labels.max())


def _has_one_hot_rows(array: NDArray[Any]) -> bool:
    return bool(np.all((array == 0) | (array == 1)) and np.all(array.sum(axis=1) == 1))


def _check_seed(seed: int | None) -> int:
    if seed is None:
        raise ValueError("`seed` must be an integer with a transition matrix. Received: seed=None")
    return seed


def _make_lookup(labels: NDArray[Any]) -> _Draw:
    """Returns a function that takes the noisy labels from an array."""
    tf = require("tensorflow", extra="datasets")
    with tf.device("CPU:0"):  # tf.data runs on the CPU.
        table = tf.constant(labels)

    def draw(label: Any, index: Any) -> Any:
        message = (
            f"`noise` must have a label for each index, but has {len(labels)}. Received: index"
        )
        with tf.control_dependencies([_assert_inside(index, len(labels), message)]):
            return tf.gather(table, index)

    return draw


def _make_sampler(matrix: NDArray[np.float64], seed: int) -> _Draw:
    """Returns a function that draws exactly the labels of `corrupt`, from the same tables."""
    tf = require("tensorflow", extra="datasets")
    start = stream(seed)
    for true, row in enumerate(matrix):
        matrix[true] = cumulate_row(row, true)  # in place, as K x K numbers may be many
    with tf.device("CPU:0"):  # tf.data runs on the CPU.
        tables = tf.constant(matrix)

    def draw(label: Any, index: Any) -> Any:
        with tf.control_dependencies([_assert_class(label, len(matrix))]):
            table = tf.gather(tables, label)
        draws = _uniform(start, index)[:, tf.newaxis]
        position = tf.searchsorted(table, draws, side="right", out_type=tf.int64)[:, 0]
        return _find_class(position, label)

    return draw


def _make_formula(matrix: TransitionMatrix, seed: int) -> _Draw:
    """Returns a function that draws the labels of `corrupt`, as `TransitionMatrix.draw` does."""
    tf = require("tensorflow", extra="datasets")
    start = stream(seed)
    if isinstance(matrix, SymmetricMatrix):
        with tf.device("CPU:0"):
            table = tf.constant(matrix.cumulate())

    def draw(label: Any, index: Any) -> Any:
        with tf.control_dependencies([_assert_class(label, len(matrix))]):
            draws = _uniform(start, index)
        if isinstance(matrix, SymmetricMatrix):
            position = tf.searchsorted(table, draws, side="right", out_type=tf.int64)
            return _find_class(position, label)
        return tf.where(draws < 1.0 - matrix.rate, label, (label + 1) % len(matrix))

    return draw


def _find_class(position: Any, label: Any) -> Any:
    """Computes `keras_noisy.noise._transitions.find_class` in TensorFlow."""
    tf = require("tensorflow", extra="datasets")
    return tf.where(position == 0, label, position - tf.cast(position <= label, tf.int64))


def _assert_class(label: Any, num_classes: int) -> Any:
    message = f"`labels` must lie in [0, {num_classes}), by the shape of `noise`. Received: label"
    return _assert_inside(label, num_classes, message)


def _assert_inside(values: Any, size: int, message: str) -> Any:
    """Returns an operation that fails, with `message`, if a value lies outside [0, size)."""
    tf = require("tensorflow", extra="datasets")
    inside = (values >= 0) & (values < size)
    outside = tf.boolean_mask(values, tf.logical_not(inside))
    return tf.debugging.Assert(tf.reduce_all(inside), [message, outside], summarize=5)


def _uniform(start: NDArray[np.uint64], counters: Any) -> Any:
    """Computes the numbers of `keras_noisy._random.uniform` in TensorFlow."""
    tf = require("tensorflow", extra="datasets")

    def constant(number: int) -> Any:
        return tf.constant(number, tf.uint64)

    def shift(x: Any, by: int) -> Any:
        return tf.bitwise.right_shift(x, constant(by))

    x = constant(int(start[0])) + tf.cast(counters, tf.uint64) * constant(STEP) + constant(STEP)
    for by, factor in zip((30, 27), FACTORS, strict=True):
        x = tf.bitwise.bitwise_xor(x, shift(x, by)) * constant(factor)
    x = tf.bitwise.bitwise_xor(x, shift(x, 31))
    return tf.cast(shift(x, 11), tf.float64) * 2.0**-53
