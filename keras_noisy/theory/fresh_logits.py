"""Logits that a freshly initialised network might have."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# Normal quantiles to draw from; a power of two.
_QUANTILES = 2**17


@lru_cache(maxsize=4)
def fresh_logits(samples: int, count: int, logit_std: float = 1.0) -> NDArray:
    """Normal logits, spread evenly: a Latin hypercube, the same in every call.

    Each column holds one number from each of `samples` equally likely intervals, so that averages over
    the rows are several times more exact than those over random ones.

    Args:
        samples: Number of rows, a power of two up to 2^17.
        count: Number of logits in a row.
        logit_std: Standard deviation; the mean is 0. Defaults to `1.0`.

    Returns:
        Float64 array (samples, count), kept for the next call and not to be written to.
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
