import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_noisy.noise import corrupt, describe, from_matrix, symmetric

pytestmark = pytest.mark.backend_free

PAIRS = hnp.arrays("uint8", st.tuples(st.just(2), st.integers(1, 60)), elements=st.integers(0, 7))


@given(pair=PAIRS, more=st.integers(0, 3))
def test_counts_by_loops(pair, more):
    true, noisy = pair.tolist()
    num_classes = max(2, max(true + noisy) + 1 + more)
    report = describe(pair[0], pair[1], num_classes)
    assert report.num_classes == num_classes
    for i in range(num_classes):
        row = [noisy[n] for n in range(len(true)) if true[n] == i]
        for j in range(num_classes):
            assert report.counts[i, j] == row.count(j)
            if row:
                assert report.matrix[i, j] == pytest.approx(row.count(j) / len(row))
            else:
                assert np.isnan(report.matrix[i, j])
        if row:
            wrong = sum(j != i for j in row) / len(row)
            assert report.class_rates[i] == pytest.approx(wrong)
        else:
            assert np.isnan(report.class_rates[i])
    assert report.rate == pytest.approx(np.mean([i != j for i, j in zip(true, noisy, strict=True)]))
    assert str(report).startswith(f"{len(true):,} labels of {num_classes} classes, ")


def test_many_classes_do_not_overflow():
    """The product 300 * 1000 exceeds uint8 and uint16."""
    report = describe(np.full(9, 300, "uint16"), np.full(9, 7, "uint8"), 1000)
    assert report.counts[300, 7] == 9
    assert report.counts.sum() == 9


def test_one_hot_rows_and_columns():
    """The length of the rows is the number of classes."""
    labels = np.arange(100) % 5
    noisy = corrupt(labels, symmetric(5, 0.4), seed=0)
    rows = np.eye(8, dtype=int)
    expected = str(describe(labels, noisy, 8))
    for pair in ((rows[labels], rows[noisy]), (labels, rows[noisy] > 0), (rows[labels], noisy)):
        assert str(describe(*pair)) == expected
    assert str(describe(labels[:, np.newaxis], noisy, 8)) == expected


def test_very_many_classes():
    """Counts are as many as pairs of classes that occur."""
    report = describe([0, 10**6, 5, 5], [0, 1, 6, 6])
    assert report.pairs.tolist() == [[0, 0, 1], [5, 6, 2], [10**6, 1, 1]]
    assert str(report).split("\n") == [
        "4 labels of 1,000,001 classes, 75.0 % are wrong",
        "most often wrong: class 5 (100.0 %), 1000000 (100.0 %)",
        "most frequent confusions: 5 -> 6 (2), 1000000 -> 1 (1)",
        "without labels: 999,998 classes",
    ]


def test_estimates_the_transition_matrix():
    labels = np.repeat(np.arange(5), 20_000)
    report = describe(labels, corrupt(labels, symmetric(5, 0.4), seed=0))
    np.testing.assert_allclose(report.matrix, symmetric(5, 0.4), atol=0.02)
    np.testing.assert_allclose(from_matrix(report.counts, normalise=True), report.matrix)


def test_number_of_classes():
    assert describe([0, 1, 2], [0, 5, 2]).num_classes == 6
    assert describe([0], [0]).num_classes == 2


def test_text():
    true, noisy = [0, 0, 0, 1, 1, 1, 1, 2], [1, 1, 0, 1, 1, 1, 0, 2]
    assert str(describe(true, noisy, 5)).split("\n") == [
        "8 labels of 5 classes, 37.5 % are wrong",
        "most often wrong: class 0 (66.7 %), 1 (25.0 %)",
        "most frequent confusions: 0 -> 1 (2), 1 -> 0 (1)",
        "without labels: 2 classes",
    ]
    assert str(describe([0, 1], [0, 1])) == "2 labels of 2 classes, 0.0 % are wrong"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"true_labels": [0, 1, 2]}, r"the same shape.*Received: shapes \(3,\) and \(2,\)"),
        ({"true_labels": [], "noisy_labels": []}, "at least one label"),
        ({"true_labels": [0.0, 1.0]}, "`true_labels` must hold integers"),
        ({"noisy_labels": [0.0, 1.0]}, "`noisy_labels` must hold integers"),
        (
            {"true_labels": [0, -1]},
            r"`true_labels` must lie in \[0, 2\), by `num_classes`.*from -1",
        ),
        ({"noisy_labels": [0, 3], "num_classes": 3}, "`noisy_labels` must lie in .*from 0 to 3"),
        ({"num_classes": 1}, "`num_classes` must be an integer of at least 2"),
        ({"num_classes": 2.0}, "`num_classes` must be an integer"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        describe(**{"true_labels": [0, 1], "noisy_labels": [1, 1], **arguments})
