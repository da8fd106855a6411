import math
import sys

import numpy as np
import pytest
from chi_square import assert_drawn_from
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy._random import stream, uniform
from keras_noisy.noise import instance_dependent
from keras_noisy.noise._normal import normal, truncated_normal
from keras_noisy.noise.instance_dependent import _FLIPS, _RATES, _TARGETS, _WEIGHTS

pytestmark = pytest.mark.backend_free

RNG = np.random.default_rng(0)
K = 6
X = RNG.normal(size=(3000, 4, 2)).astype("float32")
LABELS = RNG.integers(0, K, 3000)


def draw(x=X, labels=LABELS, num_classes=K, rate=0.4, seed=0, **kwargs):
    return instance_dependent(x, labels, num_classes, rate, seed, **kwargs)


def test_definition_by_loops():
    """Compares with each step of the paper in plain Python, with the same random numbers."""
    noisy = draw(seed=5)
    for n in range(0, 3000, 7):
        i, x = int(LABELS[n]), X[n].ravel().tolist()
        index = np.array([n])
        weights = normal(stream(5, _WEIGHTS, i), 8 * K).tolist()  # One row for each input.
        q = float(truncated_normal(5, _RATES, index, 0.4, 0.1)[0])
        scores = [sum(x[m] * weights[m * K + j] for m in range(8)) for j in range(K)]
        total = sum(math.exp(scores[j]) for j in range(K) if j != i)
        expected = i
        if uniform(stream(5, _FLIPS), index)[0] < q:
            left = uniform(stream(5, _TARGETS), index)[0]
            for j in range(K):
                if j != i:
                    expected = j
                    left -= math.exp(scores[j]) / total
                    if left < 0:
                        break
        assert noisy[n] == expected


def shares(x, true, samples=40_000):
    """Returns how often each class is drawn for one input, over many indices."""
    x = np.broadcast_to(np.asarray(x, "float64"), (samples, len(x)))
    labels = np.full(samples, true)
    noisy = draw(x, labels, seed=3, rate=0.5)
    return np.bincount(noisy, minlength=K) / samples


def test_scores_are_linear_in_the_input():
    """The softmax for e1 + e2 is the normalised product of those for e1 and e2, for all weights."""
    one, two = shares([0.5, 0.0], true=2), shares([0.0, 0.5], true=2)
    product = one * two
    product[2] = 0.0
    both = shares([0.5, 0.5], true=2)
    np.testing.assert_allclose(
        both[[0, 1, 3, 4, 5]] / both[[0, 1, 3, 4, 5]].sum(),
        product[[0, 1, 3, 4, 5]] / product.sum(),
        atol=0.03,
    )
    nothing = shares([0.0, 0.0], true=2)
    assert_drawn_from(
        nothing * 40_000, np.full(K, 0.5 / (K - 1)) + (0.5 - 0.5 / (K - 1)) * np.eye(K)[2]
    )


def test_weights_are_standard_normal():
    """For an input e_m, the log-odds of two wrong classes are a difference of two weights."""
    x = np.repeat(np.eye(60), 1000, axis=0)
    noisy = draw(x, np.zeros(len(x), int), num_classes=3, rate=1.0, rate_std=0.0).reshape(60, -1)
    odds = np.log(np.mean(noisy == 1, axis=1) / np.mean(noisy == 2, axis=1))
    assert abs(odds.mean()) < 5 * math.sqrt(2 / 60)
    assert abs(odds.var() - 2.0) < 5 * 2 * math.sqrt(2 / 60)


@pytest.mark.parametrize(
    ("rate", "mean"), [(0.0, 0.0798), (0.1, 0.1288), (0.4, 0.4), (1.0, 0.9202)]
)
def test_share_of_wrong_labels(rate, mean):
    """It is the mean of a normal number with deviation 0.1 that is truncated to [0, 1]."""
    wrong = [np.mean(draw(rate=rate, seed=seed) != LABELS) for seed in range(10)]
    assert abs(np.mean(wrong) - mean) < 5 * math.sqrt(mean * (1 - mean) / 30_000)


def test_without_deviation_the_rate_is_exact():
    wrong = [np.mean(draw(rate=0.05, rate_std=0.0, seed=seed) != LABELS) for seed in range(10)]
    assert abs(np.mean(wrong) - 0.05) < 5 * math.sqrt(0.05 * 0.95 / 30_000)
    np.testing.assert_array_equal(draw(rate=0.0, rate_std=0.0), LABELS)
    assert np.all(draw(rate=1.0, rate_std=0.0) != LABELS)


@given(seed=st.integers(0, 2**63 - 1), order=st.permutations(range(40)), size=st.integers(1, 40))
def test_depends_on_seed_and_index_alone(seed, order, size):
    order = np.array(order)
    whole = draw(X[:40], LABELS[:40], seed=seed)
    for start in range(0, 40, size):
        batch = order[start : start + size]
        part = draw(X[batch], LABELS[batch], seed=seed, indices=batch)
        np.testing.assert_array_equal(part, whole[batch])


def test_labels_do_not_depend_on_chunks(monkeypatch):
    x = RNG.normal(size=(2000, 784)).astype("float32")
    whole = draw(x, LABELS[:2000], num_classes=100)
    monkeypatch.setattr(sys.modules[instance_dependent.__module__], "_CHUNK", 784 * 3)
    np.testing.assert_array_equal(draw(x, LABELS[:2000], num_classes=100), whole)


def test_labels_never_change():
    """Published experiments depend on these labels."""
    x = np.arange(60.0).reshape(20, 3) % 7 - 3
    noisy = draw(x, np.arange(20) % K, rate=0.7, seed=7)
    np.testing.assert_array_equal(
        noisy, [2, 1, 1, 3, 5, 2, 0, 1, 2, 0, 1, 0, 0, 2, 4, 5, 2, 4, 5, 4]
    )


def test_one_sample_has_nearly_one_wrong_class():
    """The documentation says so of images: one class has most of a sample's probability."""
    x = np.repeat(RNG.normal(size=(40, 784)), 50, axis=0)
    noisy = draw(x, np.zeros(2000, int), num_classes=10, rate=1.0, rate_std=0.0).reshape(40, 50)
    usual = [np.bincount(row).max() / 50 for row in noisy]
    assert np.mean(usual) > 0.9


@pytest.mark.parametrize("shape", [(3000,), (3000, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_keeps_shape_and_type(shape, dtype):
    noisy = draw(labels=LABELS.astype(dtype).reshape(shape))
    assert noisy.shape == shape
    assert noisy.dtype == dtype
    np.testing.assert_array_equal(noisy.ravel(), draw())
    assert draw(labels=LABELS.astype("uint8"), num_classes=1000, rate=1.0).dtype == "uint16"


def test_inputs_of_any_type_and_shape():
    integers = RNG.integers(0, 3, (3000, 8))
    noisy = draw(integers.astype("float64"))
    for x in (integers.astype("uint8"), integers.astype("float32").reshape(3000, 2, 2, 2)):
        copy = x.copy()
        np.testing.assert_array_equal(draw(x), noisy)
        np.testing.assert_array_equal(x, copy)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32"])
def test_one_hot_rows(dtype):
    noisy = draw(labels=np.eye(K, dtype=dtype)[LABELS])
    assert noisy.dtype == dtype
    np.testing.assert_array_equal(noisy, np.eye(K)[draw()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.zeros(3000)}, r"`x` must be an array \(samples, …\).*\(3000,\) and type float64"),
        ({"x": np.zeros((3000, 0))}, "`x` must be"),
        ({"x": np.zeros((3000, 2), complex)}, "`x` must be.*complex"),
        ({"x": np.full((3000, 2), "a")}, "`x` must be.*<U1"),
        ({"x": np.where(np.arange(6000) == 9, np.nan, 0.0).reshape(3000, 2)}, "finite.*NaN"),
        ({"x": X[:7]}, r"`labels` must have shape.*7 samples of `x`. Received.*\(3000,\)"),
        ({"labels": LABELS.reshape(1500, 2)}, r"`labels` must have shape \(samples,\)"),
        ({"labels": LABELS + 1}, r"`labels` must lie in \[0, 6\), by `num_classes`.*from 1 to 6"),
        ({"labels": LABELS / 2}, "`labels` must hold integers"),
        ({"num_classes": 1}, "`num_classes` must be an integer of at least 2"),
        ({"rate": 1.1}, r"`rate` must be a number in \[0, 1\]. Received: rate=1.1"),
        ({"rate_std": -0.1}, r"`rate_std` must be a number in \[0, 1\]. Received: rate_std=-0.1"),
        ({"seed": -1}, "`seed` must be"),
        ({"indices": [0]}, "`indices` must be non-negative and have the shape of `labels`"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(**arguments)
