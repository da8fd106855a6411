import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.theory import gce_q, initial_pull

pytestmark = pytest.mark.backend_free

# Exponents that correspond to q = 0.7 with 10 and with 100 classes, computed independently with
# another quadrature.
KNOWN = {
    5: (0.9488, 1.0),
    10: (0.7, 1.0),
    14: (0.6213, 1.0),
    20: (0.5557, 1.0),
    50: (0.4385, 0.8124),
    100: (0.3788, 0.7),
    200: (0.3334, 0.6156),
    365: (0.3021, 0.5575),
    500: (0.2880, 0.5314),
    1000: (0.2610, 0.4816),
    5000: (0.2145, 0.3956),
    10_000: (0.1992, 0.3674),
    21_841: (0.1843, 0.3400),
    100_000: (0.1610, 0.2970),
}


@pytest.mark.parametrize("num_classes", KNOWN)
def test_known_values(num_classes):
    from_10, from_100 = KNOWN[num_classes]
    assert gce_q(num_classes, 0.7, 10) == pytest.approx(from_10, abs=6e-4)
    assert gce_q(num_classes, 0.7, 100) == pytest.approx(from_100, abs=6e-4)


@pytest.mark.parametrize("logit_std", [0.5, 1.0])
def test_pull_of_simulated_networks_is_kept(logit_std):
    q = gce_q(300, 0.7, 30, logit_std)
    pulls = []
    for num_classes, exponent in ((30, 0.7), (300, q)):
        rng = np.random.default_rng(0)
        others = np.exp(logit_std * rng.standard_normal((20_000, num_classes - 1))).sum(axis=1)
        p = 1.0 / (1.0 + others)
        pulls.append((p**exponent * (1 - p)).mean())
    assert pulls[1] == pytest.approx(pulls[0], rel=5e-3)


@given(
    num_classes=st.integers(2, 10**6),
    reference_classes=st.integers(2, 1000),
    q=st.floats(0.01, 1.0),
    logit_std=st.floats(0.0, 3.0),
)
def test_pulls_are_equal(num_classes, reference_classes, q, logit_std):
    result = gce_q(num_classes, q, reference_classes, logit_std)
    assert 0.0 < result <= 1.0
    pulls = [
        initial_pull(0.0, num_classes, logit_std, result),
        initial_pull(0.0, reference_classes, logit_std, q),
    ]
    if result < 1.0:
        assert pulls[0] == pytest.approx(pulls[1], rel=1e-6)
    else:  # q = 1 is the limit, whose pull is at least as strong
        assert pulls[0] >= pulls[1] * (1 - 1e-6)


@pytest.mark.parametrize("q", [0.0, -1.0, 1.1, "0.7", True, np.nan])
def test_bad_q(q):
    with pytest.raises(ValueError, match=r"`q` must be a number in \(0, 1\]. Received: q="):
        gce_q(100, q)


@pytest.mark.parametrize("value", [1, 2.5, None])
def test_bad_classes(value):
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2"):
        gce_q(value)
    with pytest.raises(ValueError, match="`reference_classes` must be an integer of at least 2"):
        gce_q(100, reference_classes=value)
