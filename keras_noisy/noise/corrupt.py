import numbers
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROW_SUM_SLACK = 1e-6


def corrupt(
    labels: ArrayLike, transition_matrix: ArrayLike, seed: int, indices: ArrayLike | None = None
) -> NDArray:
    """Draws noisy labels.

    Formula: sample `n` with true label `i` gets label `j` with probability `T[i, j]`,
    independently of the others. What a sample draws depends on `seed` and on its index alone: it is
    the same in every epoch, batch size, order and subset.

    Args:
        labels: Integer array of any shape with values in [0, K), the true labels.
        transition_matrix: Array (K, K), `T[true, noisy]`; see `keras_noisy.noise.symmetric`.
        seed: Non-negative integer below 2^63.
        indices: Integer array of the shape of `labels`, the samples' indices in the whole data set;
            needed for a part of it. Defaults to 0, 1, 2, …

    Returns:
        Array of the shape and type of `labels`, or of a larger integer type if K needs it.

    Raises:
        ValueError: If an argument is none of the above, or a row of `transition_matrix` is no
            distribution.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.symmetric(num_classes=10, rate=0.4)
    >>> labels = np.repeat(np.arange(10), 1000)
    >>> noisy = keras_noisy.noise.corrupt(labels, matrix, seed=0)
    >>> float(np.round(np.mean(noisy != labels), 2))
    0.4
    >>> part = keras_noisy.noise.corrupt(labels[5000:], matrix, seed=0, indices=np.arange(5000, 10000))
    >>> bool(np.all(part == noisy[5000:]))
    True
    """
    matrix = _read_matrix(transition_matrix)
    num_classes = len(matrix)
    labels = _read_integers("labels", labels)
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(
            f"`labels` must lie in [0, {num_classes}), by the shape of `transition_matrix`. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    if indices is None:
        indices = np.arange(labels.size, dtype="uint64").reshape(labels.shape)
    indices = _read_integers("indices", indices)
    if indices.shape != labels.shape or (indices.size and indices.min() < 0):
        raise ValueError(
            "`indices` must be non-negative and have the shape of `labels`, "
            f"{labels.shape}. Received: indices of shape {indices.shape}, {indices.tolist()[:5]}, …"
        )
    draws = _uniform(seed, indices).ravel()
    flat = labels.ravel()
    dtype = labels.dtype
    if np.iinfo(dtype).max < num_classes - 1:
        dtype = np.promote_types(dtype, np.min_scalar_type(num_classes - 1))
    noisy = np.empty(flat.shape, dtype)
    # Class by class: a cumulative row for every sample would need samples x K numbers.
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(num_classes + 1))
    for true, (start, stop) in enumerate(pairwise(starts)):
        members = order[start:stop]
        if len(members):
            noisy[members] = _sample(matrix[true], true, draws[members])
    return noisy.reshape(labels.shape)


def _sample(row: NDArray, true: int, draws: NDArray) -> NDArray:
    """Inverts the cumulative distribution, with the true class first.

    That way a larger noise rate keeps a smaller one's wrong labels wrong.
    """
    classes = np.concatenate([[true], np.delete(np.arange(len(row)), true)])
    cumulative = np.cumsum(row[classes])
    # Rounding may leave the last step below a draw, or give it to a class of probability 0.
    last = np.flatnonzero(row[classes])[-1]
    return classes[np.minimum(np.searchsorted(cumulative, draws, side="right"), last)]


def _uniform(seed: int, indices: NDArray) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) that are a function of (seed, index): SplitMix64 of both.

    A counter-based generator has random access, so that no sample's draw waits for another's.
    """
    is_integer = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not is_integer or not 0 <= seed < 2**63:
        raise ValueError(f"`seed` must be an integer in [0, 2^63). Received: seed={seed!r}")
    start = _mix(np.array([seed], dtype=np.uint64))
    bits = _mix(start + indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea, Flood, 2014); wraps modulo 2^64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _read_matrix(transition_matrix: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(transition_matrix, dtype="float64")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(
            "`transition_matrix` must have shape (K, K) with K at least 2. "
            f"Received: shape {matrix.shape}"
        )
    if not (
        np.all(matrix >= 0) and np.allclose(matrix.sum(axis=1), 1.0, rtol=0.0, atol=_ROW_SUM_SLACK)
    ):
        raise ValueError(
            "`transition_matrix` must have rows of non-negative numbers that sum to 1. "
            f"Received: values from {matrix.min()}, row sums from {matrix.sum(axis=1).min()} to "
            f"{matrix.sum(axis=1).max()}"
        )
    return matrix


def _read_integers(argument: str, values: ArrayLike) -> NDArray:
    array = np.asarray(values)
    if array.size == 0 and array.dtype == np.float64:  # what NumPy makes of []
        array = array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`{argument}` must hold integers. Received: {argument}.dtype={array.dtype}"
        )
    return array
