"""Half precision costs no class and no digit: everything is computed in float32 at least."""

import keras
import numpy as np
import pytest
from cases import CASES
from support import BACKEND, compiled, gradient, label_probability, tensor, to_numpy

import keras_noisy

every_loss = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_type = pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
every_bias = pytest.mark.parametrize("bias", [None, "auto", -3.0])


@every_loss
@every_type
@every_bias
def test_half_precision_logits(case, dtype, bias):
    rng = np.random.default_rng(0)
    logits = tensor(3 * rng.normal(size=(8, 500)), dtype)
    labels = rng.integers(0, 500, 8)
    exact = to_numpy(logits)  # what is left of them in that type
    epsilon = case.make(logit_bias=bias).epsilon(500)
    expected = case.of_probability(label_probability(labels, exact, epsilon))
    losses = case.make(logit_bias=bias)(labels, logits)
    assert keras.backend.standardize_dtype(losses.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(losses), expected, rtol=5e-6, atol=1e-6)


@every_loss
@every_type
@every_bias
@pytest.mark.parametrize("size", [1e4, 80.0])
@pytest.mark.parametrize("with_jit", [False, True], ids=["eager", "compiled"])
def test_extreme_logits(case, dtype, bias, size, with_jit):
    """The label all but certain, all but impossible, and neither: finite, and right in the limit."""
    logits = tensor([[size, -size, 0.0], [-size, size, 0.0], [size, size, -size]], dtype)
    size = to_numpy(logits)[0, 0]  # what is left of it in that type
    labels = tensor(np.array([0, 0, 0]))
    loss = case.make(logit_bias=bias)
    function = compiled(loss) if with_jit else loss
    certain, impossible, tied = to_numpy(function(labels, logits))
    slope = gradient(lambda z: function(labels, z), logits, dtype)
    assert np.all(np.isfinite(slope))
    assert certain == pytest.approx(case.of_probability(1.0), abs=1e-6)
    epsilon = loss.epsilon(3)
    half = 1 / (1 + np.exp(-epsilon))
    assert tied == pytest.approx(case.of_probability(half), rel=1e-5)
    if case.name == "CE":
        assert impossible == pytest.approx(2 * size - epsilon, rel=1e-6)
        np.testing.assert_allclose(slope[1], [-1, 1, 0], atol=1e-6)
    else:
        bound = case.of_probability(0.0)
        assert bound * (1 - 1e-5) - np.exp(-0.2 * size) * 10 <= impossible <= bound * (1 + 1e-6)


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float32"])
def test_large_labels_survive_any_floatx(floatx):
    keras.config.set_floatx(floatx)
    labels = np.array([255, 257, 513, 998, 999])
    logits = np.full((5, 1000), -20.0, "float32")
    logits[np.arange(5), labels] = 20.0
    for loss in (keras_noisy.CE(from_logits=True), keras_noisy.CE(from_logits=True, dtype=floatx)):
        # A neighbouring class would cost 40.
        assert float(loss(labels, logits)) < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", None])
def test_dtype_is_raised_to_float32(dtype):
    assert keras_noisy.MAE(dtype=dtype).dtype == "float32"


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 unless it is told to")
def test_float64():
    rng = np.random.default_rng(0)
    labels, logits = np.arange(4), 3 * rng.normal(size=(4, 9))
    losses = keras_noisy.MAE(logit_bias=2.0, from_logits=True, reduction=None, dtype="float64")(
        labels, tensor(logits, "float64")
    )
    exact = 2 * (1 - label_probability(labels, logits, 2.0))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), exact, rtol=1e-12)


@every_loss
def test_impossible_probability(case):
    """A softmax in half precision rounds to 0: the loss and its gradient stay finite."""
    loss = case.make(from_logits=False)
    probabilities = np.array([[0.0, 1.0]], "float32")
    label = np.array([0])
    assert np.isfinite(to_numpy(loss(label, probabilities)))
    assert np.all(np.isfinite(gradient(lambda p: loss(label, p), probabilities)))
    if case.name != "CE":
        assert to_numpy(loss(label, probabilities)) == pytest.approx(
            case.of_probability(0.0), rel=1e-6
        )
