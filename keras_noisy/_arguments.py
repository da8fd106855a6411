"""Checks of arguments: each error names the argument, what is allowed and what was received."""

import numbers
import re
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np


def is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_integer(
    argument: str, value: Any, least: int, most: int | None = None, *, or_none: bool = False
) -> Any:
    """Returns `value` as an int, or raises a ValueError unless it is an integer in a range.

    Args:
        argument: What the error calls the value.
        value: What the user gave.
        least: The smallest integer that is allowed.
        most: The largest one. Defaults to `None`: there is none.
        or_none: Whether `None` is allowed, too, and returned.
    """
    if or_none and value is None:
        return None
    if not is_integer(value) or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(
            f"`{argument}` must be {'None or ' * or_none}an integer {allowed}. "
            f"Received: {argument}={value!r}"
        )
    return int(value)


def check_classes(argument: str, value: Any) -> int:
    """A number of classes: there is nothing to learn from one."""
    return check_integer(argument, value, 2)


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
    opening, low, high, closing = read_interval(interval)
    allowed = (
        is_number(value)
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


def check_flag(argument: str, value: Any, *, or_none: bool = False) -> Any:
    """Returns `value` as a bool, or raises a ValueError: a number in the wrong place is no flag."""
    if or_none and value is None:
        return None
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"`{argument}` must be {'None, ' * or_none}True or False. Received: {argument}={value!r}"
        )
    return bool(value)


def check_choice(argument: str, value: Any, choices: Collection[Any]) -> None:
    if not isinstance(value, Hashable) or value not in choices:
        *others, last = map(repr, choices)
        allowed = f"{', '.join(others)} or {last}"
        raise ValueError(f"`{argument}` must be {allowed}. Received: {argument}={value!r}")


def check_logit_std(value: Any) -> float:
    """A standard deviation of logits that the theory covers."""
    if not is_number(value) or not 0.0 <= value <= 5.0:
        raise ValueError(f"`logit_std` must be a number from 0 to 5. Received: logit_std={value!r}")
    return float(value)


def read_interval(interval: str) -> tuple[str, float, float, str]:
    """Reads an interval such as `"(0, 1]"` as its brackets and ends."""
    opening, low, high, closing = re.fullmatch(r"([\[(])(.+), (.+)([\])])", interval).groups()  # type: ignore[union-attr]
    return opening, float(low), float(high), closing
