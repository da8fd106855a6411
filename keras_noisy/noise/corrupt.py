from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._random import stream, uniform
from keras_noisy.noise._arguments import (
    noisy_dtype,
    read_indices,
    read_labels,
    read_transition_matrix,
)
from keras_noisy.noise._transitions import cumulate_row, find_class


def corrupt(
    labels: ArrayLike, transition_matrix: ArrayLike, seed: int, indices: ArrayLike | None = None
) -> NDArray:
    """Draws noisy labels from a transition matrix.

    Formula: sample `n` with true label `i` gets label `j` with probability `T[i, j]`,
    independently of the other samples. The draw of a sample depends only on `seed` and its index:
    it is the same in every epoch, batch size, order and subset, and in
    `keras_noisy.noise.corrupt_dataset`.

    Args:
        labels: Integer array of any shape with values in [0, K), the true labels.
        transition_matrix: Array (K, K), `T[true, noisy]`; see `keras_noisy.noise.symmetric`.
        seed: Non-negative integer below 2^63.
        indices: Integer array of the shape of `labels`, the samples' indices in the full data set.
            Needed if `labels` are only a part of it. Defaults to 0, 1, 2, …

    Returns:
        Array of the shape and dtype of `labels`, or of a larger integer dtype if K needs it.

    Raises:
        ValueError: If an argument is invalid, or a row of `transition_matrix` is not a
            distribution.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.symmetric(num_classes=10, rate=0.4)
    >>> labels = np.repeat(np.arange(10), 1000)
    >>> noisy = keras_noisy.noise.corrupt(labels, matrix, seed=0)
    >>> float(np.round(np.mean(noisy != labels), 2))
    0.4
    >>> last = np.arange(5000, 10000)
    >>> part = keras_noisy.noise.corrupt(labels[last], matrix, seed=0, indices=last)
    >>> bool(np.all(part == noisy[last]))
    True
    """
    matrix = read_transition_matrix("transition_matrix", transition_matrix)
    num_classes = len(matrix)
    labels = read_labels("labels", labels, num_classes, "the shape of `transition_matrix`")
    draws = uniform(stream(seed), read_indices(indices, labels)).ravel()
    flat = labels.ravel()
    noisy = np.empty(flat.shape, noisy_dtype(labels.dtype, num_classes - 1))
    # The loop over classes saves memory: a row for each sample would take samples x K numbers.
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(num_classes + 1))
    for true, (start, stop) in enumerate(pairwise(starts)):
        members = order[start:stop]
        if len(members):
            table = cumulate_row(matrix[true], true)
            positions = np.searchsorted(table, draws[members], side="right")
            noisy[members] = find_class(positions, true)
    return noisy.reshape(labels.shape)
