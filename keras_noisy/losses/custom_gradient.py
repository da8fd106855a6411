"""Gradients of our own, where the one that a backend derives is slower, or has lost its digits."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_noisy._typing import Tensor

# Inputs to a value, and a function from the gradient of what follows to those of the inputs.
Function = Callable[..., tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]]


def custom_gradient(function: Function) -> Callable[..., Tensor]:
    """Decorates a function of tensors that returns its value and its gradient function.

    As `keras.ops.custom_gradient`, which on PyTorch calls the gradient function with the inputs, too.
    """

    def on_all_backends(*inputs: Tensor) -> Any:
        value, gradient = function(*inputs)

        def of_inputs(*arguments: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            return gradient(arguments[0] if upstream is None else upstream)

        return value, of_inputs

    return ops.custom_gradient(on_all_backends)


def custom_row_gradient(function: Function) -> Callable[..., Tensor]:
    """Decorates such a function if it acts on each element, or turns rows (…, K) into columns (…, 1).

    Its gradient must be linear in that of what follows, and is None for an input that has none. Unlike
    others, on JAX it is derived forwards, too, and a model that is being built of symbols gets the
    value.
    """
    backends = {"jax": _on_jax, "tensorflow": custom_gradient, "torch": _on_torch}
    with_gradient = backends.get(keras.backend.backend(), _without)(function)

    def of(*inputs: Tensor) -> Tensor:
        is_symbolic = any(keras.utils.is_keras_tensor(x) for x in inputs)
        return function(*inputs)[0] if is_symbolic else with_gradient(*inputs)

    return of


def _without(function: Function) -> Callable[..., Tensor]:
    return lambda *inputs: function(*inputs)[0]


def _on_torch(function: Function) -> Callable[..., Tensor]:
    import torch

    class Derived(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Tensor) -> Tensor:
            return function(*inputs)[0]

        @staticmethod
        def setup_context(context: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            context.save_for_backward(*inputs)

        @staticmethod
        def backward(context: Any, upstream: Tensor) -> tuple[Tensor, ...]:
            # Anew, so that PyTorch sees what it is made of if it is to derive it once more.
            _, gradient = function(*context.saved_tensors)
            return gradient(upstream)

    def of(*inputs: Tensor) -> Tensor:
        # PyTorch's compiler stumbles over functions of which no gradient is asked.
        is_derived = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
        derived: Any = Derived.apply
        return derived(*inputs) if is_derived else function(*inputs)[0]

    return of


def _on_jax(function: Function) -> Callable[..., Tensor]:
    import jax

    @jax.custom_jvp
    def value_of(*inputs: Tensor) -> Tensor:
        return function(*inputs)[0]

    @value_of.defjvp
    def derivative(inputs: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple:
        value, gradient = function(*inputs)
        change = ops.zeros_like(value)
        for slope, tangent in zip(gradient(ops.ones_like(value)), tangents, strict=True):
            if slope is not None:
                part = slope * tangent
                is_row = part.shape != value.shape
                change += ops.sum(part, axis=-1, keepdims=True) if is_row else part
        return value, change

    return value_of
