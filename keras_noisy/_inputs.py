"""Reads the inputs of a model in memory: arrays, tables of pandas, tensors, and several of them."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._labels import to_dense


def to_array(values: Any) -> NDArray[Any]:
    """Returns numbers, a tensor on any device or a sparse array as a dense array of NumPy."""
    values = to_dense(values)
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else np.asarray(values)


def is_several(x: Any) -> bool:
    """Returns whether inputs are a dictionary, or a list of arrays, as Keras reads them.

    A list of numbers or of text is one array.
    """
    return isinstance(x, Mapping) or (
        isinstance(x, (list, tuple))
        and len(x) > 0
        and all(len(getattr(each, "shape", ())) > 0 for each in x)
    )


def read_inputs(argument: str, x: Any) -> Any:
    """Returns inputs as an array of NumPy, or as a nested structure of arrays.

    Rows of a table of pandas are counted, and its index is not used.

    Args:
        argument: Name of the argument, for the error.
        x: What the user passed.

    Raises:
        ValueError: If they have no samples, or different numbers of samples.
    """
    inputs = _to_arrays(x)
    counts = {array.shape[:1] for array in keras.tree.flatten(inputs)}
    if len(counts) != 1 or counts <= {(), (0,)}:
        found = sorted(count[0] if count else 0 for count in counts)
        raise ValueError(
            f"`{argument}` must be an array (samples, …) with at least one sample, or a dictionary "
            "or a list of arrays with the same samples. "
            f"Received: {type(x).__name__} with {' and '.join(map(str, found)) or 0} samples"
        )
    return inputs


def count_samples(inputs: Any) -> int:
    """Returns the number of samples of what `read_inputs` has returned."""
    return len(keras.tree.flatten(inputs)[0])


def take_samples(inputs: Any, samples: Any) -> Any:
    """Returns some samples, by their indices or a slice, of an array or of each array."""
    return keras.tree.map_structure(lambda values: values[samples], inputs)


def _to_arrays(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {key: _to_arrays(each) for key, each in x.items()}
    return type(x)(map(_to_arrays, x)) if is_several(x) else to_array(x)
