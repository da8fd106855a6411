import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.noise import corrupt, describe, pair_flip, symmetric

pytestmark = pytest.mark.backend_free

LABELS = np.random.default_rng(0).integers(0, 20, 5000)
MATRIX = symmetric(20, 0.4)


@given(seed=st.integers(0, 2**63 - 1), order=st.permutations(range(40)), size=st.integers(1, 40))
def test_depends_on_seed_and_index_alone(seed, order, size):
    """A sample gets the same label in batches of any order and size."""
    labels, order = LABELS[:40], np.array(order)
    whole = corrupt(labels, MATRIX, seed)
    for start in range(0, 40, size):
        batch = order[start : start + size]
        np.testing.assert_array_equal(
            corrupt(labels[batch], MATRIX, seed, indices=batch), whole[batch]
        )


def test_labels_never_change():
    """Published experiments depend on these labels."""
    noisy = corrupt(np.arange(20), MATRIX, seed=7)
    np.testing.assert_array_equal(
        noisy, [6, 3, 2, 0, 4, 5, 15, 15, 13, 9, 15, 11, 12, 13, 12, 10, 19, 17, 18, 16]
    )


def test_draws_from_the_matrix():
    """Each of 16 shares is within 5 standard deviations of its probability."""
    rng = np.random.default_rng(1)
    matrix = rng.dirichlet(np.ones(4), 4)
    matrix[2] = [0.0, 0.5, 0.5, 0.0]
    labels = np.repeat(np.arange(4), 20_000)
    noisy = corrupt(labels, matrix, seed=3)
    for i in range(4):
        share = np.bincount(noisy[labels == i], minlength=4) / 20_000
        slack = 5 * np.sqrt(matrix[i] * (1 - matrix[i]) / 20_000)
        assert np.all(np.abs(share - matrix[i]) <= slack)


def test_seeds_and_indices_are_independent():
    wrong = np.array([corrupt(LABELS, MATRIX, seed) != LABELS for seed in range(8)])
    correlation = np.corrcoef(np.vstack([wrong, np.roll(wrong, 1, axis=1)]).astype(float))
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(LABELS))


def test_wrong_labels_stay_wrong_at_a_larger_rate():
    wrong = [corrupt(LABELS, symmetric(20, rate), seed=0) != LABELS for rate in (0.2, 0.4, 0.8)]
    assert np.all(wrong[0] <= wrong[1])
    assert np.all(wrong[1] <= wrong[2])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_extreme_rates(rate):
    noisy = corrupt(LABELS, symmetric(20, rate), seed=0)
    assert np.mean(noisy != LABELS) == rate


def test_impossible_classes_are_never_drawn():
    matrix = np.eye(3)[[1, 1, 0]]
    noisy = corrupt(np.arange(3).repeat(1000), matrix, seed=0)
    np.testing.assert_array_equal(noisy, np.array([1, 1, 0]).repeat(1000))


@pytest.mark.parametrize("shape", [(10,), (10, 1), (2, 5), (0,)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_keeps_shape_and_type(shape, dtype):
    labels = LABELS[: int(np.prod(shape))].astype(dtype).reshape(shape)
    noisy = corrupt(labels, MATRIX, seed=0)
    assert noisy.shape == shape
    assert noisy.dtype == dtype
    np.testing.assert_array_equal(noisy.ravel(), corrupt(labels.ravel(), MATRIX, seed=0))
    assert corrupt(labels.tolist(), MATRIX, seed=0).tolist() == noisy.tolist()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
@pytest.mark.parametrize("shape", [(12,), (3, 4)], ids=str)
def test_one_hot_rows(dtype, shape):
    labels = LABELS[:12].reshape(shape)
    noisy = corrupt(np.eye(20, dtype=dtype)[labels], MATRIX, seed=7)
    assert noisy.dtype == dtype
    np.testing.assert_array_equal(noisy, np.eye(20)[corrupt(labels, MATRIX, seed=7)])
    last = corrupt(np.eye(20)[LABELS[9:12]], MATRIX, seed=7, indices=[9, 10, 11])
    np.testing.assert_array_equal(last.argmax(axis=-1), noisy.reshape(12, 20).argmax(axis=-1)[9:])


@pytest.mark.parametrize("function", [symmetric, pair_flip])
@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_a_formula_draws_what_its_matrix_draws(function, rate):
    noise = function(20, rate)
    np.testing.assert_array_equal(
        corrupt(LABELS, noise, seed=3), corrupt(LABELS, np.asarray(noise), seed=3)
    )


def test_a_million_classes():
    labels = np.random.default_rng(0).integers(0, 10**6, 10**4)
    for noise in (symmetric(10**6, 0.4), pair_flip(10**6, 0.4)):
        noisy = corrupt(labels, noise, seed=0)
        assert np.mean(noisy != labels) == pytest.approx(0.4, abs=0.025)
        assert str(describe(labels, noisy, 10**6)).startswith("10,000 labels of 1,000,000 classes")


def test_type_grows_where_classes_need_it():
    noisy = corrupt(np.full(1000, 200, "uint8"), symmetric(1000, 1.0), seed=0)
    assert noisy.dtype == "uint16"
    assert corrupt(np.zeros(9, "int16"), symmetric(1000, 1.0), seed=0).dtype == "int16"
    assert noisy.max() > 255


def test_input_is_not_changed():
    labels, matrix = LABELS.copy(), MATRIX.copy()
    corrupt(labels, matrix, seed=0)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(matrix, MATRIX)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 20]}, r"`labels` must lie in \[0, 20\).*from 0 to 20"),
        ({"labels": [-1, 2]}, r"`labels` must lie in \[0, 20\).*from -1 to 2"),
        ({"labels": [0.0, 1.0]}, "`labels` must hold integers.*float64"),
        ({"labels": [0.0, np.nan]}, "`labels` must hold integers.*float64.*, 1 of them NaN"),
        ({"labels": ["cat", "dog"]}, "`labels` must hold integers.*Received: text, such as cat"),
        ({"labels": np.array(["cat", 1], object)}, "Received: text, such as cat"),
        ({"labels": [[0], [0, 1]]}, "`labels` must hold integers.*Received: list, which is ragged"),
        ({"labels": {"label": 1}}, "`labels` must hold integers.*Received: dict of type object"),
        ({"labels": np.full((2, 20), 0.05)}, "one-hot rows: one 1 .*float64 of .* other rows"),
        ({"labels": np.ones((2, 20), int)}, "one-hot rows: one 1 in each row, and zeros.*int64"),
        ({"labels": np.eye(10, dtype=int)}, r"have rows of 20 numbers .*shape \(10, 10\)"),
        ({"transition_matrix": np.ones((2, 3))}, r"shape \(K, K\).*\(2, 3\)"),
        ({"transition_matrix": np.ones((3, 3))}, "sum to 1.*to 3"),
        ({"transition_matrix": [[1.5, -0.5], [0, 1]]}, "non-negative"),
        ({"transition_matrix": [[np.nan, 1], [0, 1]]}, "non-negative"),
        ({"transition_matrix": [[1 + 2e-6, 0], [0, 1]]}, "sum to 1"),
        ({"seed": -1}, "`seed` must be.*Received: seed=-1"),
        ({"seed": 1.5}, "`seed` must be"),
        ({"seed": 2**63}, "`seed` must be"),
        ({"indices": [0]}, r"`indices` must.*\(2,\).*\(1,\)"),
        ({"indices": [0, -1]}, "`indices` must be non-negative"),
        ({"indices": [0.0, 1.0]}, "`indices` must hold integers"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrupt(**{"labels": [0, 1], "transition_matrix": MATRIX, "seed": 0, **arguments})


def sparse_arrays(rows):
    """Yields one-hot rows as sparse arrays of the installed libraries."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    yield scipy_sparse.csr_matrix(rows)
    yield scipy_sparse.coo_array(rows)
    yield pytest.importorskip("tensorflow").sparse.from_dense(rows)
    torch = pytest.importorskip("torch")
    yield torch.tensor(rows).to_sparse()
    yield pytest.importorskip("jax.experimental.sparse").BCOO.fromdense(rows.astype("int32"))


def test_sparse_rows_are_read_as_dense_ones():
    rows = np.eye(20)[LABELS[:40]]
    wanted = corrupt(rows, MATRIX, seed=0)
    for sparse in sparse_arrays(rows):
        np.testing.assert_array_equal(corrupt(sparse, MATRIX, seed=0), wanted)
        assert describe(LABELS[:40], sparse).rate == 0.0


def test_ragged_labels_are_refused():
    rows = [[1], [1, 2]]
    ragged = pytest.importorskip("tensorflow").ragged.constant(rows)
    for labels in (np.array(rows, dtype=object), ragged):
        with pytest.raises(ValueError, match="ragged: its rows differ in length"):
            corrupt(labels, MATRIX, seed=0)
