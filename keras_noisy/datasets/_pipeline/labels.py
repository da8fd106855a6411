"""Applies label noise, and arranges the labels of a batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.noise import corrupt


def check_noise(noise: Any, num_samples: int, num_classes: int) -> NDArray | None:
    """Returns `noise` as a matrix (K, K), as labels (samples,), or as `None`.

    Raises:
        ValueError: If it is anything else.
    """
    if noise is None:
        return None
    noise = np.asarray(noise)
    if noise.shape == (num_classes, num_classes):
        return noise
    if noise.shape == (num_samples, 1):  # the shape of labels in `keras.datasets`
        noise = noise.ravel()
    is_valid = np.issubdtype(noise.dtype, np.integer) and noise.shape == (num_samples,)
    if not is_valid or (noise.size and not (noise.min() >= 0 and noise.max() < num_classes)):
        raise ValueError(
            f"`noise` must be a transition matrix of {num_classes} x {num_classes}, or "
            f"{num_samples} integers in [0, {num_classes}), one for each sample. "
            f"Received: {noise.dtype} of shape {noise.shape}"
        )
    return noise


def apply_noise(labels: NDArray, noise: Any, seed: int, num_classes: int) -> NDArray[np.int32]:
    """Returns the noisy labels of all samples of a split."""
    noise = check_noise(noise, len(labels), num_classes)
    if noise is None:
        return np.asarray(labels, "int32")
    return (corrupt(labels, noise, seed) if noise.ndim == 2 else noise).astype("int32")


def select_labels(options: Options, noisy: Any, clean: Any) -> Any:
    """Returns the labels of a sample or a batch in the form that the options ask for."""
    return {"noisy": noisy, "clean": clean} if options.keep_clean else noisy
