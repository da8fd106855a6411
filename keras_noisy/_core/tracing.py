"""Differences between eager execution and traced graphs that `keras.ops` does not cover.

TensorFlow and JAX raise an exception when the value of a traced tensor is needed. PyTorch's
compiler would trace the question itself, so it has to be asked whether it is compiling.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._core.processes import sum_over_processes
from keras_noisy._typing import Tensor

_IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
_IS_TORCH = keras.backend.backend() == "torch"


def to_tensor(value: Any, dtype: Any = None) -> Tensor:
    """Converts a value to a dense tensor of the backend.

    Unlike `keras.ops.convert_to_tensor`, it returns the value of a variable on TensorFlow, and
    makes sparse tensors dense.

    Raises:
        ValueError: For a ragged tensor.
    """
    if _IS_TENSORFLOW and getattr(value, "ragged_rank", None):
        raise ValueError(
            "Tensors must not be ragged; `tensor.to_tensor()` fills up the rows. "
            f"Received: {type(value).__name__} of shape {tuple(value.shape)}"
        )
    tensor = ops.convert_to_tensor(value, dtype=dtype, sparse=False)
    if _IS_TENSORFLOW:
        import tensorflow as tf

        if isinstance(tensor, (tf.Variable, keras.Variable)):
            return tf.convert_to_tensor(tensor)
    if _IS_TORCH and getattr(tensor, "is_sparse", False):
        return tensor.to_dense()
    return tensor


def constant_like(values: NDArray, like: Tensor) -> Tensor:
    """Converts an array that a loss or layer keeps to a tensor of the type of another one.

    PyTorch's compiler does not support the conversion of `keras.ops`.
    """
    if not _IS_TORCH:
        return ops.convert_to_tensor(values, dtype=like.dtype)
    import torch

    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def is_compiling() -> bool:
    """Returns whether PyTorch's compiler traces the call."""
    if not _IS_TORCH:
        return False
    import torch

    return torch.compiler.is_compiling()


def read_outside_graphs(variable: keras.Variable) -> int | None:
    """Returns the value of an integer variable, also while a model is built in a graph."""
    try:
        if _IS_TENSORFLOW:
            import tensorflow as tf

            with tf.init_scope():
                return int(variable.value.numpy())
        # In a stateless scope of JAX, `value` is a tracer.
        return int(np.asarray(ops.convert_to_numpy(variable._value)))
    except Exception:  # a variable of several devices
        return None


def assign_in_step(variable: keras.Variable, value: Tensor) -> None:
    """Assigns a value that a training step has computed.

    Raises:
        ValueError: In a training step of JAX whose state is not passed on by Keras.
    """
    before = variable._value
    variable.assign(value)
    if keras.backend.backend() != "jax":
        return
    import jax

    # In a stateless scope, the variable itself keeps its value.
    if isinstance(variable._value, jax.core.Tracer):
        variable._value = before
        raise ValueError(
            f"The loss must be computed by `model.stateless_compute_loss` in a training step of "
            f"one's own, because it changes the weight {variable.path!r}. Received: a call of the "
            "loss in a function that JAX traces"
        )


def count_replicas() -> int:
    """Returns the number of replicas of TensorFlow's strategy, over which Keras averages losses."""
    if not _IS_TENSORFLOW:
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def sum_over_replicas(value: Tensor) -> Tensor:
    """Sums a tensor over the replicas of a strategy of TensorFlow, or the processes of PyTorch.

    It returns others unchanged: JAX computes with the batch of all devices.
    """
    if not _IS_TENSORFLOW:
        return sum_over_processes(value)
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def any_true(condition: Tensor) -> bool | None:
    """Returns whether any element is true, or `None` in a graph, where values are not known yet."""
    if is_compiling():
        return None
    try:
        return bool(ops.any(condition))
    except (TypeError, RuntimeError):
        # TensorFlow and JAX report a traced tensor by a TypeError, PyTorch a tensor without values
        # by a RuntimeError. Any other error will be raised again when the values are used.
        return None


def raise_if_any(invalid: Tensor, message: str, values: Tensor, options: str = "") -> Tensor | None:
    """Raises a ValueError if any element of `invalid` is true.

    A graph of TensorFlow raises an `InvalidArgumentError` when it runs. Other graphs, and XLA,
    cannot raise.

    Args:
        invalid: Boolean tensor.
        message: The beginning of the message.
        values: The tensor to describe in the message.
        options: The options that apply, for the message.

    Returns:
        `invalid` in a graph; `None` in an eager call.
    """
    is_any_invalid = any_true(invalid)
    if is_any_invalid:
        received = ", ".join(filter(None, (describe_tensor(values), options)))
        raise ValueError(f"{message} Received: {received}")
    if is_any_invalid is None:
        _assert_in_graph(invalid, message, values)
        return invalid
    return None


def _assert_in_graph(invalid: Tensor, message: str, values: Tensor) -> None:
    if not _IS_TENSORFLOW:
        return
    import tensorflow as tf

    if not tf.is_symbolic_tensor(invalid):
        return
    # The predictions of a batch would have to be copied from a GPU in each step.
    is_small = len(values.shape) == len(invalid.shape)
    received = values if is_small else f"{values.dtype.name} values of shape {values.shape}"
    # `tf.debugging.Assert` would add a conditional, which takes longer. XLA ignores assertions.
    is_valid = tf.logical_not(tf.reduce_any(invalid))
    message = f"{message} `keras_noisy.explain(model, x, y)` names the samples. Received:"
    tf.raw_ops.Assert(condition=is_valid, data=[message, received], summarize=8)


def describe_tensor(values: Tensor) -> str:
    """Describes the type, shape and range of a concrete tensor, for error messages."""
    dtype = keras.backend.standardize_dtype(values.dtype)
    while hasattr(values, "primal"):  # JAX differentiates the values
        values = values.primal
    array = ops.convert_to_numpy(values)
    text = f"{dtype} values of shape {array.shape}"
    missing = int(np.sum(array != array))
    if missing == array.size:
        return f"{text}, all of them NaN"
    text += f" from {np.nanmin(array):g} to {np.nanmax(array):g}"
    return f"{text}, {missing} of them NaN" if missing else text


def while_any(
    condition: Callable[..., Tensor],
    body: Callable[..., tuple[Tensor, ...]],
    state: tuple[Tensor, ...],
    max_iterations: int,
) -> tuple[Tensor, ...]:
    """Repeats `body` while `condition` is true for any element.

    Uses `keras.ops.while_loop` in the graphs of TensorFlow and JAX. A graph of PyTorch, which has
    no such loop, always makes `max_iterations` iterations.
    """
    for _ in range(max_iterations):
        is_true = any_true(condition(*state))
        if is_true is None and not _IS_TORCH:
            return ops.while_loop(
                lambda *state: ops.any(condition(*state)),
                body,
                state,
                maximum_iterations=max_iterations,
            )
        if is_true is False:
            break
        state = body(*state)
    return state


def outside_graphs(function: Callable) -> Callable:
    """Decorates a function that needs attributes of tensors, which PyTorch's compiler loses."""
    if not _IS_TORCH:
        return function
    import torch

    return torch.compiler.disable(function)  # type: ignore[no-untyped-call]


def constant_in_graphs(function: Callable[[int], float]) -> Callable[[int], float]:
    """Decorates a function of an integer, so that a graph contains its result and not its steps."""
    if not _IS_TORCH:
        return function
    import torch

    # The compiler treats text as a constant; it would turn a float into a symbol.
    text = torch.compiler.assume_constant_result(  # type: ignore[no-untyped-call]
        lambda count: repr(function(count))
    )
    # The length of a range is a plain integer, even if the number of classes is a symbol.
    return lambda count: float(text(len(range(count))))
