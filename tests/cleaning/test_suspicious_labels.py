"""Doubts, ranking and noise estimates, for predictions that are calibrated by construction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_noisy import noise
from keras_noisy.cleaning import estimate_noise, suspicious_labels
from keras_noisy.cleaning._label_model import _TEMPERATURES, fit_label_model
from keras_noisy.cleaning._predictions import read_samples

pytestmark = pytest.mark.backend_free


def draw(num_classes, size, model, rate, sharpness=6.0, seed=0):
    """Draws logits, true labels with the probabilities that they state, and noisy labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(size, num_classes))
    logits[np.arange(size), rng.integers(0, num_classes, size)] += sharpness
    true_labels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
    matrix = getattr(noise, model)(num_classes, rate=rate)
    return logits, true_labels, noise.corrupt(true_labels, matrix, seed=seed)


CASES = [
    (2, "symmetric", 0.2, 8.0),
    (10, "symmetric", 0.4, 8.0),
    (10, "pair_flip", 0.3, 6.0),
    (100, "symmetric", 0.1, 9.0),
    (100, "pair_flip", 0.4, 9.0),
]


@pytest.mark.parametrize(("num_classes", "model", "rate", "sharpness"), CASES)
def test_doubts_are_calibrated(num_classes, model, rate, sharpness):
    logits, true_labels, labels = draw(num_classes, 8000, model, rate, sharpness)
    is_wrong = labels != true_labels
    result = suspicious_labels(labels, logits, from_logits=True)
    true_shares = np.cumsum(is_wrong[result.ranking]) / np.arange(1, len(labels) + 1)
    for tenth in range(1, 11):
        rank = tenth * is_wrong.sum() // 10 - 1
        assert result.expected_shares[rank] == pytest.approx(true_shares[rank], abs=0.05)
    estimate = estimate_noise(labels, logits, from_logits=True)
    assert estimate.rate == pytest.approx(is_wrong.mean(), abs=3 * estimate.rate_error)


def test_few_wrong_labels_give_few_false_alarms():
    logits, true_labels, labels = draw(100, 8000, "symmetric", 0.01, 9.0)
    is_wrong = labels != true_labels
    result = suspicious_labels(labels, logits, from_logits=True)
    assert is_wrong[result.suspicious].mean() > 0.6
    assert (result.doubts >= 0.5).mean() < 0.015


def test_doubts_are_those_of_the_formula():
    """Compares with plain loops over samples, at the fixed point of the rate."""
    logits, _, labels = draw(5, 2000, "symmetric", 0.3)
    result = suspicious_labels(labels, logits, from_logits=True)
    model = fit_label_model(*read_samples(labels, logits, True))
    assert model.typical_share == 0.0
    rate = result.doubts.mean()
    for row, label, doubt in zip(logits, labels, result.doubts, strict=True):
        powers = np.exp((row - row.max()) / model.temperature)
        q = powers[label] / powers.sum()
        wrong = rate * (1 - q) / 4
        assert doubt == pytest.approx(wrong / (wrong + (1 - rate) * q), abs=2e-3)


def test_the_scale_of_logits_does_not_matter():
    logits, _, labels = draw(20, 2000, "symmetric", 0.3)
    factor = _TEMPERATURES[15] / _TEMPERATURES[0]
    ours, scaled = (
        suspicious_labels(labels, logits * scale, from_logits=True) for scale in (1.0, factor)
    )
    np.testing.assert_allclose(scaled.doubts, ours.doubts, atol=1e-3)


def test_formats_of_labels_and_predictions_are_the_same():
    logits, _, labels = draw(6, 500, "symmetric", 0.2)
    expected = suspicious_labels(labels, logits, from_logits=True)
    probs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    for other in (
        suspicious_labels(labels, probs),
        suspicious_labels(np.eye(6)[labels], probs.astype("float32")),
        suspicious_labels(labels[:, np.newaxis].astype("int32"), probs),
    ):
        np.testing.assert_allclose(other.doubts, expected.doubts, atol=1e-4)
        np.testing.assert_array_equal(other.looks_like, expected.looks_like)


def test_predictions_may_lie_on_the_disk(tmp_path):
    logits, _, labels = draw(6, 500, "symmetric", 0.2)
    np.save(tmp_path / "logits.npy", logits)
    mapped = np.load(tmp_path / "logits.npy", mmap_mode="r")
    expected = suspicious_labels(labels, logits, from_logits=True)
    result = suspicious_labels(labels, mapped, from_logits=True)
    np.testing.assert_array_equal(result.doubts, expected.doubts)


@settings(deadline=None, max_examples=30)
@given(
    num_classes=st.integers(2, 12),
    size=st.integers(1, 60),
    scale=st.floats(0.0, 50.0),
    seed=st.integers(0, 100),
)
def test_any_predictions_give_probabilities_and_a_ranking(num_classes, size, scale, seed):
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(size, num_classes))
    labels = rng.integers(0, num_classes, size)
    result = suspicious_labels(labels, logits, from_logits=True)
    assert ((result.doubts >= 0) & (result.doubts <= 1)).all()
    assert (np.sort(result.ranking) == np.arange(size)).all()
    assert (np.diff(result.doubts[result.ranking]) <= 0).all()
    assert (np.diff(result.expected_shares) <= 1e-9).all()
    assert (result.looks_like != labels).all()
    estimate = estimate_noise(labels, logits, from_logits=True)
    assert estimate.rate == pytest.approx(result.doubts.mean())
    assert 0 <= estimate.rate <= 1
    assert estimate.rate_error > 0
    matrix, _ = estimate.transition_matrix()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


def test_noise_is_told_by_class_and_pair():
    logits, true_labels, labels = draw(10, 20_000, "pair_flip", 0.3, 9.0)
    estimate = estimate_noise(labels, logits, from_logits=True)
    matrix, errors = estimate.transition_matrix()
    report = noise.describe(true_labels, labels, 10)
    assert (np.abs(matrix - report.matrix) <= 4 * errors + 0.005).all()
    pairs = set(zip(estimate.true_classes[:10], estimate.wrong_labels[:10], strict=True))
    assert pairs == {(i, (i + 1) % 10) for i in range(10)}
    assert estimate.class_sizes.sum() == 20_000


def test_a_class_without_samples_has_no_rate():
    logits, _, labels = draw(4, 200, "symmetric", 0.2)
    estimate = estimate_noise(np.where(labels == 3, 0, labels), logits, from_logits=True)
    assert np.isnan(estimate.class_rates[3])
    assert np.isnan(estimate.class_rate_errors[3])
    matrix, _ = estimate.transition_matrix()
    assert np.isfinite(matrix).all()


PROBS = np.full((4, 3), 1 / 3)


@pytest.mark.parametrize(
    ("labels", "predictions", "options", "message"),
    [
        ([0, 1, 2], PROBS, {}, "`labels` and `predictions` must hold the same samples.*3 labels"),
        ([0, 1, 2, 3], PROBS, {}, r"`labels` must lie in \[0, 3\), by `predictions`"),
        ([0, 1, 2, 0], PROBS[:, 0], {}, "`predictions` must be numbers of shape"),
        ([0, 1, 2, 0], 2 * PROBS, {}, "or logits with from_logits=True.*row 0"),
        ([0, 1, 2, 0], PROBS * np.nan, {"from_logits": True}, "`predictions` must be finite"),
        ([0, 1, 2, 0], PROBS, {"threshold": 2}, r"`threshold` must be a number in \[0, 1\]"),
        ([0, 1, 2, 0], PROBS, {"from_logits": 1}, "`from_logits` must be True or False"),
    ],
)
def test_bad_input_is_named(labels, predictions, options, message):
    with pytest.raises(ValueError, match=message):
        suspicious_labels(labels, predictions, **options)


def test_a_matrix_of_too_many_classes_is_refused():
    logits = np.zeros((3, 10_001))
    with pytest.raises(ValueError, match="10,000 classes at most"):
        estimate_noise([0, 1, 2], logits, from_logits=True).transition_matrix()
