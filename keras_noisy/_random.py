"""Uniform random numbers with random access: each is a function of a seed and a counter.

The draw of a sample doesn't depend on other draws, so noise is the same in every order, batch and
subset. The numbers must never change, because published experiments depend on them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import is_integer

# Constants of SplitMix64 (Steele, Lea, Flood, 2014): the increment of its counter, and the two
# factors of its mixing function.
STEP = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def stream(seed: int, *path: int) -> NDArray[np.uint64]:
    """Returns the start of a stream of random numbers.

    Args:
        seed: Integer in [0, 2^63).
        path: Non-negative integers. Each path gives an independent stream.

    Returns:
        Array (1,).

    Raises:
        ValueError: If `seed` is out of its range.
    """
    if not is_integer(seed) or not 0 <= seed < 2**63:
        raise ValueError(f"`seed` must be an integer in [0, 2^63). Received: seed={seed!r}")
    start = _mix(np.array([seed], dtype=np.uint64))
    for number in path:
        # The increment differs from that of `bits`. Otherwise, the start of this stream would be a
        # number of the previous one.
        start = _mix(start + np.array([number + 1], dtype=np.uint64) * np.uint64(FACTORS[0]))
    return start


def bits(start: NDArray[np.uint64], counters: NDArray[Any]) -> NDArray[np.uint64]:
    """Returns 64 random bits of a stream for each counter."""
    return _mix(start + counters.astype(np.uint64) * np.uint64(STEP))


def uniform(start: NDArray[np.uint64], counters: NDArray[Any]) -> NDArray[np.float64]:
    """Returns a number in [0, 1) for each counter, a multiple of 2^-53."""
    return (bits(start, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Applies the output function of SplitMix64, which wraps modulo 2^64."""
    x = x + np.uint64(STEP)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(FACTORS[0])
    x = (x ^ (x >> np.uint64(27))) * np.uint64(FACTORS[1])
    return x ^ (x >> np.uint64(31))
