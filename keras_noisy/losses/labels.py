"""Reads labels of any format: integers, one-hot or soft targets, some of them not to be counted."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.tracing import refuse

# What rounding in half precision may do to a probability, and to the sum of a row of many.
_PROBABILITY_SLACK = 1e-3
_ROW_SUM_SLACK = 5e-2
_INT32 = np.iinfo(np.int32)


class Labels(NamedTuple):
    """Labels in one format; exactly one of `index` and `targets` is set.

    Attributes:
        index: Integer tensor (…,), the label; 0 where there is none, so that it can be gathered with.
        targets: Float tensor (…, K), the distribution over the classes.
        wrong: Boolean tensor (…,), or None where an eager call has shown that none is: the entry names
            none of the K classes.
        ignored: Boolean tensor (…,), or None: the entry carries `ignore_class` and does not count.
    """

    index: Tensor
    targets: Tensor
    wrong: Tensor
    ignored: Tensor


def read_labels(
    y_true: Tensor, y_pred: Tensor, ignore_class: int | None = None, argument: str = "y_true"
) -> Labels:
    """Reads labels for predictions of shape (…, K).

    Args:
        y_true: Integers (…,) or (…, 1), or one-hot or soft targets (…, K), told apart by their rank.
        y_pred: Float tensor (…, K), logits or probabilities.
        ignore_class: Integer, the label that does not count. It may lie outside [0, K).
        argument: What error messages call `y_true`.

    Returns:
        `Labels`.

    Raises:
        ValueError: If K < 2 or unknown, if the shapes do not fit together, or, in an eager call, if
            an entry names no class. In a graph, where it can't raise, `wrong` is True there.
    """
    num_classes = class_count(y_pred)
    y_true = _to_tensor(y_true, argument)
    is_soft = holds_targets(y_true, y_pred, argument)
    if is_soft:
        labels = _read_targets(y_true, y_pred, ignore_class)
        allowed = "rows of non-negative numbers that sum to 1"
    else:
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, axis=-1)
        labels = _read_integers(y_true, num_classes, ignore_class, argument)
        allowed = f"integers in [0, {num_classes})"
    wrong = refuse(
        labels.wrong,
        lambda: (
            f"`{argument}` must hold {allowed}; give `ignore_class` for a label that does not count. "
            f"Received: {describe(y_true)}, ignore_class={ignore_class}"
        ),
    )
    if wrong is not None and not is_soft:
        labels = labels._replace(index=ops.where(wrong, 0, labels.index))
    return labels._replace(wrong=wrong)


def class_count(y_pred: Tensor, argument: str = "y_pred") -> int:
    """The number of classes K, from the static shape of predictions (…, K)."""
    shape = tuple(y_pred.shape)
    if not shape or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            f"`{argument}` must have shape (…, K) with a known number of classes K of at least 2. "
            f"Received: {argument}.shape={shape}"
        )
    return int(shape[-1])


def holds_targets(y_true: Tensor, y_pred: Tensor, argument: str = "y_true") -> bool:
    """Whether labels are targets (…, K) rather than integers, by their shape; raises if it is neither."""
    shape, predicted = tuple(y_true.shape), tuple(y_pred.shape)
    *leading, last = shape or (None,)
    is_column = len(shape) == len(predicted) and last == 1
    is_soft = len(shape) == len(predicted) and last in (predicted[-1], None)
    given = leading if is_soft or is_column else shape
    fits = len(given) == len(predicted) - 1 and all(
        a is None or b is None or a == b for a, b in zip(given, predicted[:-1], strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{argument}` must hold integer labels of shape (…,) or (…, 1), or one-hot or soft "
            f"targets of shape (…, K), for predictions of shape (…, K). "
            f"Received: {argument}.shape={shape}, predictions of shape {predicted}"
        )
    return is_soft


def is_no_distribution(probabilities: Tensor) -> Tensor:
    """Boolean tensor (…,): the row of `probabilities` (…, K) is none, whatever rounding did to it."""
    low, high = -_PROBABILITY_SLACK, 1.0 + _PROBABILITY_SLACK
    outside = ops.any((probabilities < low) | (probabilities > high), axis=-1)
    return outside | (ops.abs(ops.sum(probabilities, axis=-1) - 1.0) > _ROW_SUM_SLACK)


def describe(values: Tensor) -> str:
    """The type, shape and range of concrete values, for an error message."""
    dtype = keras.backend.standardize_dtype(values.dtype)
    array = ops.convert_to_numpy(values)
    text = (
        f"{dtype} values of shape {array.shape} from {np.nanmin(array):g} to {np.nanmax(array):g}"
    )
    missing = int(np.sum(array != array))
    return f"{text}, {missing} of them NaN" if missing else text


def _to_tensor(y_true: Any, argument: str) -> Tensor:
    if isinstance(y_true, np.ndarray) and y_true.dtype in (np.int64, np.uint64):
        # JAX would wrap 2^32 + 1 into 1.
        y_true = np.clip(y_true, _INT32.min, _INT32.max).astype(np.int32)
    reason = None
    try:
        labels = ops.convert_to_tensor(y_true)
        if keras.backend.standardize_dtype(labels.dtype) != "string":
            return labels
    except Exception as error:  # each backend has its own
        reason = error
    raise ValueError(
        f"`{argument}` must be an array of labels. Received: {type(y_true).__name__}"
    ) from reason


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
    wrong = (index < 0) | (index >= num_classes)
    if dtype.startswith("float"):
        wrong = wrong | ops.not_equal(ops.cast(index, y_true.dtype), y_true)
    if ignore_class is None:
        return Labels(index, None, wrong, None)
    ignored = ops.equal(index, ignore_class)
    return Labels(ops.where(ignored, 0, index), None, wrong & ops.logical_not(ignored), ignored)


def _read_targets(y_true: Tensor, y_pred: Tensor, ignore_class: int | None) -> Labels:
    # Half precision could not tell whether many small shares sum to 1.
    targets = ops.cast(y_true, keras.backend.result_type(y_pred.dtype, "float32"))
    if None in y_true.shape and not isinstance(y_true, keras.KerasTensor):
        # Only the run will tell the shape: it must not be broadcast.
        targets = ops.reshape(targets, ops.shape(y_pred))
    wrong = is_no_distribution(targets)
    if ignore_class is None:
        return Labels(None, targets, wrong, None)
    # A one-hot encoder turns a label that names no class into a row of zeros.
    if 0 <= ignore_class < class_count(y_pred):
        ignored = targets[..., ignore_class] > 0.5
    else:
        ignored = ops.equal(ops.sum(ops.abs(targets), axis=-1), 0.0)
    return Labels(None, targets, wrong & ops.logical_not(ignored), ignored)
