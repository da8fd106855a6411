"""A goodness-of-fit test at a fixed seed."""

import math

import numpy as np


def assert_drawn_from(counts, probabilities):
    """Fails if chi-square is more than 5 standard deviations above its mean.

    Both are arrays of the same shape, with distributions in the last axis.
    """
    counts, probabilities = np.atleast_2d(counts), np.atleast_2d(probabilities)
    assert np.all(counts[probabilities == 0] == 0)
    expected = counts.sum(axis=-1, keepdims=True) * probabilities
    possible = expected > 0
    assert expected[possible].min() >= 5, "too few samples for the test"
    chi_square = np.sum((counts - expected)[possible] ** 2 / expected[possible])
    freedom = np.count_nonzero(possible) - np.count_nonzero(possible.any(axis=-1))
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom) + 5
