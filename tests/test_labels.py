"""The reader of labels in arrays and the reader of the losses accept the same labels."""

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import to_numpy

from keras_noisy._core.labels import read_labels as read_for_loss
from keras_noisy._labels import read_labels

SAMPLES, CLASSES = 2, 3
SHAPES = [(SAMPLES,), (SAMPLES, 1), (SAMPLES, CLASSES), (SAMPLES, 2), (1, SAMPLES)]
INTEGERS = ["int8", "uint8", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]


@st.composite
def labels(draw):
    """Labels of a random type and shape; rows are often one-hot."""
    dtype = draw(st.sampled_from([*INTEGERS, *FLOATS, "bool"]))
    shape = draw(st.sampled_from(SHAPES))
    if len(shape) == 2 and shape[1] > 1 and draw(st.booleans()):
        rows = np.eye(shape[1])[draw(arrays.arrays("int64", shape[0], elements=st.integers(0, 1)))]
        rows[0] += draw(st.sampled_from([0.0, 0.0, 1e-4, 0.03, np.nan])) if dtype in FLOATS else 0
        return rows.astype(dtype)
    if dtype == "bool":
        return draw(arrays.arrays(dtype, shape))
    values = [0, 1, 2, 0, 1, 2, CLASSES, 100]
    if not dtype.startswith("u"):
        values.append(-1)
    if dtype.endswith("64") and dtype not in FLOATS:
        values.append(2**32 + 1)
    if dtype in FLOATS:
        values += [0.5, np.nan, np.inf]
    return draw(arrays.arrays(dtype, shape, elements=st.sampled_from(values)))


def read(function, *arguments, **options):
    try:
        return function("y", *arguments, **options)
    except ValueError as error:
        if "`y`" in str(error) and "Received" in str(error):
            return None
        raise


@given(labels())
def test_readers_agree(y):
    in_arrays = read(read_labels, y, CLASSES, floats=True)
    in_losses = read(read_for_loss, y, (SAMPLES, CLASSES), "float32")
    assert (in_arrays is None) == (in_losses is None)
    if in_losses is not None:
        index, targets = in_losses.index, in_losses.targets
        classes = to_numpy(targets).argmax(-1) if index is None else to_numpy(index)
        np.testing.assert_array_equal(in_arrays.classes, classes)
