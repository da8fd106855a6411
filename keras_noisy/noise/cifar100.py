"""Noise of CIFAR-100 within superclasses, and within the blocks that most papers use instead."""

import numpy as np
from numpy.typing import NDArray

from keras_noisy.noise._transitions import build_flip_matrix

# The superclass (coarse label) of each class (fine label): 20 superclasses of 5 classes.
_SUPERCLASSES = np.ravel(
    [
        [4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11],
        [6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5],
        [5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17],
        [10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13],
        [16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13],
    ]
)


def superclass(rate: float) -> NDArray[np.float64]:
    """Returns the transition matrix of CIFAR-100 noise within superclasses.

    Formula: with probability `rate`, a class becomes the next one, by number, of its superclass
    (flowers, fish, …). The last class of a superclass becomes the first.

    Args:
        rate: Share of wrong labels, a number in [0, 1].

    Returns:
        Float64 array (100, 100) whose rows sum to 1.

    Raises:
        ValueError: If `rate` is out of its range.

    Example:

    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.superclass(rate=0.4)
    >>> apple, mushroom = 0, 51  # both are fruit or vegetables
    >>> float(matrix[apple, mushroom])
    0.4

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """
    targets = np.arange(100)
    for number in range(20):
        members = np.flatnonzero(number == _SUPERCLASSES)
        targets[members] = np.roll(members, -1)
    return build_flip_matrix(targets, rate)


def index_block(rate: float) -> NDArray[np.float64]:
    """Returns the transition matrix of the CIFAR-100 noise that most published tables use.

    Formula: with probability `rate`, class `i` becomes `5 (i // 5) + (i % 5 + 1) % 5`.

    The papers describe it as noise within superclasses. But the classes are numbered in
    alphabetical order, so a block of five successive numbers is not a superclass: only 6 of the
    100 flips stay in the superclass (apple becomes aquarium fish). Use this function to compare
    with those tables (Patrini et al., APL, ALFs, ANL, ELR, LogitClip, ε-softmax), and
    `keras_noisy.noise.superclass` for the noise that the papers describe (which GJS uses).

    Args:
        rate: Share of wrong labels, a number in [0, 1].

    Returns:
        Float64 array (100, 100) whose rows sum to 1.

    Raises:
        ValueError: If `rate` is out of its range.

    Example:

    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.index_block(rate=0.4)
    >>> float(matrix[3, 4]), float(matrix[4, 0])
    (0.4, 0.4)

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683), whose code does
      this.
    """
    classes = np.arange(100)
    return build_flip_matrix(5 * (classes // 5) + (classes % 5 + 1) % 5, rate)
