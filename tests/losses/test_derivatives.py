"""Second derivatives by all modes of differentiation, because some gradients are custom."""

import weakref

import numpy as np
import pytest
from cases import every_loss, some_batch
from keras import ops
from support import BACKEND, tensor, to_numpy

from keras_noisy._core.custom_gradient import custom_row_gradient

BIAS = 3.0
STEP = 1e-5


def finite_difference(case, labels, logits, direction):
    """Computes the change of the reference gradient along a direction by finite differences."""
    up, down = (
        case.reference(labels, logits + step * direction, BIAS)[1] for step in (STEP, -STEP)
    )
    return (up - down) / (2 * STEP)


def second_derivatives(function, x, direction):
    """Computes changes of the gradient of `function(x).sum()` along a direction.

    Returns:
        A list with a result for each mode of differentiation of the backend.
    """
    x, direction = x.astype("float32"), direction.astype("float32")
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = function(x)
            along = tf.reduce_sum(inner.gradient(value, x) * direction)
        return [outer.gradient(along, x)]
    if BACKEND == "jax":
        import jax

        slope = jax.grad(lambda x: function(x).sum())
        return [
            jax.jvp(slope, (x,), (direction,))[1],
            jax.grad(lambda x: (slope(x) * direction).sum())(x),
        ]
    import torch

    x, direction = torch.tensor(x, requires_grad=True), torch.tensor(direction)
    (slope,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    twice = torch.autograd.grad((slope * direction).sum(), x)[0]
    pure = torch.func.grad(lambda x: function(x).sum())
    return [twice, torch.func.vjp(pure, x.detach())[1](direction)[0]]


@every_loss
def test_second_derivatives_agree_with_finite_differences(case):
    labels, logits = some_batch(num_classes=5, batch=4, scale=1.0)
    direction = np.random.default_rng(1).normal(size=logits.shape)
    expected = finite_difference(case, labels, logits, direction)
    loss = case.make(logit_bias=BIAS)
    for result in second_derivatives(lambda z: loss(labels, z), logits, direction):
        np.testing.assert_allclose(to_numpy(result), expected, rtol=1e-3, atol=1e-4)


only_torch = pytest.mark.skipif(BACKEND != "torch", reason="about PyTorch's graph")


@only_torch
@every_loss
def test_gradient_can_be_computed_twice(case):
    """The first backward pass frees what the forward pass has kept."""
    import torch

    labels, logits = some_batch(num_classes=5, batch=4)
    z = tensor(logits, "float32").requires_grad_()
    value = case.make(logit_bias=BIAS)(labels, z).sum()
    first, again = (torch.autograd.grad(value, z, retain_graph=True)[0] for _ in range(2))
    np.testing.assert_allclose(to_numpy(again), to_numpy(first), rtol=1e-5, atol=1e-7)


@only_torch
def test_custom_gradients_do_not_keep_themselves_in_memory():
    kept = []

    @custom_row_gradient
    def exp(x):
        value = ops.exp(x)
        kept.append(weakref.ref(value))
        return value, lambda upstream: (upstream * value,)

    result = exp(tensor([1.0]).requires_grad_())
    assert kept[0]() is not None
    del result
    assert kept[0]() is None
