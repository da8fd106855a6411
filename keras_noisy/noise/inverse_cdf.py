"""How a uniform number becomes a class: the same table for arrays and for tf.data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cumulative(row: NDArray[np.float64], true: int) -> NDArray[np.float64]:
    """Cumulative probabilities of a row of a transition matrix, with the true class first.

    That way a larger noise rate keeps a smaller one's wrong labels wrong. The first entry above a
    draw from [0, 1) is the place of its class; see `class_at`.
    """
    ordered = np.concatenate([row[true : true + 1], row[:true], row[true + 1 :]])
    table = np.cumsum(ordered)
    # Rounding may leave the last step below a draw, or give it to a class of probability 0.
    table[np.flatnonzero(ordered)[-1] :] = 1.0
    return table


def class_at(place: NDArray[Any], true: NDArray[Any] | int) -> NDArray[Any]:
    """The class at a place of the table: the true one, then the others in their order."""
    return np.where(place == 0, true, place - (place <= true))
