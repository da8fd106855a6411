"""Gradients by the automatic differentiation of the backend, which `keras.ops` does not offer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._typing import Tensor


def gradient(function: Callable[[Tensor], Tensor], x: NDArray) -> NDArray:
    """Computes the gradient of the sum of `function(x)` with respect to `x`.

    Args:
        function: From a float32 tensor of the shape of `x` to a tensor, in `keras.ops`.
        x: Array of any shape.

    Returns:
        Float64 array of the shape of `x`.

    Raises:
        RuntimeError: If the backend of Keras has no automatic differentiation.
    """
    backend = keras.backend.backend()
    values = np.asarray(x, dtype="float32")
    if backend == "tensorflow":
        import tensorflow as tf

        tensor = tf.convert_to_tensor(values)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            total = keras.ops.sum(function(tensor))
        slope = tape.gradient(total, tensor)
        slope = np.zeros_like(values) if slope is None else slope  # independent of x
    elif backend == "jax":
        import jax

        slope = jax.grad(lambda x: keras.ops.sum(function(x)))(jax.numpy.asarray(values))
    elif backend == "torch":
        import torch

        tensor = keras.ops.convert_to_tensor(values).requires_grad_(True)
        total = keras.ops.sum(function(tensor))
        (slope,) = torch.autograd.grad(total, tensor, materialize_grads=True)
        slope = slope.detach().cpu()
    else:
        raise RuntimeError(
            "Gradients of losses need Keras on TensorFlow, JAX or PyTorch. "
            f"Received: KERAS_BACKEND={backend!r}"
        )
    return np.asarray(slope, dtype="float64")


@contextmanager
def without_traces() -> Iterator[None]:
    """A context in which calling a model does not change the state of PyTorch.

    PyTorch would keep what a gradient needs, and dropout would advance its global random state.
    The other backends have no such state.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.no_grad(), torch.random.fork_rng():
        yield
