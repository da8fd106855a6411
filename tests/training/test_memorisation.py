import keras
import numpy as np
import pytest

from keras_noisy.training import memorised

IDENTITY = keras.Sequential([keras.layers.Identity()])


def measure(outputs, noisy, true, **options):
    return memorised(IDENTITY, outputs, noisy_labels=noisy, true_labels=true, **options)


def test_counts_the_wrong_labels_that_are_predicted():
    true = np.array([0, 1, 2, 3, 0, 1])
    noisy = np.array([0, 2, 2, 0, 3, 0])
    predicted = np.array(
        [1, 2, 2, 0, 0, 0]
    )  # The labels 1, 3, 4, 5 are wrong; all but 4 are predicted.
    assert measure(np.eye(4)[predicted], noisy, true) == 0.75
    assert measure(np.eye(4)[true], noisy, true) == 0.0
    assert measure(np.eye(4)[noisy], noisy[:, np.newaxis], true) == 1.0


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
def test_one_hot_and_soft_labels(dtype):
    true, noisy = np.array([0, 1, 2, 3, 0]), np.array([0, 2, 2, 0, 3])
    x, rows = np.eye(4)[[0, 2, 1, 0, 1]], np.eye(4, dtype=dtype)
    assert measure(x, rows[noisy], rows[true]) == 2 / 3
    assert measure(x, 0.9 * rows[noisy] + 0.025, true.astype("float32")) == 2 / 3


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, np.nan, 1.0, 2.0], "`noisy_labels` must hold integers, .*float64.*1 of them NaN"),
        (["a", "b", "c", "d"], "`noisy_labels` must hold integers, .*text, such as a"),
        (np.ones((4, 4)), "`noisy_labels` must hold integers, one-hot rows or soft labels"),
        ([1, 2, 3, 4], r"`noisy_labels` must lie in \[0, 4\), by the outputs .*from 1 to 4"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        measure(np.eye(4), labels, np.arange(4))


def test_no_wrong_label():
    assert np.isnan(measure(np.eye(4), np.arange(4), np.arange(4)))


def test_predictions_of_nan():
    assert np.isnan(measure(np.full((2, 3), np.nan), np.array([0, 1]), np.array([1, 1])))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="Received: 4, 3 and 4 entries"):
        measure(np.eye(4), np.arange(3), np.arange(4))


def test_batches_have_samples():
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        measure(np.eye(4), np.arange(4), np.arange(4), batch_size=0)
