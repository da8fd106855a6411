from collections.abc import Iterator
from typing import Any

from keras_noisy._extras import require
from keras_noisy.noise._elements import (
    check_dataset,
    get_label,
    has_index,
    is_integer_spec,
    replace_label,
)


def add_index(dataset: Any) -> Any:
    """Numbers the samples of a `tf.data.Dataset`, so that their noise is the same in any pipeline.

    The label becomes `{"label": label, "index": index}`, with 0, 1, 2, … in the order of the data
    set. Call it first, before `shuffle`, `shard`, `repeat` and `batch`. These may follow in any
    order, and `keras_noisy.noise.corrupt_dataset` finally consumes the index. (If `tf.distribute`
    shards the data set for several workers, set `tf.data.experimental.AutoShardPolicy.DATA`,
    because files may otherwise be sharded before the samples are numbered.)

    Args:
        dataset: A `tf.data.Dataset` with one sample in each element, in the same order in each
            epoch: `(x, label)`, `(x, label, …)` or a dict with a key `"label"`, as in TensorFlow
            Datasets. Labels are integers of shape () or (1,).

    Returns:
        A `tf.data.Dataset` with the same elements, except for their labels.

    Raises:
        ValueError: If `dataset` has another form, or has been shuffled or repeated.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tensorflow as tf
    >>> import keras_noisy
    >>> dataset = tf.data.Dataset.from_tensor_slices(([0.1, 0.2, 0.3], [7, 8, 9]))
    >>> numbered = keras_noisy.noise.add_index(dataset).shuffle(3, seed=1).batch(3)
    >>> for x, y in numbered:
    ...     print(sorted(zip(y["index"].numpy().tolist(), y["label"].numpy().tolist())))
    [(0, 7), (1, 8), (2, 9)]
    """
    check_dataset(dataset)
    label = get_label(dataset.element_spec)
    if has_index(label):
        raise ValueError(
            "`dataset` must not be numbered already. Call add_index once. "
            f"Received: a dataset with labels {label}"
        )
    if not is_integer_spec(label):
        raise ValueError(f"`dataset` must have integer labels. Received: labels {label}")
    # The arrays of keras.datasets have labels of shape (samples, 1).
    if label.shape.rank is None or tuple(label.shape) not in ((), (1,)):
        raise ValueError(
            "`dataset` must have one sample in each element. Call "
            "keras_noisy.noise.add_index before batch, and corrupt_dataset after it, and replace "
            "one-hot labels by integers (tf.argmax). "
            f"Received: labels of shape {label.shape}"
        )
    _check_order(dataset)

    tf = require("tensorflow", extra="datasets")

    @tf.autograph.experimental.do_not_convert
    def number(index: Any, element: Any) -> Any:
        return replace_label(element, {"label": get_label(element), "index": index})

    return dataset.enumerate().map(number, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _check_order(dataset: Any) -> None:
    """Raises a ValueError if samples would get other numbers, and so other noise, in each epoch."""
    for ancestor in _ancestors(dataset):
        for operation in ("Shuffle", "Repeat"):
            if operation in type(ancestor).__name__:
                raise ValueError(
                    f"`dataset` must not be numbered after {operation.lower()}: call "
                    f"keras_noisy.noise.add_index before it. Received: dataset={dataset!r}"
                )


def _ancestors(dataset: Any) -> Iterator[Any]:
    """Yields the data set and all data sets that it is made from."""
    yield dataset
    # The method is private in TensorFlow. If it disappears, the order is not checked.
    for parent in getattr(dataset, "_inputs", tuple)():
        yield from _ancestors(parent)
