"""Reads labels in arrays: integers, one-hot rows and, where they make sense, soft labels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Errors of a probability, and of the sum of a long row, that rounding in half precision may cause.
MAX_PROBABILITY_ERROR = 1e-3
MAX_ROW_SUM_ERROR = 5e-2

# How text labels become integers, and predictions become text again; part of every error for them.
TEXT_ADVICE = (
    "number the classes with `class_names, y = np.unique(labels, return_inverse=True)`; "
    "`class_names[model.predict(x).argmax(-1)]` then gives the names of predictions"
)


class Labels(NamedTuple):
    """Labels in one format.

    Attributes:
        classes: Array of the class of each sample; integer labels are as they were given.
        given: Array (…, K) of the labels as they were given, if they were rows, or `None`.
    """

    classes: NDArray[Any]
    given: NDArray[Any] | None

    def restore(self, classes: NDArray[Any]) -> NDArray[Any]:
        """Returns other classes in the format of these labels: as rows, if they were rows."""
        if self.given is None:
            return classes
        rows = np.zeros(self.given.shape, self.given.dtype)
        np.put_along_axis(rows, classes[..., np.newaxis].astype(np.int64), 1, axis=-1)
        return rows


def read_labels(
    argument: str,
    values: Any,
    num_classes: int | None = None,
    *,
    source: str = "`num_classes`",
    allowed: str | None = None,
    any_shape: bool = False,
    floats: bool = False,
) -> Labels:
    """Reads integers (samples,) or (samples, 1), or one-hot rows (samples, K) of any type.

    Sparse rows of SciPy, TensorFlow, JAX and PyTorch are read as the dense ones.

    Args:
        argument: Name of the argument, for the error.
        values: What the user passed.
        num_classes: Number of classes. Defaults to `None`: it is unknown.
        source: Where the number of classes comes from, for the error.
        allowed: What the error says after "must". Defaults to `None`: what was violated.
        any_shape: Whether labels may have any shape (…,), or (…, K) if they are one-hot. Integers
            keep their shape. Defaults to `False`: integers are returned as (samples,).
        floats: Whether floats are read as the losses read them: whole numbers are labels, and of
            soft labels (samples, K), the most probable class is. Defaults to `False`.

    Returns:
        `Labels`.

    Raises:
        ValueError: If they are neither.
    """

    def refuse(must: str, received: str) -> ValueError:
        return ValueError(f"`{argument}` must {allowed or must}. Received: {received}")

    must = "hold integers" + (", one-hot rows or soft labels" if floats else " or one-hot rows")
    array = read_array(values)
    if isinstance(array, str):
        raise refuse(must, array)
    if array.size == 0 and array.dtype == np.float64:  # NumPy converts [] to float64.
        array = array.astype(np.int64)
    dtype_and_shape = f"{argument}.dtype={array.dtype} of shape {array.shape}"
    is_integer = array.dtype.kind in "iu"
    if array.ndim >= 2 and array.shape[-1] > 1 and array.size:
        index = _read_rows(array, floats)
        fits = num_classes in (None, array.shape[-1])
        if index is not None and not fits and (not is_integer or array.shape[-1] > 2):
            raise refuse(
                f"have rows of {num_classes} numbers if they are one-hot, by {source}",
                dtype_and_shape,
            )
        if index is not None and fits and (any_shape or array.ndim == 2):
            return Labels(index, array)
        is_multi_hot = array.shape[-1] == num_classes and array.min() >= 0 and array.max() <= 1
        if not (is_integer and any_shape) or is_multi_hot:
            raise refuse(
                f"{must}: one 1 in each row, and zeros",
                f"{dtype_and_shape} with other rows{_count_missing(array)}",
            )
    if not is_integer:
        # Half precision confuses classes above 256.
        is_half = array.dtype.itemsize < 4 and _is_float(array.dtype)
        index = _read_whole_numbers(array) if floats and not is_half else None
        if index is None:
            raise refuse(must, f"{dtype_and_shape}{_count_missing(array)}")
        array = index
    if not any_shape:
        if array.ndim != 1 and array.shape[1:] != (1,):
            raise refuse(
                "have shape (samples,), (samples, 1) or, one-hot, (samples, K)", dtype_and_shape
            )
        array = array.reshape(-1)
    if num_classes is not None and array.size and not 0 <= array.min() <= array.max() < num_classes:
        raise refuse(
            f"lie in [0, {num_classes}), by {source}",
            f"labels from {array.min()} to {array.max()}",
        )
    return Labels(array, None)


def read_array(values: Any) -> NDArray[Any] | str:
    """Returns a dense array of numbers or booleans, or words that describe what is none."""
    try:
        array = np.asarray(to_dense(values))
    except Exception as error:  # Each library raises its own type.
        if "string" in str(getattr(values, "dtype", "")):  # a tensor in a graph of TensorFlow
            return f"text, {type(values).__name__} of type string: {TEXT_ADVICE}"
        if _is_ragged(values) or "inhomogeneous" in str(error):
            return _describe_ragged(values)
        return f"{type(values).__name__}, which is no array of numbers ({error})"
    if array.dtype.kind in "iufb" or _is_float(array.dtype):
        return array
    if (text := _describe_text(array)) is not None:
        return text
    first = array.ravel()[0] if array.size else None
    if _is_ragged(values) or isinstance(first, (list, tuple, np.ndarray)):
        return _describe_ragged(values)
    described = f"{type(values).__name__} of type {array.dtype}"
    return described if array.ndim == 0 or first is None else f"{described}, such as {first!r:.40}"


def to_dense(values: Any) -> Any:
    """Returns a sparse array of SciPy, TensorFlow, JAX or PyTorch as a dense one.

    Other values are returned unchanged.
    """
    if hasattr(values, "toarray"):  # SciPy
        return values.toarray()
    if hasattr(values, "dense_shape"):  # TensorFlow
        dense = np.zeros(np.asarray(values.dense_shape), np.asarray(values.values).dtype)
        dense[tuple(np.asarray(values.indices).T)] = values.values
        return dense
    if hasattr(values, "todense"):  # JAX
        return values.todense()
    if "sparse" in str(getattr(values, "layout", "")):  # PyTorch
        return values.to_dense()
    return values


def _describe_text(array: NDArray[Any]) -> str | None:
    """Returns words for an array of text, which may have missing values, or `None`."""
    texts = [each for each in array.flat if isinstance(each, (str, bytes))]
    if not texts:
        return f"text: {TEXT_ADVICE}" if array.dtype.kind in "SU" else None
    first = texts[0].decode(errors="replace") if isinstance(texts[0], bytes) else texts[0]
    missing = sum(map(_is_missing, array.flat))
    # `np.unique` can't sort them.
    drop = f", with {missing} labels missing: drop these samples, and" if missing else ":"
    return f"text, such as {first:.40}{drop} {TEXT_ADVICE}"


def _is_missing(label: Any) -> bool:
    """Returns whether a label is what pandas writes for an empty cell."""
    is_nan = isinstance(label, float) and label != label
    return is_nan or label is None or type(label).__name__ == "NAType"


def _is_ragged(values: Any) -> bool:
    return type(values).__name__.startswith("Ragged")


def _describe_ragged(values: Any) -> str:
    return f"{type(values).__name__}, which is ragged: its rows differ in length"


def _is_float(dtype: np.dtype[Any]) -> bool:
    # The types of JAX and TensorFlow for half precision are not NumPy's.
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def _read_rows(array: NDArray[Any], soft: bool) -> NDArray[np.int64] | None:
    """Returns the classes of one-hot rows or, with `soft`, of distributions, or `None`."""
    ones = array == 1
    if np.all(ones | (array == 0)) and np.all(np.count_nonzero(ones, axis=-1) == 1):
        return np.argmax(ones, axis=-1)
    if soft and _is_float(array.dtype):
        shares = array if array.dtype.kind == "f" else array.astype("float32")
        error = np.abs(shares.sum(axis=-1, dtype="float64") - 1.0)
        low, high = -MAX_PROBABILITY_ERROR, 1.0 + MAX_PROBABILITY_ERROR
        if np.all((shares >= low) & (shares <= high)) and np.all(error <= MAX_ROW_SUM_ERROR):
            return np.argmax(shares, axis=-1)
    return None


def _read_whole_numbers(array: NDArray[Any]) -> NDArray[np.int64] | None:
    """Returns floats or booleans as integers, or `None` if one of them is not whole."""
    with np.errstate(invalid="ignore"):
        index = array.astype(np.int64)
    return index if np.all(index == array) else None


def _count_missing(array: NDArray[Any]) -> str:
    missing = np.count_nonzero(array != array)
    return f", {missing} of them NaN" if missing else ""
