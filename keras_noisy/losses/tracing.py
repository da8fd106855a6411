"""What differs between an eager call and a graph that is being traced.

`keras.ops` has nothing to say about it. TensorFlow and JAX answer by an exception. PyTorch's compiler
would rather trace the question itself, so it has to be asked. Beside the choice of a kernel in
log_prob.py this is the only place that names a backend.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_IS_TORCH = keras.backend.backend() == "torch"


def is_known_and_any(condition: Any) -> bool:
    """Whether `condition` holds anywhere; False in a graph, where its values are not known yet."""
    return _is_any(condition) is True


def is_known(tensor: Any) -> bool:
    """Whether the values of a tensor are known, in an eager call, and not only in a graph."""
    if _IS_TORCH:
        import torch

        return not torch.compiler.is_compiling()  # without asking for the values
    return _is_any(tensor) is not None


def _is_any(condition: Any) -> bool | None:
    """None if it is not known."""
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
