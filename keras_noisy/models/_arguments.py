"""Checks of the arguments that the models share."""

import sys
from collections.abc import Container, Sequence
from typing import Any

import keras

from keras_noisy._arguments import is_integer


def read_normalisation(normalisation: Any) -> keras.layers.Layer:
    """Returns the layer that normalises raw images.

    Args:
        normalisation: A Keras layer, or `None` for a layer that divides pixels by 255.

    Raises:
        ValueError: If `normalisation` is something else.
    """
    if normalisation is None:
        return keras.layers.Rescaling(1 / 255)
    if not isinstance(normalisation, keras.layers.Layer):
        raise ValueError(
            "`normalisation` must be a layer, such as "
            '`keras_noisy.datasets.normalisation("cifar10")`, or None. '
            f"Received: normalisation={normalisation!r}"
        )
    return normalisation


def read_shape(
    input_shape: Any,
    allowed: str,
    num_axes: Container[int] = range(1, sys.maxsize),
    smallest: int = 1,
    any_size: bool = False,
) -> tuple[int, ...]:
    """Returns `input_shape` as a tuple.

    Args:
        input_shape: What the user passed.
        allowed: Description of what is allowed, for the error.
        num_axes: Allowed numbers of axes.
        smallest: Smallest height and width, the first two axes.
        any_size: Whether height and width may be `None`.

    Raises:
        ValueError: If `input_shape` is not a sequence of such integers.
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
