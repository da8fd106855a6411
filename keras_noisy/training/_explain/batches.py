"""Slices arrays into batches, and names, converts and checks the arrays of a batch."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._inputs import is_several, read_inputs, take_samples, to_array
from keras_noisy._labels import to_dense

# From the indices of some samples of a batch to a message, or `None` if they have no problem.
Check = Callable[[NDArray], str | None]


def slice_arrays(
    x: Any, y: Any, sample_weight: Any, batch_size: int
) -> Iterator[tuple[Any, Any, Any]]:
    """Yields the inputs, the labels and the weights, or `None`, of each batch of arrays.

    Raises:
        ValueError: If the arrays differ in length, or have none.
    """
    x = read_inputs("x", x)
    y = {key: _to_sliceable(labels) for key, labels in split(y).items()}
    weights = {} if sample_weight is None else split(sample_weight)
    weights = {key: to_array(each) for key, each in weights.items()}
    arrays = [*keras.tree.flatten(x), *y.values(), *weights.values()]
    lengths = [int(array.shape[0]) if len(array.shape) else 0 for array in arrays]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "`x`, `y` and `sample_weight` must be arrays of the same length, with at least one "
            f"sample. Received: lengths {lengths}"
        )
    for start in range(0, lengths[0], batch_size):
        part = slice(start, start + batch_size)
        yield take_samples(x, part), take(y, part), take(weights, part) or None


def split(values: Any) -> dict[Any, Any]:
    """Returns the arrays of several outputs by name or number, and that of one output by ""."""
    if isinstance(values, Mapping):
        return dict(values)
    return dict(enumerate(values)) if is_several(values) else {"": values}


def name_parts(argument: str, values: Any) -> Iterator[tuple[str, Any]]:
    """Yields the arrays of an argument with their names, such as `x['image']`."""
    if values is None:
        return
    for key, each in split(values).items():
        yield argument if key == "" else f"{argument}[{key!r}]", each


def take(arrays: Mapping[Any, Any], samples: Any) -> dict[Any, Any]:
    """Returns some samples of labels or weights, unless words say what they are instead."""
    return {key: each if isinstance(each, str) else each[samples] for key, each in arrays.items()}


def check_finite(name: str, values: Any) -> Check:
    """Returns a function that describes the first number of some samples that is not finite."""
    is_float = isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)
    is_bad = ~np.isfinite(values) if is_float else None

    def problem(samples: NDArray) -> str | None:
        if is_bad is None or not is_bad[samples].any():
            return None
        sample, *position = np.argwhere(is_bad[samples])[0].tolist()
        number = values[samples][(sample, *position)]
        where = f" at position {tuple(position)} of the sample" if position else ""
        return f"`{name}` must hold finite numbers. Received: {number}{where}"

    return problem


def to_float(tensor: Any) -> NDArray:
    """Returns a tensor of any type as a float32 array."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _to_sliceable(labels: Any) -> Any:
    """Returns labels as an array with slices, which may be sparse, ragged or text."""
    if hasattr(labels, "tocsr"):
        return labels.tocsr()
    labels = to_dense(labels)
    if hasattr(labels, "shape") and not hasattr(labels, "iloc"):
        return labels
    try:
        return np.asarray(labels)
    except ValueError:  # rows of different lengths
        return np.array(labels, dtype=object)
