"""The distribution of the sum over the other classes in the softmax of an untrained network."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# A quadrature rule: nodes, and weights that sum to 1.
Rule = tuple[NDArray, NDArray]

# The number of nodes, for logits with a standard deviation of up to 2.
_NODES = 32
# After this many doublings, half of the nodes are enough, because the log of a long sum varies
# little.
_FEWER_FROM = 6
_NORMAL_STEP = 0.1
_NORMAL_REACH = 9.0


@lru_cache(maxsize=256)
def log_sum(count: int, logit_std: float) -> Rule:
    """Returns a Gauss quadrature for `T = log(sum_j e^{z_j})`, with independent normal `z_j`.

    It serves to average functions of the label's margin over untrained networks: the margin is the
    label's logit minus `T`. The rule for one logit is doubled until it represents `count` of them.
    After each doubling, the rule is reduced to the Gauss rule, whose n nodes integrate polynomials
    exactly up to degree 2 n - 1.

    Args:
        count: Number of logits, at least 1.
        logit_std: Standard deviation of each; their mean is 0.

    Returns:
        Tuple of two float64 arrays (n,): nodes `t` and weights `w`, such that the average of `f(T)`
        is `sum w f(t)`. For a softmax, errors are about 1e-12 for `logit_std` up to 1
        and 1e-4 for 5.
    """
    size = int(_NODES * max(1.0, logit_std / 2.0))
    normal = np.arange(-_NORMAL_REACH, _NORMAL_REACH + _NORMAL_STEP / 2, _NORMAL_STEP)
    weights = np.exp(-(normal**2) / 2)
    one = rule = _gauss(logit_std * normal, weights / weights.sum(), size)
    for position, bit in enumerate(f"{count:b}"[1:]):
        if position == _FEWER_FROM:
            size //= 2
        rule = _add(rule, rule, size)
        if bit == "1":
            rule = _add(rule, one, size)
    return rule


def _add(first: Rule, second: Rule, size: int) -> Rule:
    """Returns the rule for log(a + b) from the rules for log(a) and log(b), independent."""
    points = np.logaddexp(first[0][:, np.newaxis], second[0]).ravel()
    weights = (first[1][:, np.newaxis] * second[1]).ravel()
    counts = weights > 1e-20
    return _gauss(points[counts], weights[counts] / weights[counts].sum(), size)


def _gauss(points: NDArray, weights: NDArray, size: int) -> Rule:
    """Returns the Gauss rule of a discrete distribution, by Lanczos's method."""
    mean = weights @ points
    std = np.sqrt(weights @ (points - mean) ** 2)
    if std < 1e-12:
        return np.array([mean]), np.ones(1)
    x = (points - mean) / std
    basis = np.zeros((size, len(x)))  # orthonormal polynomials at the points
    diagonal, beside = np.zeros(size), np.zeros(size)
    polynomial = np.sqrt(weights)
    for degree in range(size):
        basis[degree] = polynomial
        polynomial = x * polynomial
        diagonal[degree] = basis[degree] @ polynomial
        for _ in range(2):  # after one pass, rounding errors would grow
            known = basis[: degree + 1]
            polynomial = polynomial - (known @ polynomial) @ known
        beside[degree] = np.sqrt(polynomial @ polynomial)
        polynomial = polynomial / beside[degree]
    recurrence = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    nodes, vectors = np.linalg.eigh(recurrence)
    return mean + std * nodes, vectors[0] ** 2
