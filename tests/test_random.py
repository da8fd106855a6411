import numpy as np
import pytest
from chi_square import assert_drawn_from

from keras_noisy._random import bits, stream, uniform

pytestmark = pytest.mark.backend_free

COUNTERS = np.arange(100_000)


def split_mix(state):
    """Computes the published algorithm with Python integers."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return state, z ^ (z >> 31)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_agrees_with_split_mix(seed):
    _, state = split_mix(seed)
    for number in bits(stream(seed), COUNTERS[:100]).tolist():
        state, expected = split_mix(state)
        assert number == expected


def test_counters_reach_64_bits():
    counters = np.array([0, 2**64 - 1], "uint64")
    assert bits(stream(3), counters)[0] == bits(stream(3), COUNTERS[:1])[0]
    assert (
        bits(stream(3), counters)[1]
        == split_mix((int(stream(3)[0]) - 0x9E3779B97F4A7C15) % 2**64)[1]
    )


@pytest.mark.parametrize("path", [(), (0,), (1,), (1, 2), (2, 1)], ids=str)
def test_numbers_are_uniform(path):
    numbers = uniform(stream(0, *path), COUNTERS)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert_drawn_from(np.bincount((numbers * 64).astype(int), minlength=64), np.full(64, 1 / 64))


def test_streams_are_independent():
    paths = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    rows = [uniform(stream(seed, *path), COUNTERS) for seed in (0, 1) for path in paths]
    rows += [np.roll(row, 1) for row in rows]
    correlation = np.corrcoef(rows)
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(COUNTERS))


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, None, True, "1"])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match=r"`seed` must be an integer in \[0, 2\^63\). Received"):
        stream(seed)
