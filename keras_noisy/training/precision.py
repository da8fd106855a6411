"""Which numbers to compute with."""

import keras

# NVIDIA's tensor cores compute with float16 from this "compute capability" on, and with bfloat16 from that.
_FLOAT16, _BFLOAT16 = (7, 0), (8, 0)


def suitable_precision() -> str:
    """The dtype policy that suits the machine: mixed precision on a GPU that is made for it.

    The losses of this package compute in float32 whatever the policy is.

    Returns:
        `"mixed_bfloat16"` on a TPU and on an NVIDIA GPU of compute capability 8.0 or more (A100, H100, RTX 30),
        `"mixed_float16"` from 7.0 on (V100, T4), for which `compile` scales the loss, else `"float32"`.

    Example:

    >>> import keras
    >>> from keras_noisy.training import suitable_precision
    >>> keras.config.set_dtype_policy(suitable_precision())
    """
    kind, capability = _device()
    if kind == "tpu" or (kind == "gpu" and capability >= _BFLOAT16):
        return "mixed_bfloat16"
    return "mixed_float16" if kind == "gpu" and capability >= _FLOAT16 else "float32"


def _device() -> tuple[str, tuple[int, ...]]:
    """What computes, and its compute capability, if it has one."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.local_devices()[0]
        capability = str(getattr(device, "compute_capability", "0"))
        is_nvidia = capability.replace(".", "").isdigit()
        return device.platform, tuple(map(int, capability.split("."))) if is_nvidia else ()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not (gpus := tf.config.list_physical_devices("GPU")):
            return "cpu", ()
        details = tf.config.experimental.get_device_details(gpus[0])
        return "gpu", tuple(details.get("compute_capability") or ())
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            return "gpu", torch.cuda.get_device_capability()
    return "cpu", ()
