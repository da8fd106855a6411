"""The precision that machines get, most of which are simulated."""

from types import SimpleNamespace

import keras
import pytest

from keras_noisy.training import precision, suitable_precision

BACKEND = keras.backend.backend()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (("cpu", ()), "float32"),
        (("cpu", (9, 0)), "float32"),
        (("tpu", ()), "mixed_bfloat16"),
        (("gpu", ()), "float32"),  # Not from NVIDIA.
        (("gpu", (6, 1)), "float32"),
        (("gpu", (7, 0)), "mixed_float16"),
        (("gpu", (7, 5)), "mixed_float16"),
        (("gpu", (8, 0)), "mixed_bfloat16"),
        (("gpu", (8, 9)), "mixed_bfloat16"),
        (("gpu", (10, 0)), "mixed_bfloat16"),
    ],
)
def test_by_device(device, expected, monkeypatch):
    monkeypatch.setattr(precision, "describe_device", lambda: device)
    assert suitable_precision() == expected
    keras.config.set_dtype_policy(expected)  # Keras accepts it.


def test_this_machine_computes_on_a_cpu():
    assert precision.describe_device()[0] == "cpu"
    assert suitable_precision() == "float32"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ("12.1", "mixed_bfloat16"),
        ("8.0", "mixed_bfloat16"),
        ("7.5", "mixed_float16"),
        ("6.1", "float32"),
        ("gfx90a", "float32"),
        (None, "float32"),
    ],
)
def test_what_the_backend_reports_of_a_gpu(capability, expected, monkeypatch):
    """JAX reports a text, also for AMD GPUs, TensorFlow and PyTorch numbers, or nothing at all."""
    is_number = capability is not None and capability[0].isdigit()
    numbers = tuple(map(int, capability.split("."))) if is_number else None
    if BACKEND == "jax":
        import jax

        told = {} if capability is None else {"compute_capability": capability}
        gpu = SimpleNamespace(platform="gpu", **told)
        monkeypatch.setattr(jax, "local_devices", lambda: [gpu])
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        details = {"device_name": "a GPU"} | ({"compute_capability": numbers} if numbers else {})
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    else:
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: numbers or (0, 0))
    assert suitable_precision() == expected
