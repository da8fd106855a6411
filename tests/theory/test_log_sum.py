"""The quadrature over the other classes agrees with simulation and with another formula."""

import math

import numpy as np
import pytest

from keras_noisy.theory import initial_pull
from keras_noisy.theory._log_sum import log_sum

pytestmark = pytest.mark.backend_free


def pull_by_laplace_transform(z, num_classes, logit_std):
    """Computes E[p (1 - p)] with the Laplace transform phi(t) of one e^{z_j}.

    It is the integral over t of a t e^{-a t} (-d/dt phi(t)^{K-1}) with a = e^z.
    """
    log_sum = np.log(num_classes - 1.0) + logit_std**2 / 2
    log_time = np.arange(-log_sum - 60.0, 6.0 + 9.0 * logit_std, 0.05)
    normal = np.arange(-9.0, 9.025, 0.05)
    weight = np.exp(-(normal**2) / 2)
    weight /= weight.sum()
    rate = np.exp(log_time[:, np.newaxis] + logit_std * normal)
    missing = -np.expm1(-rate) @ weight
    log_others = (num_classes - 2.0) * np.log1p(-np.minimum(missing, 1.0 - 1e-16))
    slope = (num_classes - 1.0) * ((rate * np.exp(-rate)) @ weight) * np.exp(log_others)
    scaled = np.exp(z) * np.exp(log_time)
    return 0.05 * (scaled * np.exp(-scaled) * slope).sum()


@pytest.mark.parametrize(
    ("logit_std", "tolerance"), [(0.0, 1e-9), (0.5, 1e-9), (1.0, 1e-9), (3.0, 1e-4), (5.0, 2e-4)]
)
@pytest.mark.parametrize("num_classes", [2, 3, 10, 100, 1000, 100_000])
def test_agrees_with_the_laplace_transform(num_classes, logit_std, tolerance):
    for z in (-20.0, -2.0, 0.0, 3.0, 8.0):
        expected = pull_by_laplace_transform(z, num_classes, logit_std)
        assert initial_pull(z, num_classes, logit_std) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("count", [1, 2, 7, 64, 999])
def test_moments_agree_with_simulation(count):
    rng = np.random.default_rng(1)
    simulated = np.log(np.exp(rng.standard_normal((20_000, count))).sum(axis=1))
    nodes, weights = log_sum(count, 1.0)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(weights >= 0.0)
    for power in (1, 2, 3):
        moments = simulated**power
        error = moments.std() / math.sqrt(len(simulated))
        assert abs(weights @ nodes**power - moments.mean()) < 4.5 * error


def test_mean_of_the_sum_is_exact():
    for count in (1, 9, 500):
        nodes, weights = log_sum(count, 1.0)
        assert weights @ np.exp(nodes) == pytest.approx(count * math.exp(0.5), rel=1e-10)


def test_without_spread_there_is_one_node():
    nodes, weights = log_sum(9, 0.0)
    assert nodes.tolist() == [pytest.approx(math.log(9.0))]
    assert weights.tolist() == [1.0]
