"""Checks of the arguments that the theory's functions share."""

import numbers


def check_classes(argument: str, value: int) -> None:
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or value < 2:
        raise ValueError(
            f"`{argument}` must be an integer of at least 2. Received: {argument}={value!r}"
        )


def check_logit_std(value: float) -> None:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0.0 <= value <= 5.0:
        raise ValueError(f"`logit_std` must be a number from 0 to 5. Received: logit_std={value!r}")
