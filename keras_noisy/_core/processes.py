"""Sums over the processes that train together on PyTorch, where Keras has no distribution."""

import contextlib
from collections.abc import Iterator

import keras

from keras_noisy._typing import Tensor

_is_suspended = False


@contextlib.contextmanager
def suspend_processes() -> Iterator[None]:
    """Computes without the other processes within the context."""
    global _is_suspended
    before, _is_suspended = _is_suspended, True
    try:
        yield
    finally:
        _is_suspended = before


def count_processes() -> int:
    """Returns the number of processes in PyTorch's process group, 1 on other backends."""
    if keras.backend.backend() != "torch" or _is_suspended:
        return 1
    from torch import distributed

    is_used = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if is_used else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Sums a tensor over all processes, without a gradient."""
    if count_processes() == 1:
        return value
    from torch import distributed

    total = value.detach().clone().contiguous()
    distributed.all_reduce(total)
    return total
