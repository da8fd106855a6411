"""Distributes a training over several devices, on one machine or more."""

import contextlib
import dataclasses
import functools
import importlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import keras

from keras_noisy._arguments import check_integer
from keras_noisy._core.model_layers import find_layers
from keras_noisy._core.processes import suspend_processes

# The time after which processes notice that another one has died. The default of JAX is 100.
_HEARTBEAT_SECONDS = 20
# Names of the axes of the device mesh.
_BATCH, _CLASSES = "batch", "classes"


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices that a training runs on, as `use_devices` returns them.

    Attributes:
        count: Number of devices of all processes together. Defaults to `1`.
        process: Index of this process, counted from 0. Defaults to `0`.
        num_processes: Number of processes. Defaults to `1`.
        strategy: The `tf.distribute.Strategy` on TensorFlow with several devices. Defaults to
            `None`.
    """

    count: int = 1
    process: int = 0
    num_processes: int = 1
    strategy: Any = None

    def scope(self) -> AbstractContextManager:
        """Returns the context in which the model must be built and compiled."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def batch_options(self, batch_size: int) -> dict[str, Any]:
        """Returns the arguments with which a pipeline, or `ShuffledBatches`, feeds all devices.

        Args:
            batch_size: Number of samples of a batch, for all devices together.

        Returns:
            Dictionary with `batch_size`, `worker`, `num_workers` and `whole_batches`.

        Raises:
            ValueError: If a batch can't be divided equally among the devices.
        """
        check_integer("batch_size", batch_size, 1)
        if batch_size % self.count:
            raise ValueError(
                f"`batch_size` must be a multiple of the number of devices, {self.count}. "
                f"Received: batch_size={batch_size}"
            )
        return {
            "batch_size": batch_size // self.num_processes,
            "worker": self.process,
            "num_workers": self.num_processes,
            "whole_batches": self.count > 1 and self.strategy is None,
        }

    def prepare(self, model: keras.Model) -> keras.Model:
        """Prepares a model so that its training equals that on one device.

        On TensorFlow, it synchronises batch normalisation over all devices; on JAX, it always is.
        On PyTorch with several processes, it gives all of them the weights of the first one, and
        from then on combines their gradients, batch statistics and metrics.

        Args:
            model: A model that is built in the scope, with all its layers.

        Returns:
            The same model.
        """
        if self.strategy is not None:
            for layer in find_layers(model, keras.layers.BatchNormalization):
                layer.synchronized = True
        elif keras.backend.backend() == "torch" and self.num_processes > 1:
            from keras_noisy.training import _torch_processes

            _torch_processes.synchronise(model)
        return model


def use_devices(
    count: int | None = None,
    class_shards: int = 1,
    coordinator: str | None = None,
    num_processes: int = 1,
    process: int = 0,
) -> Devices:
    """Distributes the following training over several devices, with the means of the backend.

    Each device gets a part of each batch, and all devices hold the same weights: on TensorFlow by
    `tf.distribute.MirroredStrategy`, on JAX by `keras.distribution.DataParallel`. On JAX, there
    may be several processes, one for each machine, which are connected by `jax.distributed`. The
    layer `"logits"`, which holds most of the weights if there are very many classes, may be split
    by classes on JAX (`keras.distribution.ModelParallel`).

    On PyTorch, each device has a process of its own, on one machine or more. Start the processes by
    `torchrun`, which tells them all that they need. They are connected by `torch.distributed`,
    with NCCL on GPUs and Gloo on CPUs.

    Call this function before anything is computed. With one device, nothing is distributed.

    Args:
        count: Number of devices of this process, which is 1 on PyTorch. Without a GPU or TPU, the
            CPU is split into as many virtual devices, for tests. Defaults to `None`: all GPUs or
            TPUs, or else one CPU.
        class_shards: Number of parts into which the layer `"logits"` is split, a divisor of the
            number of devices. Defaults to `1`.
        coordinator: Address `"host:port"` of the first process, the same in all processes. Required
            if there are several, unless `torchrun` has started them. Defaults to `None`.
        num_processes: Number of processes that train together. Defaults to `1`.
        process: Index of this process, counted from 0. Defaults to `0`.

    Returns:
        A `keras_noisy.training.Devices`.

    Raises:
        ValueError: If an argument is out of its range, or the backend doesn't support it.

    Example:

    >>> from keras_noisy.training import use_devices
    >>> devices = use_devices(count=1)
    >>> devices.batch_options(batch_size=128)["batch_size"]
    128
    >>> with devices.scope():
    ...     pass  # Build and compile the model here.
    """
    check_integer("count", count, 1, or_none=True)
    check_integer("class_shards", class_shards, 1)
    check_integer("num_processes", num_processes, 1)
    check_integer("process", process, 0)
    if process >= num_processes:
        raise ValueError(
            "`process` must be less than `num_processes`. "
            f"Received: process={process!r}, num_processes={num_processes!r}"
        )
    if num_processes > 1 and coordinator is None:
        raise ValueError("`coordinator` must be given for several processes. Received: None")
    if num_processes > 1 and class_shards > 1:
        # A process could not save the parts of the weights that other processes hold.
        raise ValueError(
            "`class_shards` must be 1 for several processes. "
            f"Received: class_shards={class_shards}, num_processes={num_processes}"
        )
    backend = keras.backend.backend()
    if backend != "torch" and "TORCHELASTIC_RUN_ID" in os.environ:
        # Otherwise, each process would do the same training, unnoticed.
        raise ValueError(
            "`KERAS_BACKEND` must be torch for processes that `torchrun` starts. "
            f"Received: {backend}"
        )
    if backend != "jax" and class_shards > 1:
        raise ValueError(
            "`class_shards` must be 1 on all backends but JAX. "
            f"Received: class_shards={class_shards} on {backend}"
        )
    if backend == "jax":
        return _use_jax(count, class_shards, coordinator, num_processes, process)
    if backend == "torch":
        return _use_torch(count, coordinator, num_processes, process)
    if num_processes > 1:
        raise ValueError(
            "`num_processes` must be 1 on all backends but JAX and PyTorch. "
            f"Received: num_processes={num_processes} on {backend}"
        )
    return _use_tensorflow(count)


def without_distribution() -> AbstractContextManager[None]:
    """Suspends the distribution of Keras, for code that only one of several processes runs.

    After `use_devices` on JAX, Keras distributes computations over all processes. If only one of
    them saves a model, for example, it would wait for the others. Within this context, there is no
    distribution. Afterwards, the previous one is set again, also if the code raises an exception.
    On PyTorch, a model that `Devices.prepare` returned would wait likewise, for example when it is
    evaluated.

    Returns:
        A context manager.

    Example:

    >>> import pathlib, tempfile
    >>> import keras
    >>> from keras_noisy.training import use_devices, without_distribution
    >>> devices = use_devices(count=1)
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.keras"
    ...     if devices.process == 0:
    ...         with without_distribution():
    ...             model.save(path)
    ...     path.exists()
    True
    """
    return _suspend_distribution()


@contextlib.contextmanager
def _suspend_distribution() -> Iterator[None]:
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        with suspend_processes():
            yield
    finally:
        keras.distribution.set_distribution(distribution)


def _use_jax(
    count: int | None, class_shards: int, coordinator: str | None, num_processes: int, process: int
) -> Devices:
    """Connects the processes and sets the distribution of Keras for several devices."""
    jax: Any = importlib.import_module("jax")
    if count is not None and count > 1:
        # The number can't change after the first computation.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", count)
    if num_processes > 1:
        jax.distributed.initialize(
            coordinator, num_processes, process, heartbeat_timeout_seconds=_HEARTBEAT_SECONDS
        )
    if count is None:
        count = 1 if jax.default_backend() == "cpu" else jax.local_device_count()
    _check_count(count, jax.local_device_count())
    found = [
        f"{device.platform}:{device.id}"
        for worker in range(num_processes)
        for device in jax.local_devices(worker)[:count]
    ]
    if len(found) % class_shards:
        raise ValueError(
            f"`class_shards` must divide the number of devices, {len(found)}. "
            f"Received: class_shards={class_shards}"
        )
    if class_shards > 1:
        mesh = keras.distribution.DeviceMesh(
            (len(found) // class_shards, class_shards), [_BATCH, _CLASSES], found
        )
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*logits/kernel"] = (None, _CLASSES)
        layout[".*logits/bias"] = (_CLASSES,)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(
                layout_map=layout, batch_dim_name=_BATCH, auto_shard_dataset=False
            )
        )
    elif len(found) > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=found, auto_shard_dataset=False)
        )
    return Devices(len(found), process, num_processes)


def _use_tensorflow(count: int | None) -> Devices:
    """Creates a `MirroredStrategy` for several devices."""
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and count is not None and count > 1:
        (processor,) = tf.config.list_physical_devices("CPU")
        with contextlib.suppress(
            RuntimeError
        ):  # The number can't change after the first computation.
            tf.config.set_logical_device_configuration(
                processor, [tf.config.LogicalDeviceConfiguration()] * count
            )
    available = len(tf.config.list_logical_devices(kind))
    if count is None:
        count = available if kind == "GPU" else 1
    _check_count(count, available)
    if count == 1:
        return Devices()
    return Devices(count, strategy=_mirrored_strategy(kind, count))


@functools.cache
def _mirrored_strategy(kind: str, count: int) -> Any:
    """Creates the strategy for some devices, once for all trainings of the process.

    Each strategy numbers its collective operations from the same number. TensorFlow confuses those
    of two strategies, and the second training stops with a shape mismatch.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"/{kind}:{i}" for i in range(count)])


def _use_torch(
    count: int | None, coordinator: str | None, num_processes: int, process: int
) -> Devices:
    """Connects the processes, each of which has one device."""
    if count not in (None, 1):
        raise ValueError(
            "`count` must be 1 on PyTorch, where `torchrun` starts a process for each device. "
            f"Received: count={count}"
        )
    from keras_noisy.training import _torch_processes

    process, num_processes = _torch_processes.connect(coordinator, num_processes, process)
    return Devices(num_processes, process, num_processes)


def _check_count(count: int, available: int) -> None:
    """Raises a ValueError if there are fewer devices than the user asks for."""
    if count > available:
        raise ValueError(
            f"`count` must be at most {available}, the number of devices. Received: count={count}"
        )
