"""What differs between backends: eager calls and graphs that are being traced, attributes of tensors.

`keras.ops` has nothing to say about it. TensorFlow and JAX answer by an exception. PyTorch's compiler
would rather trace the question itself, so it has to be asked. Backends are
named here, in custom_gradient.py, and where one has a faster way: log_prob.py and class_chunks.py.
"""

import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_IS_TORCH = keras.backend.backend() == "torch"


def any_of(condition: Any) -> bool | None:
    """Whether `condition` holds anywhere; None in a graph, where its values are not known yet."""
    if _IS_TORCH:
        import torch

        if torch.compiler.is_compiling():
            return None
    try:
        return bool(ops.any(condition))
    except (TypeError, RuntimeError):
        # "This is being traced", in the words of TensorFlow and JAX (TypeError) and of PyTorch's
        # tensors without values (RuntimeError). What else is wrong will show when they are used.
        return None


def refuse(wrong: Any, message: Callable[[], str]) -> Any:
    """Raises a ValueError if `wrong` holds anywhere. In a graph, which can't raise, returns `wrong`.

    None where an eager call has shown that nothing is wrong.
    """
    is_any_wrong = any_of(wrong)
    if is_any_wrong:
        raise ValueError(message())
    return wrong if is_any_wrong is None else None


def while_any(
    condition: Callable[..., Any],
    body: Callable[..., tuple[Any, ...]],
    state: tuple[Any, ...],
    at_most: int,
) -> tuple[Any, ...]:
    """Repeats as long as the condition holds anywhere: in a graph by `keras.ops.while_loop`.

    In PyTorch's graphs, which know no such loop, `at_most` times.
    """
    for _ in range(at_most):
        holds = any_of(condition(*state))
        if holds is None and not _IS_TORCH:
            return ops.while_loop(
                lambda *state: ops.any(condition(*state)), body, state, maximum_iterations=at_most
            )
        if holds is False:
            break
        state = body(*state)
    return state


def outside_graphs(function: Callable) -> Callable:
    """Decorates a function that attaches something or looks for it: PyTorch's compiler forgets it."""
    if not _IS_TORCH:
        return function
    import torch

    return torch.compiler.disable(function)  # type: ignore[no-untyped-call]


def attach(tensor: Any, name: str, value: Any) -> None:
    """Attaches a value to a tensor, for as long as that lives."""
    try:
        setattr(tensor, name, value)
    except AttributeError:  # JAX and NumPy
        key = (name, id(tensor))
        if key not in _attached:
            weakref.finalize(tensor, _attached.pop, key, None).atexit = False
        _attached[key] = value
    if (primal := getattr(tensor, "primal", None)) is not None:
        # What JAX differentiates is known by another name outside.
        attach(primal, name, value)


def attached(tensor: Any, name: str) -> Any:
    """What is attached to a tensor, or None."""
    return getattr(tensor, name, None) or _attached.get((name, id(tensor)))


_attached: dict[tuple[str, int], Any] = {}


def constant_in_graphs(function: Callable[[int], float]) -> Callable[[int], float]:
    """Decorates a function of a count, so that a graph holds its result and not its steps."""
    if not _IS_TORCH:
        return function
    import torch

    # As text, which the compiler takes for a constant; a float it would make a symbol.
    text = torch.compiler.assume_constant_result(  # type: ignore[no-untyped-call]
        lambda count: repr(function(count))
    )
    # A range has a length that is a plain number, also where the number of classes is a symbol.
    return lambda count: float(text(len(range(count))))
