from statistics import NormalDist

import numpy as np
import pytest
from chi_square import assert_drawn_from

from keras_noisy._random import stream
from keras_noisy.noise._normal import normal, truncated_normal

pytestmark = pytest.mark.backend_free

INDICES = np.arange(50_000)


def test_normal():
    numbers = normal(stream(1), 100_000)
    edges = [NormalDist().inv_cdf(share) for share in np.linspace(0, 1, 51)[1:-1]]
    counts = np.bincount(np.searchsorted(edges, numbers), minlength=50)
    assert_drawn_from(counts, np.full(50, 1 / 50))
    assert abs(np.corrcoef(numbers[::2], numbers[1::2])[0, 1]) < 5 / np.sqrt(50_000)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 40_001])
def test_the_first_numbers_of_a_stream_are_the_same(size):
    numbers = normal(stream(1), size)
    assert numbers.shape == (size,)
    np.testing.assert_array_equal(numbers, normal(stream(1), 50_000)[:size])


@pytest.mark.parametrize(("mean", "std"), [(0.4, 0.1), (0.0, 0.1), (1.0, 1.0), (0.5, 1e-6)])
def test_truncated_normal(mean, std):
    numbers = truncated_normal(0, 5, INDICES, mean, std)
    assert numbers.min() >= 0
    assert numbers.max() <= 1
    whole = NormalDist(mean, std)
    low, high = whole.cdf(0.0), whole.cdf(1.0)
    edges = [whole.inv_cdf(low + share * (high - low)) for share in np.linspace(0, 1, 21)[1:-1]]
    counts = np.bincount(np.searchsorted(edges, numbers), minlength=20)
    assert_drawn_from(counts, np.full(20, 1 / 20))


def test_truncated_normal_depends_on_seed_and_index_alone():
    whole = truncated_normal(0, 5, INDICES, 0.1, 0.5)
    order = np.random.default_rng(0).permutation(INDICES)[:1000]
    np.testing.assert_array_equal(truncated_normal(0, 5, order, 0.1, 0.5), whole[order])
    assert np.mean(truncated_normal(1, 5, INDICES, 0.1, 0.5) == whole) < 0.001
    assert np.mean(truncated_normal(0, 6, INDICES, 0.1, 0.5) == whole) < 0.001


def test_no_deviation():
    np.testing.assert_array_equal(truncated_normal(0, 5, INDICES, 0.3, 0.0), 0.3)
