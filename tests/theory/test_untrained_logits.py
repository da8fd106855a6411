import numpy as np
import pytest

from keras_noisy.theory._untrained_logits import untrained_logits

pytestmark = pytest.mark.backend_free


def test_logits_are_normal_and_deterministic():
    logits = untrained_logits(1024, 7, 2.0)
    assert logits.shape == (1024, 7)
    np.testing.assert_array_equal(logits, untrained_logits(1024, 7, 2.0))
    np.testing.assert_allclose(logits.mean(axis=0), 0.0, atol=0.01)
    np.testing.assert_allclose(logits.std(axis=0), 2.0, rtol=0.02)
    correlation = np.corrcoef(logits.T) - np.eye(7)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(1024)


def test_each_column_is_stratified():
    logits = untrained_logits(64, 5)
    quantiles = np.searchsorted(np.sort(untrained_logits(2**17, 1)[:, 0]), logits)
    intervals = np.sort(quantiles // (2**17 // 64), axis=0)
    np.testing.assert_array_equal(intervals, np.arange(64)[:, np.newaxis].repeat(5, axis=1))
