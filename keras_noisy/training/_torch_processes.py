"""Training in several processes on PyTorch, each of which computes a part of each batch.

The parts have the same size, so that a mean over the batch is the mean of the means of the
processes. The processes exchange values by `torch.distributed`. This module needs PyTorch.
"""

import atexit
import functools
import os
from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import distributed

from keras_noisy._core.model_layers import find_layers
from keras_noisy._core.processes import count_processes, sum_over_processes
from keras_noisy._core.tracing import outside_graphs


def connect(coordinator: str | None, num_processes: int, process: int) -> tuple[int, int]:
    """Connects the processes, if there are several, and chooses the GPU of this one.

    Args:
        coordinator: Address of the first process, or `None` to use what `torchrun` has set.
        num_processes: Number of processes. Unused without a coordinator.
        process: Index of this process. Unused without a coordinator.

    Returns:
        The index of this process, and the number of processes.
    """
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    if coordinator is None:
        num_processes = int(os.environ.get("WORLD_SIZE", "1"))
        process = int(os.environ.get("RANK", "0"))
    if num_processes == 1:
        return 0, 1
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        _choose_gpu(process)
    distributed.init_process_group(
        "nccl" if has_gpu else "gloo",
        init_method="env://" if coordinator is None else f"tcp://{coordinator}",
        world_size=num_processes,
        rank=process,
    )
    atexit.register(_disconnect)
    return process, num_processes


def synchronise(model: keras.Model) -> None:
    """Makes all processes train a model together.

    All get the weights of the first process. From then on, gradients are averaged over the
    processes, batch normalisation uses the statistics of all of them, and so do metrics.
    """
    for variable in model.variables:
        distributed.broadcast(variable.value.detach(), src=0)
    for variable in model.weights:
        if variable.value.is_floating_point():
            _average_gradients(variable.value)
    for layer in find_layers(model, keras.layers.BatchNormalization):
        # Keras has no synchronised statistics on PyTorch, and no public method to override.
        layer._moments = functools.partial(_compute_moments, layer._moments)
    model.get_metrics_result = functools.partial(_compute_metrics, model, model.get_metrics_result)


def _choose_gpu(process: int) -> None:
    """Sets the GPU that PyTorch and Keras use in this process."""
    available = torch.cuda.device_count()
    gpu = int(os.environ.get("LOCAL_RANK", process % available))
    if gpu >= available:
        raise ValueError(
            f"`LOCAL_RANK` must be less than the number of GPUs, {available}, because each "
            f"process needs a GPU of its own. Received: LOCAL_RANK={gpu}"
        )
    torch.cuda.set_device(gpu)


def _disconnect() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _average(value: torch.Tensor) -> torch.Tensor:
    return sum_over_processes(value) / count_processes()


def _average_gradients(parameter: torch.nn.Parameter) -> None:
    """Averages the gradients of a parameter from now on, as soon as each is computed."""

    def average(parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        parameter.grad.copy_(_average(parameter.grad))

    # A layer that is frozen now may be trained later, but PyTorch refuses its parameters.
    is_trained = parameter.requires_grad
    parameter.requires_grad_(True)
    parameter.register_post_accumulate_grad_hook(average)  # type: ignore[no-untyped-call]
    parameter.requires_grad_(is_trained)


class _Average(torch.autograd.Function):
    """Averages a tensor over the processes, with the gradient of the mean of their losses."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return _average(value)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _average(gradient)


@outside_graphs
def _compute_moments(
    compute_here: Callable, inputs: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes mean and variance of the batch of all processes.

    Args:
        compute_here: The method of the layer, which uses the part of this process.
        inputs: The inputs of the layer.
        mask: The mask of the inputs, or `None`.
    """
    mean, variance = compute_here(inputs, mask)
    # Unlike samples, the positions that are not masked may differ in number between processes.
    count = 1.0 if mask is None else torch.count_nonzero(mask)
    parts = torch.stack([torch.ones_like(mean), mean, variance + mean**2])
    total, *sums = _Average.apply(count * parts)  # type: ignore[no-untyped-call]
    mean, square = (each / total.clamp(min=keras.config.epsilon()) for each in sums)
    return mean, square - mean**2


def _compute_metrics(model: keras.Model, compute_here: Callable[[], Any]) -> dict[str, Any]:
    """Computes the metrics of all processes; each of them goes on with its own state.

    Args:
        model: The compiled model.
        compute_here: The method of the model, which uses the state of this process.
    """
    if count_processes() == 1:
        return compute_here()
    states = [(variable, torch.clone(variable.value)) for variable in model.metrics_variables]
    for variable, state in states:
        variable.assign(sum_over_processes(state))
    # Copies: on PyTorch, a value that was read changes with the variable.
    results = keras.tree.map_structure(keras.ops.copy, compute_here())
    for variable, state in states:
        variable.assign(state)
    return results
