"""Losses are computed in float32 or float64, also for inputs in half precision."""

import hypothesis
import keras
import numpy as np
import pytest
from cases import DEFAULTS, VARIANTS, every_loss, one_hot, some_batch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import (
    BACKEND,
    compiled,
    label_probability,
    tensor,
    to_numpy,
    value_and_gradient,
)

import keras_noisy

every_type = pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
LARGEST = {"float16": 6e4, "bfloat16": 1e4, "float32": 1e4}


@every_loss
@pytest.mark.parametrize(
    ("dtype", "bias"), [("float16", "auto"), ("bfloat16", None), ("float32", "auto")]
)
def test_half_precision_logits_are_not_rounded_further(case, dtype, bias):
    labels, logits = some_batch(num_classes=500, batch=8)
    logits = tensor(logits, dtype)
    exact = to_numpy(logits)  # as rounded to `dtype`
    loss = case.make(logit_bias=bias)
    losses = loss(labels, logits)
    assert keras.backend.standardize_dtype(losses.dtype) == "float32"
    expected = case.reference(labels, exact, loss.logit_bias_for(500))[0]
    np.testing.assert_allclose(to_numpy(losses), expected, rtol=1e-5, atol=1e-6)


def extreme_rows(size):
    """Returns logits with which the label, class 0, is almost certain, impossible or neither."""
    return np.array(
        [
            *([size, -size, 0.0], [-size, size, 0.0], [size, size, -size], [-size] * 3, [size] * 3),
            *([80.0, -80.0, 0.0], [-80.0, 80.0, 0.0], [0.0, 0.0, 0.0]),
        ]
    )


def assert_agrees_at_extremes(case, dtype, bias, logits, result):
    values, slopes = result
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(slopes))
    labels = np.zeros(len(values), int)
    true_values, true_slopes = case.reference(labels, to_numpy(tensor(logits, dtype)), bias or 0.0)
    floor = 1e-6 * max(1.0, np.abs(true_values).max())
    np.testing.assert_allclose(values, true_values, rtol=2e-5, atol=floor, err_msg=case.name)
    # The gradient has the type of the logits.
    rtol = {"float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    np.testing.assert_allclose(
        slopes, true_slopes, rtol=rtol, atol=max(floor, 1e-6), err_msg=case.name
    )


@every_type
@pytest.mark.parametrize("bias", [None, 4.84])
def test_extreme_logits_agree_with_the_reference(dtype, bias):
    logits = extreme_rows(LARGEST[dtype])
    labels = tensor(np.zeros(len(logits), int))
    for case in DEFAULTS + VARIANTS:
        loss = case.make(logit_bias=bias)
        result = value_and_gradient(lambda z, loss=loss: loss(labels, z), logits, dtype)
        assert_agrees_at_extremes(case, dtype, bias, logits, result)


def test_extreme_logits_agree_in_compiled_graphs():
    logits = extreme_rows(LARGEST["float16"])
    labels = tensor(np.zeros(len(logits), int))
    losses = [case.make() for case in DEFAULTS]
    function = compiled(lambda y, z: keras.ops.stack([f(y, z[i]) for i, f in enumerate(losses)]))
    values, slopes = value_and_gradient(
        lambda z: function(labels, z), np.stack([logits] * len(losses)), "float16"
    )
    for i, case in enumerate(DEFAULTS):
        assert_agrees_at_extremes(case, "float16", None, logits, (values[i], slopes[i]))


def finite_logits(size):
    """Returns a strategy for 8 rows of 3 logits, small ones and up to `size`."""
    elements = st.one_of(st.floats(-5, 5, width=16), st.floats(-size, size, width=16))
    return arrays("float32", (8, 3), elements=elements)


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@hypothesis.settings(max_examples=10)
@hypothesis.given(data=st.data())
def test_finite_logits_give_finite_results(case, dtype, data):
    logits = data.draw(finite_logits(LARGEST[dtype]))
    bias = data.draw(st.sampled_from([None, 4.84, -3.0, 60.0, -60.0]))
    labels = np.arange(8) % 3
    y_true = tensor(data.draw(st.sampled_from([labels, one_hot(labels, 3)])))
    loss = case.make(logit_bias=bias)
    for result in value_and_gradient(lambda z: loss(y_true, z), logits, dtype):
        assert np.all(np.isfinite(result))


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float32"])
def test_large_labels_are_exact_with_any_floatx(floatx):
    keras.config.set_floatx(floatx)
    labels = np.array([255, 257, 513, 998, 999])
    logits = np.full((5, 1000), -20.0, "float32")
    logits[np.arange(5), labels] = 20.0
    for loss in (keras_noisy.CE(from_logits=True), keras_noisy.CE(from_logits=True, dtype=floatx)):
        # The neighbouring class would have a loss of 40.
        assert float(loss(labels, logits)) < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", None])
def test_dtype_is_raised_to_float32(dtype):
    assert keras_noisy.MAE(dtype=dtype).dtype == "float32"


@pytest.mark.skipif(BACKEND == "jax", reason="JAX disables float64 by default")
def test_float64_is_accurate():
    rng = np.random.default_rng(0)
    labels, logits = np.arange(4), 3 * rng.normal(size=(4, 9))
    losses = keras_noisy.MAE(logit_bias=2.0, from_logits=True, reduction=None, dtype="float64")(
        labels, tensor(logits, "float64")
    )
    exact = 2 * (1 - label_probability(labels, logits, 2.0))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), exact, rtol=1e-12)


@every_loss
@pytest.mark.parametrize("bias", [None, 2.0, -2.0])
def test_zero_probability_gives_finite_results(case, bias):
    """A softmax in half precision rounds to 0, where the loss and its gradient must be finite."""
    loss = case.make(from_logits=False, logit_bias=bias)
    probabilities = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
    labels = np.array([0, 0])
    for y_true in (labels, one_hot(labels, 2)):
        result = value_and_gradient(lambda p, y=y_true: loss(y, p), probabilities)
        assert np.all(np.isfinite(result[0]))
        assert np.all(np.isfinite(result[1]))
