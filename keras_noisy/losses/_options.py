"""The options that every loss takes."""

from collections.abc import Mapping
from typing import Any, TypedDict

import keras

from keras_noisy._arguments import is_integer
from keras_noisy._core.record import RecordingLayer


class LossOptions(TypedDict, total=False):
    """The arguments that every loss takes beside its own; see `RobustLoss`."""

    logit_bias: float | str | RecordingLayer | None
    from_logits: bool
    ignore_class: int | None
    reduction: str | None
    name: str | None
    dtype: Any


def read_dtype(dtype: Any) -> Any:
    """Returns the argument `dtype` as a value that a configuration can contain."""
    if dtype is None or isinstance(dtype, (str, dict, keras.DTypePolicy)):
        return dtype
    return keras.backend.standardize_dtype(dtype)


def compute_dtype(dtype: Any) -> str:
    """Returns the type to compute in: float64 if `dtype` or `floatx` asks for it, else float32."""
    policy = keras.dtype_policies.get(dtype or keras.config.floatx())
    return "float64" if policy.compute_dtype == "float64" else "float32"


def check_ignore_class(value: Any) -> int | None:
    """Returns `ignore_class` as a plain integer or `None`."""
    if value is None:
        return None
    if not is_integer(value) or abs(value) >= 2**31:
        raise ValueError(
            "`ignore_class` must be None or an integer of 32 bits. "
            f"Received: ignore_class={value!r}"
        )
    return int(value)


def format_arguments(values: Mapping[str, Any]) -> str:
    """Formats arguments as in a call."""
    return ", ".join(f"{key}={value!r}" for key, value in values.items())
