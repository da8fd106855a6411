"""Reads the arrays that the functions of this folder share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROW_SUM_SLACK = 1e-6


def read_square(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """A float64 array (K, K), a copy, with any numbers in it."""
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


def read_matrix(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """A transition matrix: each row a distribution."""
    matrix = read_square(argument, values)
    sums = matrix.sum(axis=1)
    if not (np.all(matrix >= 0) and np.allclose(sums, 1.0, rtol=0.0, atol=_ROW_SUM_SLACK)):
        raise ValueError(
            f"`{argument}` must have rows of non-negative numbers that sum to 1. "
            f"Received: values from {matrix.min()}, row sums from {sums.min()} to {sums.max()}"
        )
    return matrix


def read_integers(argument: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.size == 0 and array.dtype == np.float64:  # what NumPy makes of []
        array = array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`{argument}` must hold integers. Received: {argument}.dtype={array.dtype}"
        )
    return array


def read_labels(
    argument: str, values: ArrayLike, num_classes: int, source: str = "`num_classes`"
) -> NDArray[Any]:
    """Integers in [0, num_classes); `source` is what told their number."""
    labels = read_integers(argument, values)
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(
            f"`{argument}` must lie in [0, {num_classes}), by {source}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels


def read_indices(indices: ArrayLike | None, labels: NDArray[Any]) -> NDArray[Any]:
    """The samples' indices in the whole data set: as given, or 0, 1, 2, …"""
    if indices is None:
        return np.arange(labels.size, dtype="uint64").reshape(labels.shape)
    indices = read_integers("indices", indices)
    if indices.shape != labels.shape or (indices.size and indices.min() < 0):
        raise ValueError(
            "`indices` must be non-negative and have the shape of `labels`, "
            f"{labels.shape}. Received: indices of shape {indices.shape}, {indices.tolist()[:5]}, …"
        )
    return indices


def noisy_type(dtype: np.dtype[Any], largest: int) -> np.dtype[Any]:
    """The labels' own type, or a larger one if `largest` needs it."""
    if np.iinfo(dtype).max >= largest:
        return dtype
    return np.promote_types(dtype, np.min_scalar_type(largest))
