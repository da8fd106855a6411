"""Checks of arguments. Errors name the argument, the allowed values and the received value."""

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
    """Returns `value` as an int, or raises a `ValueError`.

    Args:
        argument: Name of the argument.
        value: The received value.
        least: The smallest allowed integer.
        most: The largest allowed integer. Defaults to `None`: there is no limit.
        or_none: Whether `None` is allowed and returned. Defaults to `False`.

    Raises:
        ValueError: If `value` is not an integer in the range.
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
    """Returns a number of classes as an int, or raises a `ValueError` if there are fewer than 2."""
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
    """Returns `value` as a float, or raises a `ValueError`.

    Args:
        argument: Name of the argument.
        value: The received value.
        interval: The allowed interval, such as `"(0, 1]"`.
        not_below: The smallest allowed number, if float32 is too imprecise for parts of the
            interval. Defaults to `None`.
        not_above: The largest allowed number, for the same reason. Defaults to `None`.
        word: A string that is allowed and returned, such as `"auto"`. Defaults to `None`.

    Raises:
        ValueError: If `value` is not a number in the interval.
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
    """Returns `value` as a bool, or raises a `ValueError`; numbers are not allowed."""
    if or_none and value is None:
        return None
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"`{argument}` must be {'None, ' * or_none}True or False. "
            f"Received: {argument}={value!r}"
        )
    return bool(value)


def check_choice(argument: str, value: Any, choices: Collection[Any]) -> None:
    """Raises a `ValueError` if `value` is not one of `choices`."""
    if not isinstance(value, Hashable) or value not in choices:
        *others, last = map(repr, choices)
        allowed = f"{', '.join(others)} or {last}"
        raise ValueError(f"`{argument}` must be {allowed}. Received: {argument}={value!r}")


def check_logit_std(value: Any) -> float:
    """Returns a standard deviation of logits as a float, or raises a `ValueError`."""
    if not is_number(value) or not 0.0 <= value <= 5.0:
        raise ValueError(f"`logit_std` must be a number from 0 to 5. Received: logit_std={value!r}")
    return float(value)


def read_interval(interval: str) -> tuple[str, float, float, str]:
    """Reads an interval such as `"(0, 1]"` as its brackets and ends."""
    opening, low, high, closing = re.fullmatch(r"([\[(])(.+), (.+)([\])])", interval).groups()  # type: ignore[union-attr]
    return opening, float(low), float(high), closing
