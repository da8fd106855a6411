from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._labels import read_labels
from keras_noisy._random import stream, uniform
from keras_noisy.noise._arguments import noisy_dtype, read_indices, read_transition_matrix
from keras_noisy.noise._transitions import cumulate_row, find_class
from keras_noisy.noise.transition_matrix import TransitionMatrix


def corrupt(
    labels: ArrayLike, transition_matrix: ArrayLike, seed: int, indices: ArrayLike | None = None
) -> NDArray:
    """Draws noisy labels from a transition matrix.

    Formula: sample `n` with true label `i` gets label `j` with probability `T[i, j]`,
    independently of the other samples. The draw of a sample depends only on `seed` and its index:
    it is the same in every epoch, batch size, order and subset, and in
    `keras_noisy.noise.corrupt_dataset`.

    Args:
        labels: The true labels: an integer array of any shape with values in [0, K), or one-hot
            rows (…, K) of any type, also sparse ones.
        transition_matrix: Array (K, K), `T[true, noisy]`; see `keras_noisy.noise.symmetric`.
        seed: Non-negative integer below 2^63.
        indices: Integer array of the shape of `labels`, or (…,) for one-hot rows, the samples'
            indices in the full data set. Needed if `labels` are only a part of it. Defaults to
            0, 1, 2, …

    Returns:
        Array of the shape and dtype of `labels`, or of a larger integer dtype if K needs it. The
        noisy labels of one-hot rows are one-hot rows, in a dense array.

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
    matrix = (
        transition_matrix
        if isinstance(transition_matrix, TransitionMatrix)
        else read_transition_matrix("transition_matrix", transition_matrix)
    )
    num_classes = len(matrix)
    source = "the shape of `transition_matrix`"
    read = read_labels("labels", labels, num_classes, source=source, any_shape=True)
    draws = uniform(stream(seed), read_indices(indices, read.classes)).ravel()
    true = read.classes.ravel()
    if isinstance(matrix, TransitionMatrix):
        noisy = matrix.draw(true.astype(np.int64), draws)
    else:
        noisy = _draw_by_rows(matrix, true, draws)
    dtype = noisy_dtype(read.classes.dtype, num_classes - 1)
    return read.restore(noisy.astype(dtype).reshape(read.classes.shape))


def _draw_by_rows(
    matrix: NDArray[np.float64], true: NDArray[Any], draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Returns the noisy label for each true one and its draw from [0, 1), both (samples,)."""
    noisy = np.empty(true.shape, np.int64)
    # The loop over classes saves memory: a row for each sample would take samples x K numbers.
    order = np.argsort(true, kind="stable")
    starts = np.searchsorted(true[order], np.arange(len(matrix) + 1))
    for number, (start, stop) in enumerate(pairwise(starts)):
        members = order[start:stop]
        if len(members):
            table = cumulate_row(matrix[number], number)
            positions = np.searchsorted(table, draws[members], side="right")
            noisy[members] = find_class(positions, number)
    return noisy
