"""Where a function crosses zero."""

import itertools
import math
from collections.abc import Callable

_STEPS = 60


def find_root(
    function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-10
) -> float:
    """The root of a continuous function between two points where its signs differ.

    By Ridders's method: it halves the interval at least, and where the function is smooth it needs
    about ten values for all digits.

    Args:
        function: From a number to a number.
        low: Number at which the function has one sign, or its root.
        high: Number, larger, at which it has the other.
        tolerance: Stop when a step is smaller. Defaults to `1e-10`.

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
        # False position, after an exponential factor has made the three values lie on a line.
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
