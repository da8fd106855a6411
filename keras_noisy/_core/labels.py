"""Reads labels of all formats: integers, one-hot targets and soft targets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_noisy._core.tracing import raise_if_any, to_tensor
from keras_noisy._labels import MAX_PROBABILITY_ERROR, MAX_ROW_SUM_ERROR, read_array
from keras_noisy._typing import Tensor

_INT32 = np.iinfo(np.int32)


# Dimensions of a tensor: integers, or `None` or scalar tensors where they are unknown.
Shape = Sequence[Any]


class Labels(NamedTuple):
    """Labels in one format; exactly one of `index` and `targets` is set.

    Attributes:
        index: Integer tensor (…,), the label, or `None`. It is 0 for samples without a valid
            label, so that it can be used to gather.
        targets: Float tensor (…, K), the distribution over the classes, or `None`.
        invalid: Boolean tensor (…,) of the samples whose label names none of the K classes, or
            `None` if an eager call has shown that there are none.
        ignored: Boolean tensor (…,) of the samples that carry `ignore_class`, or `None` if no
            class is ignored.
    """

    index: Tensor
    targets: Tensor
    invalid: Tensor
    ignored: Tensor


def read_labels(
    argument: str, y_true: Tensor, shape: Shape, dtype: Any, ignore_class: int | None = None
) -> Labels:
    """Reads and checks labels for predictions of shape (…, K).

    Args:
        argument: The name of the labels in error messages.
        y_true: Integers (…,) or (…, 1), or one-hot or soft targets (…, K), told apart by their
            rank.
        shape: The shape of the predictions, from `keras.ops.shape`.
        dtype: The float type of the predictions.
        ignore_class: Integer, the label of samples to ignore. It may lie outside [0, K).

    Returns:
        `Labels`.

    Raises:
        ValueError: If the shapes do not fit together, or, in an eager call, if a label names no
            class. A graph marks such samples as `invalid`.
    """
    y_true = _to_tensor(argument, y_true, ignore_class)
    has_targets = are_targets(argument, y_true.shape, shape)
    if has_targets:
        labels = _read_targets(y_true, shape, dtype, ignore_class)
        allowed = (
            "rows of non-negative numbers that sum to 1, because each sample has one class "
            "(targets with several classes, as for a sigmoid per class, are not for this package)"
        )
    else:
        if len(y_true.shape) == len(shape):
            y_true = ops.squeeze(y_true, axis=-1)
        labels = _read_integers(argument, y_true, shape[-1], ignore_class)
        allowed = f"integers in [0, {shape[-1]})"
    invalid = raise_if_any(
        labels.invalid,
        f"`{argument}` must hold {allowed}; give `ignore_class` for labels to ignore.",
        y_true,
        f"ignore_class={ignore_class}",
    )
    if invalid is not None and not has_targets:
        labels = labels._replace(index=ops.where(invalid, 0, labels.index))
    return labels._replace(invalid=invalid)


def smooth(targets: Tensor, label_smoothing: float) -> Tensor:
    """Mixes targets (…, K) with the uniform distribution, `(1 - r) t + r / K`."""
    if label_smoothing == 0.0:
        return targets
    return (1.0 - label_smoothing) * targets + label_smoothing / targets.shape[-1]


def count_classes(argument: str, shape: Shape) -> int:
    """Returns the number of classes K from the static shape of predictions (…, K)."""
    shape = tuple(shape)
    if not shape or shape[-1] is None or shape[-1] < 2:
        advice = ""
        if shape and shape[-1] == 1:
            advice = (
                "In place of one output with a sigmoid, use two outputs without an activation, "
                "`Dense(2)`, with from_logits=True and labels 0 and 1. "
            )
        raise ValueError(
            f"`{argument}` must have shape (…, K) with a known number of classes K of at least 2. "
            f"{advice}Received: {argument}.shape={shape}"
        )
    return int(shape[-1])


def are_targets(argument: str, label_shape: Shape, shape: Shape) -> bool:
    """Returns whether labels have the shape of targets (…, K), not of integers.

    Args:
        argument: The name of the labels in error messages.
        label_shape: The static shape of the labels.
        shape: The shape of the predictions. Dimensions that are not integers are unknown.

    Raises:
        ValueError: If labels have neither shape.
    """
    given = tuple(label_shape)
    predicted = tuple(size if isinstance(size, int) else None for size in shape)
    *leading, last = given or (None,)
    is_column = len(given) == len(predicted) and last == 1
    has_targets = len(given) == len(predicted) and last in (predicted[-1], None)
    sizes = leading if has_targets or is_column else given
    fits = len(sizes) == len(predicted) - 1 and all(
        a is None or b is None or a == b for a, b in zip(sizes, predicted[:-1], strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{argument}` must hold integer labels of shape (…,) or (…, 1), or one-hot or soft "
            f"targets of shape (…, K), for predictions of shape (…, K). "
            f"Received: {argument}.shape={given}, predictions of shape {predicted}"
        )
    return has_targets


def is_invalid_distribution(probabilities: Tensor) -> Tensor:
    """Returns a boolean tensor (…,): whether a row of `probabilities` (…, K) is not a distribution.

    Errors that rounding in half precision may cause are allowed.
    """
    low, high = -MAX_PROBABILITY_ERROR, 1.0 + MAX_PROBABILITY_ERROR
    outside = ops.any((probabilities < low) | (probabilities > high), axis=-1)
    return outside | (ops.abs(ops.sum(probabilities, axis=-1) - 1.0) > MAX_ROW_SUM_ERROR)


def _to_tensor(argument: str, y_true: Any, ignore_class: int | None) -> Tensor:
    if isinstance(y_true, np.ndarray) and y_true.dtype in (np.int64, np.uint64):
        # JAX would wrap 2^32 + 1 around to 1. A label that needs 64 bits names no class.
        no_class = -2 if ignore_class == -1 else -1
        fits = (y_true >= _INT32.min) & (y_true <= _INT32.max)
        y_true = np.where(fits, y_true, no_class).astype(np.int32)
    reason = None
    try:
        labels = to_tensor(y_true)
        if keras.backend.standardize_dtype(labels.dtype) != "string":
            return labels
    except Exception as error:  # each backend raises its own type
        reason = error
    raise ValueError(
        f"`{argument}` must be an array of labels: integers, or one-hot or soft targets. "
        f"Received: {_describe(y_true)}"
    ) from reason


def _describe(y_true: Any) -> str:
    """Describes labels that are no tensor of numbers."""
    described = read_array(y_true)
    if isinstance(described, str):
        return described
    dtype = str(getattr(y_true, "dtype", ""))
    return f"{type(y_true).__name__} of type {dtype}" if dtype else type(y_true).__name__


def _read_integers(
    argument: str, y_true: Tensor, num_classes: int, ignore_class: int | None
) -> Labels:
    dtype = keras.backend.standardize_dtype(y_true.dtype)
    if dtype in ("float16", "bfloat16"):
        raise ValueError(
            f"`{argument}` must hold integer labels in an integer type: half precision confuses "
            f"classes above 256. Received: {argument}.dtype={dtype}"
        )
    # Labels are checked before they are cast, because a cast may turn one label into another.
    if dtype in ("uint32", "uint64"):
        invalid = y_true >= ops.cast(num_classes, dtype)
        index = ops.cast(y_true, "int32")
    elif dtype.startswith("float"):
        is_integer = ops.equal(ops.floor(y_true), y_true)
        invalid = (y_true < 0) | (y_true >= num_classes) | ops.logical_not(is_integer)
        index = ops.cast(y_true, "int32")
    else:
        # K may exceed the range of small integer types.
        index = y_true = ops.cast(y_true, "int64" if dtype == "int64" else "int32")
        invalid = (index < 0) | (index >= num_classes)
    if ignore_class is None:
        return Labels(index, None, invalid, None)
    if dtype in ("uint32", "uint64") and ignore_class < 0:
        ignored = ops.zeros_like(invalid)
    else:
        ignored = ops.equal(y_true, ops.cast(ignore_class, y_true.dtype))
    return Labels(ops.where(ignored, 0, index), None, invalid & ops.logical_not(ignored), ignored)


def _read_targets(y_true: Tensor, shape: Shape, dtype: Any, ignore_class: int | None) -> Labels:
    # In half precision, the sum of many small shares is too inexact to be compared with 1.
    targets = ops.cast(y_true, keras.backend.result_type(dtype, "float32"))
    if None in y_true.shape and not isinstance(y_true, keras.KerasTensor):
        # The shape is known at run time only, and must not be broadcast.
        targets = ops.reshape(targets, shape)
    # A share that is NaN makes the sum NaN, which no comparison finds.
    invalid = is_invalid_distribution(targets) | ops.isnan(ops.sum(targets, axis=-1))
    if ignore_class is None:
        return Labels(None, targets, invalid, None)
    # A one-hot encoder turns a label outside [0, K) into a row of zeros.
    if 0 <= ignore_class < shape[-1]:
        ignored = targets[..., ignore_class] > 0.5
    else:
        ignored = ops.equal(ops.sum(ops.abs(targets), axis=-1), 0.0)
    return Labels(None, targets, invalid & ops.logical_not(ignored), ignored)
