import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.noise import symmetric

pytestmark = pytest.mark.backend_free


@given(num_classes=st.integers(2, 60), rate=st.floats(0, 1))
def test_definition(num_classes, rate):
    matrix = symmetric(num_classes, rate)
    for i in range(num_classes):
        for j in range(num_classes):
            expected = 1 - rate if i == j else rate / (num_classes - 1)
            assert matrix[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


@pytest.mark.parametrize("value", [1, 2.0, "10", None, True])
def test_bad_classes(value):
    with pytest.raises(ValueError, match=r"`num_classes` must be.*Received: num_classes="):
        symmetric(value, 0.4)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, "0.4", None, True])
def test_bad_rate(value):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\]. Received: rate="):
        symmetric(10, value)
