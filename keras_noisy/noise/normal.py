"""Normal random numbers with random access, made from those of `uniform`."""

from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._random import bits, stream

# Keeps the intermediate arrays small, whatever the size of the result.
_BLOCK = 1 << 14


def normal(start: NDArray[np.uint64], size: int) -> NDArray[np.float64]:
    """The first `size` numbers of a stream, with mean 0 and standard deviation 1."""
    pairs = np.empty((-(-size // 2), 2))
    for first in range(0, len(pairs), _BLOCK):
        block = pairs[first : first + _BLOCK]
        counters = np.arange(first, first + len(block), dtype=np.uint64)
        block[:, 0], block[:, 1] = _pair(bits(start, counters))
    return pairs.reshape(-1)[:size]


def truncated_normal(
    seed: int, path: int, indices: NDArray[Any], mean: float, std: float
) -> NDArray[np.float64]:
    """One number for each index, normal but for those outside [0, 1], which are drawn again."""
    values = np.full(indices.shape, float(mean))
    if std == 0.0:
        return values
    missing = np.arange(len(indices))
    # A mean in [0, 1] and a deviation of up to 1 keep a third or more in each round.
    for attempt in count():
        if len(missing) == 0:
            break
        drawn = mean + std * _pair(bits(stream(seed, path, attempt), indices[missing]))[0]
        values[missing] = drawn
        missing = missing[(drawn < 0.0) | (drawn > 1.0)]
    return values


def _pair(random: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two independent normal numbers from 64 bits, 32 each (Box, Muller, 1958)."""
    radius = ((random >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32
    radius = np.sqrt(-2.0 * np.log(radius))
    angle = (random & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return radius * np.cos(angle), radius * np.sin(angle)
