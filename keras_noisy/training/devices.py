"""One training on several devices, on one machine or more."""

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import keras

from keras_noisy._arguments import check_integer

# Within it, processes notice that another one is gone; JAX's own default is 100.
_HEARTBEAT_SECONDS = 20
_BATCH, _CLASSES = "batch", "classes"


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices that a training runs on, as `use_devices` found them.

    Attributes:
        count: Number of devices, those of all processes.
        process: Which of the processes this is, counted from 0.
        num_processes: Number of processes.
        strategy: The `tf.distribute.Strategy` on TensorFlow, if there are several devices.
    """

    count: int = 1
    process: int = 0
    num_processes: int = 1
    strategy: Any = None

    def scope(self) -> AbstractContextManager:
        """What the model is built and compiled in."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def batch_options(self, batch_size: int) -> dict[str, Any]:
        """What a pipeline, or `ShuffledBatches`, has to be told to give `batch_size` samples to all of them.

        Raises:
            ValueError: If a batch can't be shared equally.
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
        """Makes batch normalisation one over all devices; on JAX it is already. Returns the model."""
        if self.strategy is not None:
            for layer in _layers(model):
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True
        return model


def use_devices(
    count: int | None = None,
    class_shards: int = 1,
    coordinator: str | None = None,
    num_processes: int = 1,
    process: int = 0,
) -> Devices:
    """Distributes the training that follows over several devices, with the engine of the backend.

    Each device gets a part of each batch, and the weights stay the same on all: on TensorFlow by
    `tf.distribute.MirroredStrategy`, on JAX by `keras.distribution.DataParallel`. On JAX there may be several
    processes, one for each machine, which are connected by `jax.distributed`; and the layer `"logits"`, which has
    most of the weights if there are very many classes, may be split by classes
    (`keras.distribution.ModelParallel`). Keras has no such engine for PyTorch.

    Call it before anything is computed. With one device nothing is distributed.

    Args:
        count: Number of devices of this machine. Without a GPU or TPU, the processor is split into as many, to
            try things out. Defaults to `None`: all GPUs or TPUs, or one processor.
        class_shards: Number of parts in which the layer `"logits"` is split; a divisor of the number of devices.
            Defaults to `1`.
        coordinator: Address `"host:port"` of the first process; the same in all processes. Defaults to
            `None`.
        num_processes: Number of processes that train together. Defaults to `1`.
        process: The number of this process, counted from 0. Defaults to `0`.

    Returns:
        A `Devices`.

    Raises:
        ValueError: If an argument is out of its range, or the backend can't do it.

    Example:

    >>> from keras_noisy.training import use_devices
    >>> devices = use_devices(count=1)
    >>> devices.batch_options(batch_size=128)["batch_size"]
    128
    >>> with devices.scope():
    ...     pass  # build and compile the model
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
        # Saving would need parts that are with other processes.
        raise ValueError(
            "`class_shards` must be 1 for several processes. "
            f"Received: class_shards={class_shards}, num_processes={num_processes}"
        )
    backend = keras.backend.backend()
    if backend != "jax" and (class_shards > 1 or num_processes > 1):
        raise ValueError(
            "`class_shards` and `num_processes` must be 1 on all backends but JAX. Received: "
            f"class_shards={class_shards}, num_processes={num_processes} on {backend}"
        )
    if backend == "jax":
        return _use_jax(count, class_shards, coordinator, num_processes, process)
    if backend == "tensorflow":
        return _use_tensorflow(count)
    if count not in (None, 1):
        raise ValueError(f"`count` must be 1 on this backend. Received: count={count} on {backend}")
    return Devices()


@contextlib.contextmanager
def this_process_alone() -> Iterator[None]:
    """What is computed in it, such as what Keras does to save a model, waits for no other process."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def _use_jax(
    count: int | None, class_shards: int, coordinator: str | None, num_processes: int, process: int
) -> Devices:
    jax: Any = importlib.import_module("jax")
    if count is not None and count > 1:
        with contextlib.suppress(RuntimeError):  # too late; then there are what there are
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
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and count is not None and count > 1:
        (processor,) = tf.config.list_physical_devices("CPU")
        with contextlib.suppress(RuntimeError):  # too late; then there are what there are
            tf.config.set_logical_device_configuration(
                processor, [tf.config.LogicalDeviceConfiguration()] * count
            )
    available = len(tf.config.list_logical_devices(kind))
    if count is None:
        count = available if kind == "GPU" else 1
    _check_count(count, available)
    if count == 1:
        return Devices()
    names = [f"/{kind}:{i}" for i in range(count)]
    return Devices(count, strategy=tf.distribute.MirroredStrategy(names))


def _check_count(count: int, available: int) -> None:
    if count > available:
        raise ValueError(
            f"`count` must be at most {available}, the number of devices. Received: count={count}"
        )


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
