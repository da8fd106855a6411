"""Helpers that work on every backend, and plain float64 references."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def to_numpy(tensor):
    """Returns a float64 array; casts to float32 first, because NumPy has no bfloat16."""
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")).astype("float64")


def value_and_gradient(function, x, dtype="float32"):
    """Returns `function(x)` and the gradient of its sum as float64 arrays."""
    x = keras.ops.convert_to_tensor(x, dtype=dtype)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return to_numpy(value), to_numpy(tape.gradient(value, x))
    if BACKEND == "jax":
        import jax

        value, pull_back = jax.vjp(function, x)
        return to_numpy(value), to_numpy(pull_back(jax.numpy.ones_like(value))[0])
    x.requires_grad_(True)
    value = function(x)
    value.sum().backward()
    return to_numpy(value.detach()), to_numpy(x.grad)


def gradient(function, x, dtype="float32"):
    """Returns the gradient of the sum of `function(x)` as a float64 array."""
    return value_and_gradient(function, x, dtype)[1]


def compiled(function):
    """Compiles `function` with XLA for TensorFlow and JAX, and to one graph for PyTorch."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import torch

    torch._dynamo.reset()
    # "aot_eager" traces and differentiates like the default, without minutes of compiling C++.
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def tensor(values, dtype=None):
    return keras.ops.convert_to_tensor(values, dtype=dtype)


def softmax(logits):
    """Computes the softmax in float64."""
    logits = np.asarray(logits, "float64")
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def label_probability(labels, logits, epsilon=0.0):
    """Computes p_y in float64 after adding epsilon to the label's logit."""
    logits = np.array(logits, "float64")
    labels = np.asarray(labels)
    biased = logits + epsilon * np.eye(logits.shape[-1])[labels]
    return np.take_along_axis(softmax(biased), labels[..., np.newaxis], axis=-1)[..., 0]
