"""Values and gradients of every loss against plain loops in float64."""

import functools

import keras
import mpmath
import numpy as np
import pytest
from cases import DEFAULTS, LABEL_CASES, VARIANTS, every_loss, one_hot, some_batch
from hypothesis import given
from hypothesis import strategies as st
from support import compiled, gradient, softmax, tensor, to_numpy, value_and_gradient

import keras_noisy
from keras_noisy._core.add_logit_bias import add_logit_bias

SCALES = [1.0, 5.0, 50.0]


def mixed_scale_batch(num_classes):
    """Returns labels and logits of several scales; some labels have the largest logit."""
    batches = [some_batch(num_classes, 4, scale, seed) for seed, scale in enumerate(SCALES)]
    labels = np.concatenate([labels for labels, _ in batches])
    logits = np.concatenate([logits for _, logits in batches])
    labels[::4] = logits[::4].argmax(axis=-1)
    return labels, logits


def assert_agrees(result, expected, name=""):
    """Compares to 1e-5, and near p = 1 to the precision of 1 - p in float32, 6e-8."""
    (values, gradients), (true_values, true_gradients) = result, expected
    floor = 3e-7 * max(1.0, np.abs(true_values).max())
    np.testing.assert_allclose(values, true_values, rtol=1e-5, atol=floor, err_msg=name)
    np.testing.assert_allclose(gradients, true_gradients, rtol=1e-5, atol=floor, err_msg=name)


@functools.cache
def reference(case_name, num_classes, bias):
    case = next(case for case in DEFAULTS + VARIANTS if case.name == case_name)
    return case.reference(*mixed_scale_batch(num_classes), bias or 0.0)


SIZED = [(case, size) for case in DEFAULTS for size in (3, 1000)]
SIZED += [(case, size) for case in VARIANTS for size in (10, 1000)]


@pytest.mark.parametrize(("case", "num_classes"), SIZED, ids=[f"{c.name}-{k}" for c, k in SIZED])
@pytest.mark.parametrize("bias", [None, 4.84])
def test_value_and_gradient_agree_with_the_reference(case, num_classes, bias):
    """Tests integer and one-hot labels and all scales of the logits."""
    labels, logits = mixed_scale_batch(num_classes)
    loss = case.make(logit_bias=bias)
    for y_true in (labels, one_hot(labels, num_classes)):
        result = value_and_gradient(lambda z, y=y_true: loss(y, z), logits)
        assert_agrees(result, reference(case.name, num_classes, bias))


@pytest.mark.parametrize("num_classes", [3, 10, 100, 1000])
def test_compiled_value_and_gradient_agree_with_the_reference(num_classes):
    """All losses are compiled into one graph.

    Each loss has other label formats and biases in each size, because compiling all combinations
    would take minutes.
    """
    labels, logits = mixed_scale_batch(num_classes)
    turn = [3, 10, 100, 1000].index(num_classes)
    biases = [(None, 4.84)[(i + turn // 2) % 2] for i in range(len(DEFAULTS))]
    losses = [case.make(logit_bias=b) for case, b in zip(DEFAULTS, biases, strict=True)]

    @compiled
    def all_losses(integers, targets, z):
        formats = (integers, targets)
        each = [loss(formats[(i + turn) % 2], z[i]) for i, loss in enumerate(losses)]
        return keras.ops.stack(each)

    y_true = tensor(labels), tensor(one_hot(labels, num_classes))
    values, gradients = value_and_gradient(
        lambda z: all_losses(*y_true, z), np.stack([logits] * len(losses))
    )
    for i, (case, bias) in enumerate(zip(DEFAULTS, biases, strict=True)):
        assert_agrees((values[i], gradients[i]), reference(case.name, num_classes, bias), case.name)


@every_loss
def test_probabilities_agree_with_logits(case):
    labels, logits = some_batch()
    probabilities = softmax(logits).astype("float32")
    for y_true in (labels, one_hot(labels, 30)):
        for bias in (None, 2.5, -1.5):
            np.testing.assert_allclose(
                to_numpy(case.make(logit_bias=bias, from_logits=False)(y_true, probabilities)),
                case.reference(labels, logits, bias or 0.0)[0],
                rtol=2e-5,
                atol=1e-6,
            )


@every_loss
@pytest.mark.parametrize("bias", [-60.0, -20.0, -3.0])
def test_negative_bias_of_almost_certain_labels(case, bias):
    logits = np.zeros((5, 4), "float32")
    logits[:, 0] = [1.0, 10.0, 20.0, 30.0, 60.0]
    labels = np.zeros(5, int)
    expected = case.reference(labels, logits, bias)
    loss = case.make(logit_bias=bias)
    for y_true in (labels, one_hot(labels, 4)):
        assert_agrees(value_and_gradient(lambda z, y=y_true: loss(y, z), logits), expected)


@every_loss
def test_auto_bias_is_the_calibrated_bias(case):
    labels, logits = some_batch(num_classes=100)
    epsilon = keras_noisy.calibration.logit_bias(100)
    np.testing.assert_allclose(
        to_numpy(case.make(logit_bias="auto")(labels, logits)),
        case.reference(labels, logits, epsilon)[0],
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("case", LABEL_CASES, ids=[case.name for case in LABEL_CASES])
@pytest.mark.parametrize("bias", [None, 5.0])
def test_gradient_of_a_hard_sample_is_accurate(case, bias):
    # A softmax clipped at 1e-7 and JAX's derivative of expm1 would lose p_y = 4e-11.
    logits, label = np.array([[24.0, 0.0]], "float32"), np.array([1])
    loss = case.make(logit_bias=bias)
    slope = gradient(lambda z: loss(label, z), logits)
    expected = case.reference(label, logits, bias or 0.0)[1]
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=0.0)


def exact_bias(log_prob, epsilon):
    """Computes the biased log-probability u' and its derivative du'/du with 60 digits."""
    with mpmath.workdps(60):
        u, epsilon = mpmath.mpf(log_prob), mpmath.mpf(epsilon)
        c = mpmath.expm1(epsilon)
        biased = u + epsilon - mpmath.log1p(c * mpmath.exp(u))
        return float(biased), float(1 / (1 + c * mpmath.exp(u)))


@pytest.mark.parametrize("epsilon", [-60.0, -35.0, -3.0, 0.0, 1e-3, 4.84, 35.0, 60.0])
def test_bias_is_accurate_over_its_range(epsilon):
    log_prob = -np.concatenate([[0.0], np.geomspace(1e-6, 2e4, 80)]).astype("float32")
    exact = np.array([exact_bias(u, epsilon) for u in log_prob.astype("float64")])
    biased = to_numpy(add_logit_bias(tensor(log_prob), epsilon))
    np.testing.assert_allclose(biased, exact[:, 0], rtol=1e-5, atol=1e-20)
    slope = gradient(lambda u: add_logit_bias(u, epsilon), log_prob)
    np.testing.assert_allclose(slope, exact[:, 1], rtol=1e-5, atol=1e-30)


@given(
    bias=st.floats(-40, 40),
    margin=st.floats(-40, 40),
    num_classes=st.sampled_from([2, 50]),
    label=st.integers(0, 49),
)
def test_bias_shifts_the_margin(bias, margin, num_classes, label):
    """The loss is 2 (1 - p) with 1 - p = sigmoid(-(margin + bias))."""
    label %= num_classes
    logits = np.zeros((1, num_classes), "float32")
    logits[0, label] = margin
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True, reduction=None)
    # The expected value uses the margin as rounded to float32.
    exact = float(logits[0, label]) - np.log(num_classes - 1.0) + bias
    np.testing.assert_allclose(
        to_numpy(loss(np.array([label]), logits)), 2 / (1 + np.exp(exact)), rtol=2e-5, atol=1e-6
    )


def test_bias_enlarges_the_gradient_of_an_untrained_network():
    labels, logits = some_batch(1000, 64, 1.0)

    def pull(bias):
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        return np.abs(gradient(lambda z: loss(labels, z), logits)).sum()

    assert pull("auto") > 50 * pull(None)
