"""Samples of the logits of an untrained network."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# The number of normal quantiles to draw from, a power of two.
_QUANTILES = 2**17


@lru_cache(maxsize=4)
def untrained_logits(samples: int, count: int, logit_std: float = 1.0) -> NDArray:
    """Returns normal logits as a Latin hypercube, the same in every call.

    Each column contains one number from each of `samples` equally likely intervals, so that
    averages over rows are several times more accurate than averages over random rows.

    Args:
        samples: Number of rows, a power of two up to 2^17.
        count: Number of logits in a row.
        logit_std: Standard deviation; the mean is 0. Defaults to `1.0`.

    Returns:
        Read-only float64 array (samples, count), which is cached.
    """
    random = np.random.default_rng(0)
    each = _QUANTILES // samples
    interval = random.permuted(np.tile(np.arange(samples), (count, 1)), axis=1).T
    within = random.integers(each, size=interval.shape)
    logits = logit_std * _quantiles()[interval * each + within]
    logits.setflags(write=False)
    return logits


@lru_cache(maxsize=1)
def _quantiles() -> NDArray:
    inverse = NormalDist().inv_cdf
    return np.array([inverse((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)])
