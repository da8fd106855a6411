import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_noisy.noise import (
    asymmetric,
    corrupt,
    describe,
    from_matrix,
    pair_flip,
    superclass,
    symmetric,
)

pytestmark = pytest.mark.backend_free

CLASSES, RATES = st.integers(2, 60), st.floats(0, 1)


@given(num_classes=CLASSES, rate=RATES)
def test_symmetric(num_classes, rate):
    matrix = symmetric(num_classes, rate)
    for i in range(num_classes):
        for j in range(num_classes):
            expected = 1 - rate if i == j else rate / (num_classes - 1)
            assert matrix[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


@given(num_classes=CLASSES, rate=RATES)
def test_symmetric_with_the_true_class(num_classes, rate):
    matrix = symmetric(num_classes, rate, include_self=True)
    for i in range(num_classes):
        for j in range(num_classes):
            expected = (1 - rate if i == j else 0) + rate / num_classes
            assert matrix[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    "noise", [symmetric(5, 0.4), symmetric(5, 0.4, include_self=True), pair_flip(5, 0.3)], ids=repr
)
def test_a_formula_behaves_as_its_matrix(noise):
    matrix = np.array(noise)
    assert (len(noise), noise.shape, noise.ndim, noise.size) == (5, (5, 5), 2, 25)
    assert noise.dtype == matrix.dtype == "float64"
    for key in (2, (1, -1), slice(1, 3), (..., 2), ([0, 1], [1, 1]), matrix > 0.5, (None, 0), -1):
        np.testing.assert_array_equal(noise[key], matrix[key])
        assert type(noise[key]) is type(matrix[key])
    assert np.all(noise == matrix)
    assert np.all(noise == noise)
    assert np.allclose(noise @ noise, matrix @ matrix)
    np.testing.assert_array_equal(1 - 2 * noise, 1 - 2 * matrix)
    np.testing.assert_array_equal(noise.T, matrix.T)
    np.testing.assert_array_equal(list(noise), matrix)
    assert noise.tolist() == matrix.tolist()
    np.testing.assert_array_equal(from_matrix(noise), matrix)
    assert np.array(noise, "float32").dtype == "float32"
    for copied in (pickle.loads(pickle.dumps(noise)), copy.deepcopy(noise)):
        assert repr(copied) == repr(noise)
    assert not hasattr(noise, "numpy")
    with pytest.raises(IndexError, match="out of bounds"):
        noise[5]
    with pytest.raises(TypeError, match=r"formula.*`np\.array`.*Received: (symmetric|pair_flip)\("):
        noise[0, 0] = 1.0


def test_a_formula_takes_no_memory():
    noise = symmetric(10**9, 0.5)
    assert noise.shape == (10**9, 10**9)
    assert noise.size == 10**18
    assert not hasattr(noise, "numpy")


def test_published_share_of_wrong_labels():
    """DivideMix and ELR report this noise as 80 %."""
    assert 1 - symmetric(10, 0.8, include_self=True)[0, 0] == pytest.approx(0.72)


@given(num_classes=CLASSES, rate=RATES)
def test_pair_flip(num_classes, rate):
    matrix = pair_flip(num_classes, rate)
    for i in range(num_classes):
        for j in range(num_classes):
            expected = 1 - rate if i == j else rate if j == (i + 1) % num_classes else 0
            assert matrix[i, j] == pytest.approx(expected)


CIFAR10 = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
CIFAR10_NAMES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
FLIPS = {
    "cifar10": {CIFAR10_NAMES.index(i): CIFAR10_NAMES.index(j) for i, j in CIFAR10.items()},
    "mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
    "fashion_mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
}


@pytest.mark.parametrize("dataset", FLIPS)
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.4, 1.0])
def test_asymmetric(dataset, rate):
    matrix = asymmetric(dataset, rate)
    for i in range(10):
        expected = [0.0] * 10
        expected[i] = 1.0
        if i in FLIPS[dataset]:
            expected[i] = 1 - rate
            expected[FLIPS[dataset][i]] = rate
        assert matrix[i].tolist() == expected


def test_asymmetric_is_half_of_its_rate():
    """The code of many papers has 18.4 % instead, because it flips some cats back."""
    labels = np.arange(50_000) % 10
    report = describe(labels, corrupt(labels, asymmetric("cifar10", 0.4), seed=0))
    slack = 5 * np.sqrt(0.5 * 0.4 * 0.6 / 50_000)
    assert abs(report.rate - 0.2) < slack < 0.2 - 0.184
    assert report.matrix[3, 5] == pytest.approx(0.4, abs=0.04)


def test_asymmetric_cifar100_is_that_of_superclasses():
    np.testing.assert_array_equal(asymmetric("cifar100", 0.3), superclass(0.3))


@given(
    counts=hnp.arrays("int64", st.integers(2, 8).map(lambda n: (n, n)), elements=st.integers(0, 99))
)
def test_from_counts(counts):
    counts[:, 0] += 1
    matrix = from_matrix(counts, normalise=True)
    for i in range(len(counts)):
        for j in range(len(counts)):
            assert matrix[i, j] == pytest.approx(counts[i, j] / sum(counts[i].tolist()))
    np.testing.assert_array_equal(from_matrix(matrix), matrix)


def test_from_matrix_takes_any_array_like_and_copies():
    rows = [[1, 0], [0.25, 0.75]]
    given_array = np.array(rows)
    matrix = from_matrix(given_array)
    matrix[0, 0] = 5.0
    assert given_array[0, 0] == 1
    assert from_matrix(rows).dtype == "float64"
    np.testing.assert_array_equal(from_matrix(np.array(rows, "float32")), rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"matrix": np.ones((2, 3))}, r"`matrix` must have shape \(K, K\).*\(2, 3\)"),
        ({"matrix": [[1.0]]}, "K at least 2"),
        ({"matrix": "confusion"}, "`matrix` must be an array of numbers. Received: matrix='conf"),
        ({"matrix": [[1, 0], [1]]}, "`matrix` must be an array of numbers"),
        ({"matrix": [[8, 2], [3, 7]]}, "sum to 1. Received: values from 2.0, row sums from 10.0"),
        ({"matrix": [[1.5, -0.5], [0, 1]]}, "non-negative"),
        ({"matrix": [[np.nan, 1], [0, 1]]}, "non-negative"),
        ({"matrix": [[1, -1], [0, 1]], "normalise": True}, "finite, non-negative.*from -1.0 to 1"),
        ({"matrix": [[1, np.inf], [0, 1]], "normalise": True}, "finite.*to inf"),
        ({"matrix": [[1, 2], [0, 0]], "normalise": True}, r"but zeros in row 1$"),
        ({"matrix": np.zeros((12, 12)), "normalise": True}, r"in rows 0, 1, .*, 9, …$"),
        ({"matrix": np.eye(2), "normalise": 1}, "`normalise` must be True or False.*normalise=1"),
    ],
)
def test_bad_matrix(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_matrix(**arguments)


@pytest.mark.parametrize("function", [symmetric, pair_flip])
@pytest.mark.parametrize("value", [1, 2.0, "10", None, True])
def test_bad_classes(function, value):
    with pytest.raises(ValueError, match=r"`num_classes` must be.*Received: num_classes="):
        function(value, 0.4)


@pytest.mark.parametrize("make", [symmetric, pair_flip, asymmetric], ids=lambda f: f.__name__)
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, "0.4", None, True])
def test_bad_rate(make, value):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\]. Received: rate="):
        make("mnist" if make is asymmetric else 10, value)


def test_bad_flag():
    with pytest.raises(
        ValueError, match=r"`include_self` must be True or False.*include_self=0\.4"
    ):
        symmetric(10, 0.4, 0.4)


@pytest.mark.parametrize("value", ["cifar", 10, None, ["mnist"]])
def test_bad_dataset(value):
    with pytest.raises(
        ValueError, match=r"`dataset` must be 'cifar10', .* or 'cifar100'. Received"
    ):
        asymmetric(value, 0.4)
