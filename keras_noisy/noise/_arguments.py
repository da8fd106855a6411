"""Reads the array arguments that the noise functions share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROW_SUM_TOLERANCE = 1e-6


def read_square_matrix(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """Returns a copy as a float64 array (K, K), whose entries may be any numbers."""
    try:
        matrix = np.array(values, dtype="float64")
    except (TypeError, ValueError):
        raise ValueError(
            f"`{argument}` must be an array of numbers. Received: {argument}={values!r}"
        ) from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(
            f"`{argument}` must have shape (K, K) with K at least 2. Received: shape {matrix.shape}"
        )
    return matrix


def read_transition_matrix(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """Returns a copy as a float64 array (K, K), each row of which is a distribution."""
    matrix = read_square_matrix(argument, values)
    sums = matrix.sum(axis=1)
    if not (np.all(matrix >= 0) and np.allclose(sums, 1.0, rtol=0.0, atol=_ROW_SUM_TOLERANCE)):
        raise ValueError(
            f"`{argument}` must have rows of non-negative numbers that sum to 1. "
            f"Received: values from {matrix.min()}, row sums from {sums.min()} to {sums.max()}"
        )
    return matrix


def read_integers(argument: str, values: ArrayLike) -> NDArray[Any]:
    """Returns an array of integers."""
    array = np.asarray(values)
    if array.size == 0 and array.dtype == np.float64:  # NumPy converts [] to float64.
        array = array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`{argument}` must hold integers. Received: {argument}.dtype={array.dtype}"
        )
    return array


def read_indices(indices: ArrayLike | None, labels: NDArray[Any]) -> NDArray[Any]:
    """Returns the indices of the samples in the full data set, 0, 1, 2, … by default.

    Args:
        indices: What the user passed.
        labels: The classes of the samples, an array of one integer each.
    """
    if indices is None:
        return np.arange(labels.size, dtype="uint64").reshape(labels.shape)
    indices = read_integers("indices", indices)
    if indices.shape != labels.shape or (indices.size and indices.min() < 0):
        raise ValueError(
            "`indices` must be non-negative and have the shape of `labels` (without the axis of "
            f"one-hot rows), {labels.shape}. "
            f"Received: indices of shape {indices.shape}, {indices.tolist()[:5]}, …"
        )
    return indices


def noisy_dtype(dtype: np.dtype[Any], largest: int) -> np.dtype[Any]:
    """Returns the dtype of the true labels, or a larger one if the label `largest` needs it."""
    if np.iinfo(dtype).max >= largest:
        return dtype
    return np.promote_types(dtype, np.min_scalar_type(largest))
