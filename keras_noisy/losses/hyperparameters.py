"""Checks of the arguments that a loss has beside the common ones."""

import numbers
import re
from typing import Any


def check_number(
    argument: str,
    value: Any,
    interval: str,
    *,
    not_below: float | None = None,
    not_above: float | None = None,
    word: str | None = None,
) -> Any:
    """Returns `value` as a float, or raises a ValueError unless it lies in an interval.

    Args:
        argument: What the error calls the value.
        value: What the user gave.
        interval: What is allowed, as mathematicians write it, such as `"(0, 1]"`.
        not_below: Number inside the interval below which float32 would give up.
        not_above: The same from above.
        word: A word that is allowed too, and returned as it is.
    """
    if word is not None and isinstance(value, str) and value == word:
        return value
    opening, low, high, closing = _read(interval)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    allowed = (
        is_number
        and (low < value if opening == "(" else low <= value)
        and (value < high if closing == ")" else value <= high)
        and (not_below is None or value >= not_below)
        and (not_above is None or value <= not_above)
    )
    if not allowed:
        limits = f", not below {not_below:g}" if not_below is not None else ""
        limits += f", not above {not_above:g}" if not_above is not None else ""
        limits += f', or "{word}"' if word is not None else ""
        raise ValueError(
            f"`{argument}` must be a number in {interval}{limits}. Received: {argument}={value!r}"
        )
    return float(value)


def check_integer(argument: str, value: Any, low: int, high: int) -> int:
    """Returns `value` as an int, or raises a ValueError unless it is an integer in [low, high]."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:
        raise ValueError(
            f"`{argument}` must be an integer in [{low}, {high}]. Received: {argument}={value!r}"
        )
    return int(value)


def _read(interval: str) -> tuple[str, float, float, str]:
    opening, low, high, closing = re.fullmatch(r"([\[(])(.+), (.+)([\])])", interval).groups()  # type: ignore[union-attr]
    return opening, float(low), float(high), closing
