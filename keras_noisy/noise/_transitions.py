"""Builds transition matrices that flip classes, and samples from rows of transition matrices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_number


def build_flip_matrix(targets: NDArray[np.int64], rate: float) -> NDArray[np.float64]:
    """Returns the matrix that flips each class to `targets[class]` with probability `rate`.

    A class that is its own target is never flipped.
    """
    rate = check_number("rate", rate, "[0, 1]")
    classes = np.arange(len(targets))
    matrix = np.zeros((len(targets), len(targets)))
    matrix[classes, classes] = 1.0 - rate
    matrix[classes, targets] += rate
    fixed = classes[targets == classes]
    matrix[fixed, fixed] = 1.0  # (1 - rate) + rate may differ from 1 by a rounding error.
    return matrix


def cumulate_row(row: NDArray[np.float64], true_class: int) -> NDArray[np.float64]:
    """Returns the cumulative probabilities of a row of a transition matrix, the true class first.

    With this order, a label that is wrong at some noise rate is also wrong at every larger one. The
    position of the first entry above a draw from [0, 1) identifies the class that is drawn: see
    `find_class`.
    """
    after = true_class + 1
    ordered = np.concatenate([row[true_class:after], row[:true_class], row[after:]])
    table = np.cumsum(ordered)
    # Rounding errors could leave the last entry below a draw, or let a draw select a class of
    # probability 0.
    table[np.flatnonzero(ordered)[-1] :] = 1.0
    return table


def find_class(position: NDArray[Any], true_class: NDArray[Any] | int) -> NDArray[Any]:
    """Returns the class at a position of the table of `cumulate_row`."""
    return np.where(position == 0, true_class, position - (position <= true_class))
