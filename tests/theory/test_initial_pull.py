import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.theory import initial_pull

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("logit_std", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_classes", [2, 10, 300])
def test_agrees_with_simulation(num_classes, logit_std):
    rng = np.random.default_rng(0)
    others = np.exp(logit_std * rng.standard_normal((40_000, num_classes - 1))).sum(axis=1)
    z = np.array([-2.0, 0.0, 3.0, 7.0])
    p = np.exp(z) / (np.exp(z) + others[:, np.newaxis])
    samples = p * (1 - p)
    error = samples.std(axis=0) / math.sqrt(len(samples))
    difference = initial_pull(z, num_classes, logit_std) - samples.mean(axis=0)
    assert np.all(np.abs(difference) < 4 * error)


@pytest.mark.parametrize(
    ("num_classes", "expected"),
    # Computed independently with another quadrature.
    [
        (2, 2.066e-1),
        (5, 1.322e-1),
        (10, 6.644e-2),
        (100, 6.152e-3),
        (1000, 6.074e-4),
        (10**5, 6.065e-6),
    ],
)
def test_known_values_at_logit_0(num_classes, expected):
    assert initial_pull(0.0, num_classes) == pytest.approx(expected, rel=3e-4)


@given(z=st.floats(-20, 30), num_classes=st.integers(2, 10**6))
def test_equal_logits_agree_with_the_closed_form(z, num_classes):
    p = 1 / (1 + (num_classes - 1) * math.exp(-z))
    assert initial_pull(z, num_classes, 0.0) == pytest.approx(p * (1 - p), rel=1e-9, abs=1e-15)


@given(z=st.floats(-30, 40), num_classes=st.integers(2, 10**6), logit_std=st.floats(0, 5))
def test_pull_is_from_0_to_a_quarter(z, num_classes, logit_std):
    assert -1e-12 <= initial_pull(z, num_classes, logit_std) <= 0.25 + 1e-12


def test_result_has_the_shape_of_the_logits():
    z = np.linspace(-1, 1, 6).reshape(2, 3)
    pull = initial_pull(z, 50)
    assert pull.shape == (2, 3)
    assert pull[1, 2] == pytest.approx(float(initial_pull(z[1, 2], 50)), rel=1e-12)


def test_extreme_logits_have_no_pull():
    assert initial_pull(np.array([-1e4, 1e4]), 10).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("num_classes", [1, 2.5, None])
def test_bad_classes(num_classes):
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2"):
        initial_pull(0.0, num_classes)


@pytest.mark.parametrize("logit_std", [-1.0, 6.0, np.nan])
def test_bad_logit_std(logit_std):
    with pytest.raises(ValueError, match="`logit_std` must be a number from 0 to 5"):
        initial_pull(0.0, 10, logit_std)
