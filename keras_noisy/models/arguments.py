"""Checks of the arguments that the models share."""

import sys
from collections.abc import Container, Sequence
from typing import Any

import keras

from keras_noisy._arguments import is_integer


def check_normalisation(normalisation: Any) -> None:
    if normalisation is not None and not isinstance(normalisation, keras.layers.Layer):
        raise ValueError(
            "`normalisation` must be a layer, such as "
            '`keras_noisy.datasets.normalisation("cifar10")`, or None. '
            f"Received: normalisation={normalisation!r}"
        )


def read_shape(
    input_shape: Any,
    allowed: str,
    num_axes: Container[int] = range(1, sys.maxsize),
    smallest: int = 1,
    any_size: bool = False,
) -> tuple[int, ...]:
    """Returns `input_shape` as a tuple, or raises a ValueError that says what is allowed.

    Args:
        input_shape: What the user gave.
        allowed: What the error says.
        num_axes: Allowed numbers of axes.
        smallest: Smallest height and width, the first two axes.
        any_size: Whether height and width may be `None`.
    """

    def fits(axis: int, size: Any) -> bool:
        is_side = axis < 2
        if size is None:
            return is_side and any_size
        return is_integer(size) and size >= (smallest if is_side else 1)

    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    if len(shape) not in num_axes or not all(fits(*each) for each in enumerate(shape)):
        raise ValueError(f"`input_shape` must be {allowed}. Received: input_shape={input_shape!r}")
    return shape
