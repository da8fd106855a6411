"""Arguments and properties of devices; tests/recipes/test_train.py trains on several of them."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_noisy.training import Devices, use_devices, without_distribution

BACKEND = keras.backend.backend()


# Arguments


@pytest.mark.parametrize("count", [None, 1])
def test_one_device_is_not_distributed(count):
    devices = use_devices(count)
    assert devices == Devices(count=1, process=0, num_processes=1, strategy=None)
    assert keras.distribution.distribution() is None
    with devices.scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert devices.prepare(model) is model
    assert not model.layers[0].synchronized


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "`count` must be None or an integer of at least 1. Received: count=0"),
        ({"count": "2"}, "`count` must be None or an integer of at least 1. Received: count='2'"),
        (
            {"class_shards": 0},
            "`class_shards` must be an integer of at least 1. Received: class_shards=0",
        ),
        (
            {"num_processes": -1},
            "`num_processes` must be an integer of at least 1. Received: num_processes=-1",
        ),
        (
            {"process": 1},
            "`process` must be less than `num_processes`. Received: process=1, num_processes=1",
        ),
        (
            {"process": -1, "num_processes": 2, "coordinator": "localhost:1"},
            "`process` must be an integer of at least 0. Received: process=-1",
        ),
        ({"num_processes": 2}, "`coordinator` must be given for several processes. Received: None"),
        (
            {"num_processes": 2, "class_shards": 2, "coordinator": "localhost:1"},
            "`class_shards` must be 1 for several processes. "
            "Received: class_shards=2, num_processes=2",
        ),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        use_devices(**arguments)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX supports it")
def test_layers_are_split_on_jax_only():
    message = "`class_shards` must be 1 on all backends but JAX. Received: class_shards=2 on "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}{BACKEND}$"):
        use_devices(class_shards=2)


@pytest.mark.tensorflow
def test_tensorflow_trains_in_one_process():
    message = (
        "`num_processes` must be 1 on all backends but JAX and PyTorch. "
        "Received: num_processes=2 on tensorflow"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        use_devices(num_processes=2, coordinator="localhost:1")


def test_more_devices_than_there_are():
    """After the first computation, the CPU can't be split into more devices."""
    keras.ops.convert_to_numpy(keras.ops.zeros(1))
    available = {"tensorflow": 2, "jax": 1, "torch": 1}[BACKEND]
    message = {
        "torch": "`count` must be 1 on PyTorch, where `torchrun` starts a process for each "
        "device. Received: count=3",
    }.get(BACKEND, f"`count` must be at most {available}, the number of devices. Received: count=3")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        use_devices(3)
    assert keras.distribution.distribution() is None


# Batches


@pytest.mark.backend_free
def test_batch_options():
    one = {"batch_size": 12, "worker": 0, "num_workers": 1, "whole_batches": False}
    assert Devices().batch_options(12) == one
    assert Devices(4).batch_options(12) == one | {"whole_batches": True}
    # The strategy divides batches of any size.
    assert Devices(4, strategy="mirrored").batch_options(12) == one
    several = Devices(count=6, process=1, num_processes=3)
    expected = {"batch_size": 4, "worker": 1, "num_workers": 3, "whole_batches": True}
    assert several.batch_options(12) == expected


@pytest.mark.backend_free
@pytest.mark.parametrize("batch_size", [3, 5, 10])
def test_batches_are_divided_equally(batch_size):
    message = "`batch_size` must be a multiple of the number of devices, 4. Received: batch_size="
    with pytest.raises(ValueError, match=f"^{message}{batch_size}$"):
        Devices(count=4, num_processes=2).batch_options(batch_size)


# TensorFlow


def nested_model():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    inputs = keras.Input((2,))
    x = keras.layers.Dense(2)(inner(inputs))
    return keras.Model(inputs, keras.layers.BatchNormalization()(x))


@pytest.mark.tensorflow
def test_batch_normalisation_is_synchronised_over_two_devices():
    """test_train.py shows, in processes of its own, that the training is that of one device."""
    devices = use_devices(2)
    assert (devices.count, devices.strategy.num_replicas_in_sync) == (2, 2)
    assert devices.batch_options(8)["whole_batches"] is False
    with devices.scope():
        model = devices.prepare(nested_model())
        model.compile(keras.optimizers.SGD(0.1), "mse")
    norms = [model.layers[1].layers[0], model.layers[-1]]
    assert [norm.synchronized for norm in norms] == [True, True]


# JAX

ON_FOUR = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import keras
from keras_noisy.training import use_devices
devices = use_devices(4, class_shards={shards})
assert (devices.count, devices.strategy) == (4, None), devices
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, name="logits")])
parts = [str(tuple(each.value.sharding.spec)) for each in model.weights]
print(keras.distribution.distribution().__class__.__name__, *parts, sep="|")
try:
    use_devices(4, class_shards=3)
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(BACKEND != "jax", reason="tests JAX")
def test_last_layer_is_split_by_classes():
    process = subprocess.run(
        [sys.executable, "-c", ON_FOUR.format(shards=2)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    first, second = process.stdout.splitlines()
    assert first == "ModelParallel|(None, 'classes')|('classes',)"
    expected = "`class_shards` must divide the number of devices, 4. Received: class_shards=3"
    assert second == expected


# PyTorch


@pytest.mark.skipif(BACKEND == "torch", reason="tests the other backends")
def test_torchrun_needs_pytorch(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    message = "`KERAS_BACKEND` must be torch for processes that `torchrun` starts. Received: "
    with pytest.raises(ValueError, match=f"^{message}{BACKEND}$"):
        use_devices()


@pytest.mark.skipif(BACKEND != "torch", reason="tests PyTorch")
def test_two_processes_train_as_one():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{listening.getsockname()[1]}"
    script = Path(__file__).with_name("two_processes.py")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    processes = [
        subprocess.Popen([sys.executable, script, coordinator, str(index)], **pipes)
        for index in range(2)
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=240)
            assert process.returncode == 0, output
            assert output.endswith("equal\n")
    finally:
        for process in processes:
            process.kill()


@pytest.mark.skipif(BACKEND != "torch", reason="tests PyTorch")
def test_one_process_of_torchrun_is_not_distributed(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert use_devices() == Devices()


@pytest.mark.skipif(BACKEND != "torch", reason="tests PyTorch")
def test_each_process_has_a_gpu(monkeypatch):
    import torch

    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, **_: chosen.append(backend)
    )
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert use_devices() == Devices(count=4, process=3, num_processes=4)
    assert chosen == [1, "nccl"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    message = "`LOCAL_RANK` must be less than the number of GPUs, 2, .*Received: LOCAL_RANK=2$"
    with pytest.raises(ValueError, match=message):
        use_devices()


# Without distribution


def test_distribution_is_suspended_and_restored(monkeypatch):
    found = ["of several processes"]
    monkeypatch.setattr(keras.distribution, "distribution", lambda: found[-1])
    monkeypatch.setattr(keras.distribution, "set_distribution", found.append)

    def fail():
        with without_distribution():
            assert found[-1] is None
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found[-1] == "of several processes"
