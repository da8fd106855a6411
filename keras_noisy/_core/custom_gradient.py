"""Functions with their own gradient, where the derived one is slower or less precise."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_noisy._typing import Tensor

# Maps inputs to a value and a gradient function, which maps the upstream gradient to those of the
# inputs.
Function = Callable[..., tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]]


def custom_gradient(function: Function) -> Callable[..., Tensor]:
    """Decorates a function of tensors that returns its value and its gradient function.

    It differs from `keras.ops.custom_gradient` in that the gradient function is called with the
    upstream gradient alone on all backends; Keras passes the inputs, too, on PyTorch.
    """

    def with_portable_gradient(*inputs: Tensor) -> Any:
        value, gradient = function(*inputs)

        def input_gradients(*arguments: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            return gradient(arguments[0] if upstream is None else upstream)

        return value, input_gradients

    return ops.custom_gradient(with_portable_gradient)


def custom_row_gradient(function: Function) -> Callable[..., Tensor]:
    """Decorates an elementwise function, or one that maps rows (…, K) to columns (…, 1).

    The function returns its value and its gradient function, as for `custom_gradient`. The gradient
    must be linear in the upstream gradient, and is `None` for an input without one. The decorated
    function supports forward-mode differentiation on JAX, and symbolic inputs of Keras.
    """
    backends = {"jax": _on_jax, "tensorflow": custom_gradient, "torch": _on_torch}
    with_gradient = backends.get(keras.backend.backend(), _value_only)(function)

    def call(*inputs: Tensor) -> Tensor:
        is_symbolic = any(keras.utils.is_keras_tensor(x) for x in inputs)
        return function(*inputs)[0] if is_symbolic else with_gradient(*inputs)

    return call


def _value_only(function: Function) -> Callable[..., Tensor]:
    return lambda *inputs: function(*inputs)[0]


def _on_torch(function: Function) -> Callable[..., Tensor]:
    import torch

    class Derived(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, *inputs: Tensor) -> Tensor:
            value, context.gradient = function(*inputs)
            context.save_for_backward(*inputs)
            # Not the tensor that the gradient function keeps, which would keep itself in memory.
            return value.detach()

        @staticmethod
        def backward(context: Any, upstream: Tensor) -> tuple[Tensor, ...]:
            inputs = context.saved_tensors
            # Let go, so that the first backward pass frees the memory.
            gradient, context.gradient = context.gradient, None
            if gradient is None or torch.is_grad_enabled():
                # Computed again, so that PyTorch can differentiate the gradient.
                _, gradient = function(*inputs)
            return gradient(upstream)

    class Transformed(torch.autograd.Function):
        """The form that `torch.func` and the compiler need; eager calls of it take longer."""

        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Tensor) -> Tensor:
            return function(*inputs)[0]

        @staticmethod
        def setup_context(context: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            context.save_for_backward(*inputs)

        @staticmethod
        def backward(context: Any, upstream: Tensor) -> tuple[Tensor, ...]:
            _, gradient = function(*context.saved_tensors)
            return gradient(upstream)

    def call(*inputs: Tensor) -> Tensor:
        # PyTorch's compiler fails on such functions where no gradient is needed.
        if not (torch.is_grad_enabled() and any(x.requires_grad for x in inputs)):
            return function(*inputs)[0]
        is_transformed = (
            torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        )
        derived: Any = Transformed.apply if is_transformed else Derived.apply
        return derived(*inputs)

    return call


def _on_jax(function: Function) -> Callable[..., Tensor]:
    import jax

    @jax.custom_jvp
    def value(*inputs: Tensor) -> Tensor:
        return function(*inputs)[0]

    @value.defjvp
    def derivative(inputs: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple:
        output, gradient = function(*inputs)
        change = ops.zeros_like(output)
        for slope, tangent in zip(gradient(ops.ones_like(output)), tangents, strict=True):
            if slope is not None:
                part = slope * tangent
                is_row = part.shape != output.shape
                change += ops.sum(part, axis=-1, keepdims=True) if is_row else part
        return output, change

    return value
