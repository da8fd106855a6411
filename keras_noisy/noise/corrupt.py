from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._random import stream, uniform
from keras_noisy.noise.arguments import noisy_type, read_indices, read_labels, read_matrix
from keras_noisy.noise.inverse_cdf import class_at, cumulative


def corrupt(
    labels: ArrayLike, transition_matrix: ArrayLike, seed: int, indices: ArrayLike | None = None
) -> NDArray:
    """Draws noisy labels.

    Formula: sample `n` with true label `i` gets label `j` with probability `T[i, j]`,
    independently of the others. What a sample draws depends on `seed` and on its index alone: it is
    the same in every epoch, batch size, order and subset, and in `keras_noisy.noise.corrupt_dataset`.

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
    matrix = read_matrix("transition_matrix", transition_matrix)
    num_classes = len(matrix)
    labels = read_labels("labels", labels, num_classes, "the shape of `transition_matrix`")
    draws = uniform(stream(seed), read_indices(indices, labels)).ravel()
    flat = labels.ravel()
    noisy = np.empty(flat.shape, noisy_type(labels.dtype, num_classes - 1))
    # Class by class: a cumulative row for every sample would need samples x K numbers.
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(num_classes + 1))
    for true, (start, stop) in enumerate(pairwise(starts)):
        members = order[start:stop]
        if len(members):
            table = cumulative(matrix[true], true)
            places = np.searchsorted(table, draws[members], side="right")
            noisy[members] = class_at(places, true)
    return noisy.reshape(labels.shape)
