import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.theory._root import find_root

pytestmark = pytest.mark.backend_free


@given(root=st.floats(-5, 5), slope=st.floats(0.1, 10), sign=st.sampled_from([1, -1]))
def test_root_of_curved_functions_is_found(root, slope, sign):
    def function(x):
        return sign * math.expm1(slope * (x - root))

    found = find_root(function, -6.0, 6.0)
    assert found == pytest.approx(root, abs=1e-8)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_root_at_an_end_of_the_interval(low):
    assert find_root(lambda x: x - low, low, 3.0) == low
    assert find_root(lambda x: x - 3.0, low, 3.0) == 3.0


def test_interval_without_a_root():
    with pytest.raises(ValueError, match="no sign change between 1 and 2"):
        find_root(lambda x: x, 1.0, 2.0)
