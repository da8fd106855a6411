import keras

# The lowest compute capabilities with which NVIDIA's tensor cores support these dtypes.
_FLOAT16, _BFLOAT16 = (7, 0), (8, 0)


def suitable_precision() -> str:
    """Returns the dtype policy that suits the machine: mixed precision if the device supports it.

    The losses of this package compute in float32 under every policy.

    Returns:
        `"mixed_bfloat16"` on a TPU and on an NVIDIA GPU of compute capability 8.0 or more (A100,
        H100, RTX 30), `"mixed_float16"` on one of 7.0 or more (V100, T4), for which `compile`
        scales the loss, and otherwise `"float32"`.

    Example:

    >>> import keras
    >>> from keras_noisy.training import suitable_precision
    >>> keras.config.set_dtype_policy(suitable_precision())
    """
    kind, capability = describe_device()
    if kind == "tpu" or (kind == "gpu" and capability >= _BFLOAT16):
        return "mixed_bfloat16"
    return "mixed_float16" if kind == "gpu" and capability >= _FLOAT16 else "float32"


def describe_device() -> tuple[str, tuple[int, ...]]:
    """Returns the kind of the device, and its compute capability, or () if it has none."""
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
