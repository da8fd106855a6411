"""Normal random numbers with random access, computed from the bits of a stream."""

from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._random import bits, stream

# Numbers of a block, which keeps the intermediate arrays small for a result of any size.
_BLOCK = 1 << 14


def normal(start: NDArray[np.uint64], size: int) -> NDArray[np.float64]:
    """Returns the first `size` numbers of a stream, with mean 0 and standard deviation 1."""
    pairs = np.empty((-(-size // 2), 2))
    for first in range(0, len(pairs), _BLOCK):
        block = pairs[first : first + _BLOCK]
        counters = np.arange(first, first + len(block), dtype=np.uint64)
        block[:, 0], block[:, 1] = _box_muller(bits(start, counters))
    return pairs.reshape(-1)[:size]


def truncated_normal(
    seed: int, path: int, indices: NDArray[Any], mean: float, std: float
) -> NDArray[np.float64]:
    """Draws one number for each index from a normal distribution that is truncated to [0, 1].

    Args:
        seed: Integer in [0, 2^63).
        path: Number of the stream.
        indices: Integer array (samples,).
        mean: Mean before truncation, in [0, 1].
        std: Standard deviation before truncation, in [0, 1].

    Returns:
        Float64 array (samples,).
    """
    values = np.full(indices.shape, float(mean))
    if std == 0.0:
        return values
    missing = np.arange(len(indices))
    # With a mean in [0, 1] and a standard deviation of up to 1, each round accepts at least a
    # third.
    for attempt in count():
        if len(missing) == 0:
            break
        drawn = mean + std * _box_muller(bits(stream(seed, path, attempt), indices[missing]))[0]
        values[missing] = drawn
        missing = missing[(drawn < 0.0) | (drawn > 1.0)]
    return values


def _box_muller(random: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Computes two independent normal numbers from 64 bits, 32 each (Box, Muller, 1958)."""
    radius = ((random >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32
    radius = np.sqrt(-2.0 * np.log(radius))
    angle = (random & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return radius * np.cos(angle), radius * np.sin(angle)
