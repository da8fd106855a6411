import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.theory import initial_pull

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    ("num_classes", "expected"),
    [
        (14, 0.405),
        (20, 0.813),
        (50, 1.801),
        (100, 2.518),
        (200, 3.223),
        (365, 3.830),
        (500, 4.147),
        (1000, 4.842),
        (5000, 6.454),
        (10_000, 7.147),
        (21_841, 7.929),
        (100_000, 9.450),
    ],
)
def test_known_values(num_classes, expected):
    assert logit_bias(num_classes) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("logit_std", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_known_values_for_other_spreads(logit_std):
    expected = {0.0: 4.710, 0.5: 4.734, 1.0: 4.842, 1.5: 5.110, 2.0: 5.587}
    assert logit_bias(1000, logit_std=logit_std) == pytest.approx(expected[logit_std], abs=6e-4)


@pytest.mark.parametrize("num_classes", [30, 1000])
def test_pull_of_simulated_networks_is_kept(num_classes):
    pulls = []
    for classes, bias in ((10, 0.0), (num_classes, logit_bias(num_classes))):
        rng = np.random.default_rng(0)
        total = 0.0
        for _ in range(10):
            others = np.exp(rng.standard_normal((4000, classes - 1))).sum(axis=1)
            p = np.exp(bias) / (np.exp(bias) + others)
            total += (p * (1 - p)).mean() / 10
        pulls.append(total)
    assert pulls[1] == pytest.approx(pulls[0], rel=1e-2)


def test_known_value_for_other_reference_classes():
    assert logit_bias(1000, reference_classes=100) == pytest.approx(2.326, abs=6e-4)


@example(num_classes=3, reference_classes=2, logit_std=5.0)
@example(num_classes=50, reference_classes=3, logit_std=0.0)
@given(
    num_classes=st.integers(2, 10**6),
    reference_classes=st.integers(3, 1000) | st.just(2),
    logit_std=st.floats(0, 5),
)
def test_pulls_are_equal(num_classes, reference_classes, logit_std):
    # With equal logits, two classes have the largest possible pull, where the root is double.
    assume(reference_classes > 2 or logit_std > 0.1)
    bias = logit_bias(num_classes, reference_classes, logit_std)
    if num_classes <= reference_classes:
        assert bias == 0.0
    else:
        assert bias > 0.0
        pulls = initial_pull([bias, bias * (1 - 1e-6)], num_classes, logit_std)
        assert pulls[0] == pytest.approx(initial_pull(0.0, reference_classes, logit_std), rel=1e-8)
        assert pulls[1] < pulls[0]  # the smaller of the two roots


@given(num_classes=st.integers(11, 10**5))
def test_bias_grows_with_the_number_of_classes(num_classes):
    assert logit_bias(num_classes + 1) > logit_bias(num_classes)


def test_numpy_numbers_are_accepted():
    assert logit_bias(np.int64(100), np.int32(10), np.float32(1.0)) == logit_bias(100)


@pytest.mark.parametrize("value", [1, 0, -5, 10.0, "10", None, True])
def test_bad_classes(value):
    with pytest.raises(
        ValueError, match=r"`num_classes` must be an integer of at least 2. Received"
    ):
        logit_bias(value)
    with pytest.raises(ValueError, match="`reference_classes` must be an integer of at least 2"):
        logit_bias(100, reference_classes=value)


@pytest.mark.parametrize("value", [-0.1, 5.1, np.nan, np.inf, "1", None, True])
def test_bad_logit_std(value):
    with pytest.raises(ValueError, match=r"`logit_std` must be a number from 0 to 5. Received"):
        logit_bias(100, logit_std=value)


def test_losses_use_the_bias_for_auto():
    assert keras_noisy.MAE(logit_bias="auto").logit_bias_for(1000) == logit_bias(1000)
    assert keras_noisy.MAE(logit_bias="auto").logit_bias_for(7) == 0.0
