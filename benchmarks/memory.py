"""How much memory a call needs: as TensorFlow counts it, or Linux for the whole process."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resident_growth(call: Callable[[], Any]) -> int:
    """By how many bytes the process grows, at its peak."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # gives free memory back
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what there is now
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def allocated_growth(call: Callable[[], Any]) -> int | None:
    """By how many bytes TensorFlow's own count grows, at its peak; None where it does not count.

    On the CPU it does with oneDNN, which is the default.
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


def _status(key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
