"""Differences between eager execution and traced graphs that `keras.ops` does not cover.

TensorFlow and JAX raise an exception when the value of a traced tensor is needed. PyTorch's
compiler would trace the question itself, so it has to be asked whether it is compiling.
"""

from collections.abc import Callable

import keras
from keras import ops

from keras_noisy._typing import Tensor

_IS_TORCH = keras.backend.backend() == "torch"


def any_true(condition: Tensor) -> bool | None:
    """Returns whether any element is true, or `None` in a graph, where values are not known yet."""
    if _IS_TORCH:
        import torch

        if torch.compiler.is_compiling():
            return None
    try:
        return bool(ops.any(condition))
    except (TypeError, RuntimeError):
        # TensorFlow and JAX report a traced tensor by a TypeError, PyTorch a tensor without values
        # by a RuntimeError. Any other error will be raised again when the values are used.
        return None


def raise_if_any(invalid: Tensor, message: Callable[[], str]) -> Tensor | None:
    """Raises a ValueError if any element of `invalid` is true.

    Returns:
        `invalid` in a graph, which can't raise; `None` in an eager call.
    """
    is_any_invalid = any_true(invalid)
    if is_any_invalid:
        raise ValueError(message())
    return invalid if is_any_invalid is None else None


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
