"""`label_smoothing` computes the loss of the smoothed target, for all label formats."""

import keras
import numpy as np
import pytest
from cases import DEFAULTS, LABEL_CASES, SumCase, every_family, every_loss, one_hot, some_batch
from support import compiled, gradient, softmax, tensor, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy._core import batch
from keras_noisy.losses import LabelLoss, RobustLoss

CLASSES, SMOOTHING = 12, 0.3
SYMMETRIC = [
    case for case in DEFAULTS if case.loss.__name__ in ("MAE", "RCE", "NCE", "NFL", "NGCE", "NNCE")
]


def smoothed(labels, num_classes=CLASSES):
    """Returns the smoothed targets (B, K) in float64."""
    uniform = np.full((len(labels), num_classes), SMOOTHING / num_classes)
    return (1 - SMOOTHING) * np.eye(num_classes)[labels] + uniform


def reference(case, labels, logits, epsilon):
    """Returns values (B,) and gradients (B, K): plain averages over labels drawn from the target.

    A loss of the label's probability gives each label the bias, a loss of the row gives each class
    its share of it.
    """
    if isinstance(case, SumCase):
        parts = [reference(part, labels, logits, epsilon) for part in case.parts]
        return tuple(
            sum(w * r[i] for w, r in zip(case.weights, parts, strict=True)) for i in (0, 1)
        )
    targets = smoothed(labels, logits.shape[-1])
    if not issubclass(case.loss, LabelLoss):
        logits, epsilon = logits + epsilon * targets, 0.0
    value, slope = 0.0, 0.0
    for k in range(logits.shape[-1]):
        values, slopes = case.reference(np.full(len(labels), k), logits, epsilon)
        value, slope = value + targets[:, k] * values, slope + targets[:, k, np.newaxis] * slopes
    return value, slope


@every_loss
@pytest.mark.parametrize("bias", [None, 2.0])
def test_value_and_gradient_agree_with_the_reference(case, bias):
    labels, logits = some_batch(CLASSES)
    loss = case.make(logit_bias=bias, label_smoothing=SMOOTHING)
    values, slopes = reference(case, labels, logits, bias or 0.0)
    for y_true in (labels, one_hot(labels, CLASSES)):
        result = value_and_gradient(lambda z, y=y_true: loss(y, z), logits)
        np.testing.assert_allclose(result[0], values, rtol=1e-5)
        np.testing.assert_allclose(result[1], slopes, rtol=1e-4, atol=1e-6)
    plain = case.make(logit_bias=bias)
    unsmoothed = loss.with_options(label_smoothing=0.0)
    np.testing.assert_array_equal(
        to_numpy(unsmoothed(labels, logits)), to_numpy(plain(labels, logits))
    )


def test_cross_entropy_agrees_with_keras():
    labels, logits = some_batch(CLASSES)
    ours = keras_noisy.CE(from_logits=True, label_smoothing=SMOOTHING)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
    targets = one_hot(labels, CLASSES)
    for y_true in (labels, targets):
        assert float(ours(y_true, logits)) == pytest.approx(float(theirs(targets, logits)), 1e-5)


@pytest.mark.parametrize("case", SYMMETRIC, ids=[case.name for case in SYMMETRIC])
def test_symmetric_losses_are_only_scaled_without_the_row_of_labels(case, monkeypatch):
    labels, logits = some_batch(CLASSES)
    plain, loss = case.make(), case.make(label_smoothing=SMOOTHING)
    slope = gradient(lambda z: plain(labels, z), logits)
    if case in LABEL_CASES:
        monkeypatch.delattr(batch.Batch, "log_prob_as_label")
        monkeypatch.delattr(batch.Predictions, "log_probs")
    result = gradient(lambda z: loss(labels, z), logits)
    np.testing.assert_allclose(result, (1 - SMOOTHING) * slope, rtol=1e-5, atol=1e-9)


@every_family
@pytest.mark.parametrize("bias", ["adaptive", -1.0, "classes"])
def test_every_kind_of_bias_agrees_with_the_soft_target(case, bias):
    labels, logits = some_batch(CLASSES)
    targets = smoothed(labels).astype("float32")
    layer = keras_noisy.LogitBias(adaptive="class")
    predictions = tensor(logits)
    if bias == "classes":
        layer(predictions)
        probs = np.linspace(0.05, 0.4, CLASSES)
    results = []
    for y_true, smoothing in ((labels, SMOOTHING), (targets, 0.0)):
        if bias == "classes":
            layer.class_probs.assign(probs)
            predictions = layer(tensor(logits), training=True)
        loss = case.make(logit_bias=layer if bias == "classes" else bias, label_smoothing=smoothing)
        results.append(to_numpy(loss(y_true, predictions)))
    np.testing.assert_allclose(*results, rtol=1e-5)


@every_family
def test_probabilities_ignored_labels_and_compiled_graphs(case):
    labels, logits = some_batch(CLASSES)
    labels[0] = -1
    kept = to_numpy(case.make(label_smoothing=SMOOTHING)(labels[1:], logits[1:]))
    expected = np.concatenate([[0.0], kept])
    for from_logits, predictions in ((True, logits), (False, softmax(logits).astype("float32"))):
        loss = case.make(label_smoothing=SMOOTHING, ignore_class=-1, from_logits=from_logits)
        for function in (loss, compiled(loss)):
            values = function(tensor(labels), tensor(predictions))
            np.testing.assert_allclose(to_numpy(values), expected, rtol=2e-5)


def test_half_precision_and_extreme_logits():
    """Each loss is tested with one of the types."""
    labels, logits = some_batch(CLASSES)
    extreme = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4]])
    for turn, case in enumerate(DEFAULTS):
        dtype = ("float16", "bfloat16")[turn % 2]
        loss = case.make(label_smoothing=SMOOTHING, logit_bias=2.0)
        expected = reference(case, labels, to_numpy(tensor(logits, dtype)), 2.0)[0]
        values = to_numpy(loss(labels, tensor(logits, dtype)))
        np.testing.assert_allclose(values, expected, rtol=1e-5, err_msg=case.name)
        for result in value_and_gradient(lambda z, f=loss: f(np.zeros(3, int), z), extreme, dtype):
            assert np.all(np.isfinite(result)), case.name


def test_sum_shares_the_option_and_saved_models_keep_it(tmp_path):
    x, y = np.eye(CLASSES, dtype="float32"), np.arange(CLASSES)
    loss = 2.0 * keras_noisy.NCE() + keras_noisy.GCE()
    loss = loss.with_options(from_logits=True, label_smoothing=SMOOTHING)
    assert [part.label_smoothing for part in loss.losses] == [SMOOTHING, SMOOTHING]
    histories = []
    for y_true, smoothing in ((y, SMOOTHING), (smoothed(y).astype("float32"), 0.0)):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
        model.compile("sgd", loss.with_options(label_smoothing=smoothing))
        histories.append(model.fit(x, y_true, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-5)
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == loss.get_config()
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), 1e-6)
    with pytest.raises(ValueError, match="`label_smoothing` must be the same in all parts"):
        keras_noisy.MAE() + keras_noisy.CE(label_smoothing=0.1)


class OwnRowLoss(RobustLoss):
    """A loss that computes its samples in its own way."""

    def per_sample(self, batch):
        _, log_probs = batch.label_and_class_log_probs
        targets = batch.labels.targets
        if targets is None:
            targets = keras.ops.one_hot(batch.labels.index, log_probs.shape[-1])
        return -keras.ops.sum(targets * log_probs, axis=-1)


def test_loss_with_its_own_samples():
    labels, logits = some_batch(CLASSES)
    loss = OwnRowLoss(from_logits=True, logit_bias=2.0, label_smoothing=SMOOTHING, reduction=None)
    expected = loss.with_options(label_smoothing=0.0)(smoothed(labels).astype("float32"), logits)
    np.testing.assert_allclose(to_numpy(loss(labels, logits)), to_numpy(expected), rtol=1e-5)


def test_average_error_of_a_smoothed_loss():
    average_error = keras_noisy.calibration.average_error
    plain, loss = keras_noisy.MAE(), keras_noisy.MAE(label_smoothing=SMOOTHING)
    expected = (1 - SMOOTHING) * average_error(plain, 0.0, 50)
    assert average_error(loss, 0.0, 50) == pytest.approx(expected, rel=0.02)


@pytest.mark.backend_free
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan"), "0.1", True, None])
def test_bad_values_raise_errors(value):
    with pytest.raises(ValueError, match=r"`label_smoothing` must be a number in \[0, 1\)"):
        keras_noisy.MAE(label_smoothing=value)
    with pytest.raises(ValueError, match="`label_smoothing`"):
        keras_noisy.NCE().with_options(label_smoothing=value)
