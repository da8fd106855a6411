"""Finds the root of a function."""

import itertools
import math
from collections.abc import Callable

_STEPS = 60


def find_root(
    function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-10
) -> float:
    """Finds the root of a continuous function between two points where its signs differ.

    It uses Ridders's method, which at least halves the interval in each step. For a smooth
    function, it needs about ten function values.

    Args:
        function: From a number to a number.
        low: Number, the lower end of the interval.
        high: Number, the upper end of the interval.
        tolerance: Number, the step size at which to stop. Defaults to `1e-10`.

    Returns:
        The root, between `low` and `high`.

    Raises:
        ValueError: If the signs do not differ.
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0.0 or at_high == 0.0:
        return low if at_low == 0.0 else high
    if not at_low * at_high < 0.0:
        raise ValueError(
            f"The function has no sign change between {low:g} and {high:g}: it is {at_low:g} and "
            f"{at_high:g} there."
        )
    point = math.inf
    for _ in range(_STEPS):
        middle = (low + high) / 2
        at_middle = function(middle)
        # A false-position step, after an exponential factor has put the three values on a line.
        scale = math.hypot(at_middle, math.sqrt(abs(at_low)) * math.sqrt(abs(at_high)))
        step = math.copysign(at_middle / scale, at_low * at_middle)
        previous, point = point, middle + (middle - low) * step
        if abs(point - previous) < tolerance:
            break
        at_point = function(point)
        if at_point == 0.0:
            break
        ends = sorted([(low, at_low), (middle, at_middle), (point, at_point), (high, at_high)])
        (low, at_low), (high, at_high) = next(
            (a, b) for a, b in itertools.pairwise(ends) if a[1] * b[1] <= 0.0
        )
    return point
