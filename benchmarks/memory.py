"""The memory that a call needs, as the backend or Linux counts it, which benchmarks share."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras


def measure_growth(call: Callable[[], Any]) -> int | None:
    """Measures by how many bytes the memory of the device grows at its peak.

    Call it once in a process: JAX does not forget an earlier peak on a GPU. Returns None if the
    backend does not count it.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return measure_allocated_growth(call)
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            call()
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() - before
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "cpu":
            before = device.memory_stats()["bytes_in_use"]
            call()
            return device.memory_stats()["peak_bytes_in_use"] - before
    return measure_resident_growth(call)


def measure_resident_growth(call: Callable[[], Any]) -> int:
    """Measures by how many bytes the memory of the process grows at its peak (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # returns free memory to the system
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _read_status("VmRSS")
    call()
    return _read_status("VmHWM") - before


def measure_allocated_growth(call: Callable[[], Any]) -> int | None:
    """Measures by how many bytes TensorFlow's allocated memory grows at its peak.

    Returns None if TensorFlow does not count it. On the CPU it does with oneDNN, which is the
    default.
    """
    import tensorflow as tf

    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"
    memory = tf.config.experimental
    try:
        memory.reset_memory_stats(device)
        before = memory.get_memory_info(device)["current"]
        call()
        return memory.get_memory_info(device)["peak"] - before
    except ValueError:
        return None


def _read_status(key: str) -> int:
    """Reads a value of `/proc/self/status`, in bytes."""
    found = re.search(rf"^{key}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
