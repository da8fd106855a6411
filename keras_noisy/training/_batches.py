"""Iterates over the batches of data sets of all kinds, and converts their arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._labels import to_dense


def is_data_set(data: Any) -> bool:
    """Returns whether data yield batches, or have a `dataset` that does, as a `Pipeline` has."""
    return _is_iterable(data) or _is_iterable(getattr(data, "dataset", None))


def iterate_batches(argument: str, data: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yields the inputs, the labels and the weights, or `None`, of each batch of a data set.

    Raises:
        ValueError: If a batch has other parts.
    """
    for batch in data if _is_iterable(data) else data.dataset:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            parts = f" with {len(batch)} parts" if isinstance(batch, (tuple, list)) else ""
            raise ValueError(
                f"`{argument}` must have batches (x, labels) or (x, labels, weights). "
                f"Received: {type(batch).__name__}{parts}"
            )
        x, labels, *weights = batch
        yield x, labels, weights[0] if weights else None


def to_array(values: Any) -> NDArray:
    """Returns numbers, a tensor on any device or a sparse array as a dense array of NumPy."""
    values = to_dense(values)
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else np.asarray(values)


def _is_iterable(data: Any) -> bool:
    return hasattr(data, "__iter__") or hasattr(data, "__getitem__")
