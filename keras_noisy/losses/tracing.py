"""What differs between an eager call and a graph that is being traced.

`keras.ops` has nothing to say about it. TensorFlow and JAX answer by an exception. PyTorch's compiler
would rather trace the question itself, so it has to be asked: the only place that names a backend.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_IS_TORCH = keras.backend.backend() == "torch"


def is_known_and_any(condition: Any) -> bool:
    """Whether `condition` holds anywhere; False in a graph, where its values are not known yet."""
    if _IS_TORCH:
        import torch

        if torch.compiler.is_compiling():
            return False
    try:
        return bool(ops.any(condition))
    except (TypeError, RuntimeError):  # the backends' own ways to say "this is being traced"
        return False


def constant_in_graphs(function: Callable[..., float]) -> Callable[..., float]:
    """Decorates a function of Python numbers, so that a graph holds its result and not its steps."""
    if not _IS_TORCH:
        return function
    import torch

    # As text, which the compiler takes for a constant; a float it would make a symbol.
    text = torch.compiler.assume_constant_result(  # type: ignore[no-untyped-call]
        lambda *args: repr(function(*args))
    )
    return lambda *args: float(text(*args))
