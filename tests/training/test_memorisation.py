import keras
import numpy as np
import pytest

from keras_noisy.training import memorised

IDENTITY = keras.Sequential([keras.layers.Identity()])


def test_counts_the_wrong_labels_that_are_predicted():
    true = np.array([0, 1, 2, 3, 0, 1])
    noisy = np.array([0, 2, 2, 0, 3, 0])
    predicted = np.array(
        [1, 2, 2, 0, 0, 0]
    )  # The labels 1, 3, 4, 5 are wrong; all but 4 are predicted.
    assert memorised(IDENTITY, np.eye(4)[predicted], noisy, true) == 0.75
    assert memorised(IDENTITY, np.eye(4)[true], noisy, true) == 0.0
    assert memorised(IDENTITY, np.eye(4)[noisy], noisy[:, np.newaxis], true) == 1.0


def test_no_wrong_label():
    assert np.isnan(memorised(IDENTITY, np.eye(4), np.arange(4), np.arange(4)))


def test_predictions_of_nan():
    assert np.isnan(
        memorised(IDENTITY, np.full((2, 3), np.nan), np.array([0, 1]), np.array([1, 1]))
    )


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="Received: 4, 3 and 4 entries"):
        memorised(IDENTITY, np.eye(4), np.arange(3), np.arange(4))


def test_batches_have_samples():
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        memorised(IDENTITY, np.eye(4), np.arange(4), np.arange(4), batch_size=0)
