"""Values and gradients of every loss against its definition in float64."""

import mpmath
import numpy as np
import pytest
from cases import CASES
from hypothesis import given
from hypothesis import strategies as st
from support import (
    compiled,
    finite_difference,
    gradient,
    label_probability,
    softmax,
    tensor,
    to_numpy,
)

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.losses.logit_bias import add_logit_bias

BIASES = [None, 2.5, -1.5, "auto"]

every_loss = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_bias = pytest.mark.parametrize("bias", BIASES)


def some_batch(num_classes=30, batch=6, scale=3.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(batch, num_classes))).astype("float32")
    return rng.integers(0, num_classes, batch), logits


def epsilon_of(bias, num_classes):
    return logit_bias(num_classes) if bias == "auto" else bias or 0.0


@every_loss
@every_bias
def test_value_is_the_definition(case, bias):
    labels, logits = some_batch()
    expected = case.of_probability(label_probability(labels, logits, epsilon_of(bias, 30)))
    np.testing.assert_allclose(
        to_numpy(case.make(logit_bias=bias)(labels, logits)), expected, rtol=2e-6, atol=1e-6
    )


@every_loss
@every_bias
@pytest.mark.parametrize("with_jit", [False, True], ids=["eager", "compiled"])
def test_gradient_is_that_of_the_definition(case, bias, with_jit):
    labels, logits = some_batch(num_classes=12, batch=4)
    epsilon = epsilon_of(bias, 12)
    expected = finite_difference(
        lambda z: case.of_probability(label_probability(labels, z, epsilon)), logits
    )
    loss, y_true = case.make(logit_bias=bias), tensor(labels)
    function = compiled(loss) if with_jit else loss
    np.testing.assert_allclose(
        gradient(lambda z: function(y_true, z), logits), expected, rtol=1e-5, atol=1e-7
    )


@every_loss
@every_bias
def test_bias_is_a_constant_on_the_labels_logit(case, bias):
    labels, logits = some_batch(num_classes=100)
    shifted = logits + np.float32(epsilon_of(bias, 100)) * np.eye(100, dtype="float32")[labels]
    biased, plain = case.make(logit_bias=bias), case.make()
    np.testing.assert_allclose(
        to_numpy(biased(labels, logits)), to_numpy(plain(labels, shifted)), rtol=2e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        gradient(lambda z: biased(labels, z), logits),
        gradient(lambda z: plain(labels, z), shifted),
        rtol=1e-5,
        atol=1e-7,
    )


@every_loss
@every_bias
def test_probabilities_agree_with_logits(case, bias):
    labels, logits = some_batch()
    from_probabilities = case.make(logit_bias=bias, from_logits=False)
    np.testing.assert_allclose(
        to_numpy(from_probabilities(labels, softmax(logits).astype("float32"))),
        to_numpy(case.make(logit_bias=bias)(labels, logits)),
        rtol=1e-5,
        atol=1e-6,
    )


@every_loss
@pytest.mark.parametrize("bias", [None, 5.0])
def test_gradient_of_a_hard_sample_keeps_its_digits(case, bias):
    # p_y = 4e-11: a softmax clipped at 1e-7, and JAX's derivative of expm1, would lose it.
    p = label_probability([1], [[24.0, 0.0]], bias or 0.0)
    q = {"CE": 0.0, "MAE": 1.0}.get(case.name, case.arguments.get("q", 0.7))
    expected = (2.0 if case.name == "MAE" else 1.0) * p**q * (1 - p)  # analytic: p^q (1 - p)
    loss = case.make(logit_bias=bias)
    slope = gradient(lambda z: loss(np.array([1]), z), [[24.0, 0.0]])
    np.testing.assert_allclose(slope, expected * np.array([[1, -1]]), rtol=1e-5, atol=0.0)


def exact_bias(log_prob, epsilon):
    """u -> log p' with 60 digits, and its derivative du'/du."""
    with mpmath.workdps(60):
        u, epsilon = mpmath.mpf(log_prob), mpmath.mpf(epsilon)
        c = mpmath.expm1(epsilon)
        biased = u + epsilon - mpmath.log1p(c * mpmath.exp(u))
        return float(biased), float(1 / (1 + c * mpmath.exp(u)))


@pytest.mark.parametrize("epsilon", [-60.0, -35.0, -3.0, 0.0, 1e-3, 4.84, 35.0, 60.0])
def test_bias_over_its_whole_range(epsilon):
    log_prob = -np.concatenate([[0.0], np.geomspace(1e-6, 2e4, 80)]).astype("float32")
    exact = np.array([exact_bias(u, epsilon) for u in log_prob.astype("float64")])
    biased = to_numpy(add_logit_bias(tensor(log_prob), epsilon))
    np.testing.assert_allclose(biased, exact[:, 0], rtol=1e-5, atol=1e-20)
    slope = gradient(lambda u: add_logit_bias(u, epsilon), log_prob)
    np.testing.assert_allclose(slope, exact[:, 1], rtol=1e-5, atol=1e-30)


@given(
    bias=st.floats(-40, 40),
    margin=st.floats(-40, 40),
    num_classes=st.integers(2, 50),
    label=st.integers(0, 49),
)
def test_bias_shifts_the_margin(bias, margin, num_classes, label):
    """Whatever the numbers: 1 - p = sigmoid(-(margin + eps))."""
    label %= num_classes
    logits = np.zeros((1, num_classes), "float32")
    logits[0, label] = margin
    loss = keras_noisy.MAE(logit_bias=bias, from_logits=True, reduction=None)
    # The logits are float32: so is the margin from which the truth is computed.
    exact = float(logits[0, label]) - np.log(num_classes - 1.0) + bias
    np.testing.assert_allclose(
        to_numpy(loss(np.array([label]), logits)), 2 / (1 + np.exp(exact)), rtol=2e-5, atol=1e-6
    )


@pytest.mark.parametrize("with_bias", [None, 3.0])
def test_gce_goes_to_ce_as_q_goes_to_0(with_bias):
    labels, logits = some_batch()
    options = {"logit_bias": with_bias, "from_logits": True, "reduction": None}
    ce, gce = keras_noisy.CE(**options), keras_noisy.GCE(q=1e-6, **options)
    np.testing.assert_allclose(
        to_numpy(gce(labels, logits)), to_numpy(ce(labels, logits)), rtol=1e-4
    )
    np.testing.assert_allclose(
        gradient(lambda z: gce(labels, z), logits),
        gradient(lambda z: ce(labels, z), logits),
        rtol=1e-4,
        atol=1e-6,
    )


def test_gce_with_q_1_is_half_of_mae():
    labels, logits = some_batch()
    options = {"from_logits": True, "reduction": None}
    np.testing.assert_allclose(
        2 * to_numpy(keras_noisy.GCE(q=1.0, **options)(labels, logits)),
        to_numpy(keras_noisy.MAE(**options)(labels, logits)),
        rtol=1e-6,
    )


def test_mae_is_the_l1_distance_and_symmetric():
    _, logits = some_batch(num_classes=7, batch=5)
    probabilities = softmax(logits)
    loss = keras_noisy.MAE(from_logits=True, reduction=None)
    all_labels = [to_numpy(loss(np.full(5, k), logits)) for k in range(7)]
    for k, losses in enumerate(all_labels):
        distance = np.abs(np.eye(7)[k] - probabilities).sum(axis=-1)
        np.testing.assert_allclose(losses, distance, rtol=1e-5, atol=1e-6)
    # Summed over all labels it is constant: what makes it tolerate symmetric noise.
    np.testing.assert_allclose(np.sum(all_labels, axis=0), 2 * (7 - 1), rtol=1e-5)


def test_bias_opens_the_gradient_of_a_fresh_network():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(64, 1000)).astype("float32")
    labels = rng.integers(0, 1000, 64)

    def pull(bias):
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        return np.abs(gradient(lambda z: loss(labels, z), logits)).sum()

    assert pull("auto") > 50 * pull(None)
