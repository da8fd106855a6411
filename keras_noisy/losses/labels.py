"""Reads labels of any format: integers, one-hot or soft targets, some of them not to be counted."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_noisy.losses.tracing import is_known_and_any

Tensor = Any

# What rounding may do to a probability, or to a row of soft targets, in half precision.
_PROBABILITY_SLACK = 1e-3
_ROW_SUM_SLACK = 1e-2


class Labels(NamedTuple):
    """Labels in one format; exactly one of `index` and `targets` is set.

    Attributes:
        index: Integer tensor (…,), the label; 0 where there is none, so that it can be gathered with.
        targets: Float tensor (…, K), the distribution over the classes.
        valid: Boolean tensor (…,): the entry names one of the K classes.
        ignored: Boolean tensor (…,), or None: the entry carries `ignore_class` and does not count.
    """

    index: Tensor
    targets: Tensor
    valid: Tensor
    ignored: Tensor


def read_labels(
    y_true: Tensor, y_pred: Tensor, ignore_class: int | None = None, argument: str = "y_true"
) -> Labels:
    """Reads labels for predictions of shape (…, K).

    Args:
        y_true: Integers (…,) or (…, 1), or one-hot or soft targets (…, K), told apart by their rank.
        y_pred: Tensor (…, K), logits or probabilities, of a float type of at least 32 bits.
        ignore_class: Integer, the label that does not count. It may lie outside [0, K).
        argument: What error messages call `y_true`.

    Returns:
        `Labels`.

    Raises:
        ValueError: If K < 2 or unknown, if the shapes do not fit together, or, in an eager call, if
            an entry names no class. In a graph, where it can't raise, `valid` is False there.
    """
    num_classes = class_count(y_pred)
    y_true = ops.convert_to_tensor(y_true)
    received = shape = tuple(y_true.shape)
    rank = len(y_pred.shape)
    if len(shape) == rank and shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
        shape = shape[:-1]
    is_soft = len(shape) == rank and shape[-1] in (num_classes, None)
    fits = is_soft or len(shape) == rank - 1
    if not fits or not _may_be_equal(shape[: rank - 1], tuple(y_pred.shape)[:-1]):
        raise ValueError(
            f"`{argument}` must hold integer labels of shape (…,) or (…, 1), or one-hot or soft "
            f"targets of shape (…, K), for predictions of shape (…, K). "
            f"Received: {argument}.shape={received}, "
            f"predictions of shape {tuple(y_pred.shape)}"
        )
    if is_soft:
        labels = _read_targets(y_true, y_pred.dtype, num_classes, ignore_class)
        allowed = "rows of non-negative numbers that sum to 1"
    else:
        labels = _read_integers(y_true, num_classes, ignore_class, argument)
        allowed = f"integers in [0, {num_classes})"
    counts = labels.valid if ignore_class is None else labels.valid | labels.ignored
    if is_known_and_any(~counts):
        raise ValueError(
            f"`{argument}` must hold {allowed}; give `ignore_class` for a label that does not count. "
            f"Received: {describe(y_true)}, ignore_class={ignore_class}"
        )
    return labels


def class_count(y_pred: Tensor) -> int:
    """The number of classes K, from the static shape of predictions (…, K)."""
    shape = tuple(y_pred.shape)
    if not shape or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            "`y_pred` must have shape (…, K) with a known number of classes K of at least 2. "
            f"Received: y_pred.shape={shape}"
        )
    return int(shape[-1])


def _read_integers(
    y_true: Tensor, num_classes: int, ignore_class: int | None, argument: str
) -> Labels:
    dtype = keras.backend.standardize_dtype(y_true.dtype)
    if dtype in ("float16", "bfloat16"):
        raise ValueError(
            f"`{argument}` must hold integer labels in an integer type: half precision confuses "
            f"classes above 256. Received: {argument}.dtype={dtype}"
        )
    # Small integer types could not even be compared with K.
    index = ops.cast(y_true, "int64" if dtype in ("int64", "uint64") else "int32")
    valid = (index >= 0) & (index < num_classes)
    if dtype.startswith("float"):
        valid = valid & (ops.cast(index, y_true.dtype) == y_true)
    ignored = None
    if ignore_class is not None:
        ignored = index == ignore_class
        valid = valid & ~ignored
    return Labels(ops.where(valid, index, 0), None, valid, ignored)


def _read_targets(y_true: Tensor, dtype: Any, num_classes: int, ignore_class: int | None) -> Labels:
    targets = ops.cast(y_true, dtype)
    total = ops.sum(targets, axis=-1)
    valid = ops.all(targets >= -_PROBABILITY_SLACK, axis=-1)
    valid = valid & (ops.abs(total - 1.0) <= _ROW_SUM_SLACK)
    ignored = None
    if ignore_class is not None:
        # A one-hot encoder turns a label that names no class into a row of zeros.
        names_class = 0 <= ignore_class < num_classes
        ignored = targets[..., ignore_class] > 0.5 if names_class else total == 0.0
        valid = valid & ~ignored
    return Labels(None, targets, valid, ignored)


def outside_unit_interval(probabilities: Tensor) -> Tensor:
    """Boolean tensor (…,): the row of `probabilities` (…, K) has values that are none."""
    low, high = -_PROBABILITY_SLACK, 1.0 + _PROBABILITY_SLACK
    return ops.any((probabilities < low) | (probabilities > high), axis=-1)


def describe(values: Tensor) -> str:
    """The type, shape and range of concrete values, for an error message."""
    dtype = keras.backend.standardize_dtype(values.dtype)
    array = ops.convert_to_numpy(values)
    low, high = float(array.min()), float(array.max())
    return f"{dtype} values of shape {tuple(values.shape)} from {low:g} to {high:g}"


def _may_be_equal(left: tuple, right: tuple) -> bool:
    return len(left) == len(right) and all(
        a is None or b is None or a == b for a, b in zip(left, right, strict=True)
    )
