"""Applies label noise, and arranges the labels of a batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._labels import read_labels
from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.noise import TransitionMatrix, corrupt


def check_noise(noise: Any, num_samples: int, num_classes: int) -> Any:
    """Returns `noise` as a matrix (K, K), as labels (samples,), or as `None`.

    Labels may be integers (samples,) or (samples, 1), or one-hot rows (samples, K). K x K numbers
    are always a matrix.

    Raises:
        ValueError: If it is anything else.
    """
    if noise is None:
        return None
    if not isinstance(noise, TransitionMatrix):
        noise = np.asarray(noise)
    if noise.shape == (num_classes, num_classes):
        return noise
    allowed = (
        f"be a transition matrix of {num_classes} x {num_classes}, or {num_samples} integers in "
        f"[0, {num_classes}), one for each sample"
    )
    labels = None
    if not isinstance(noise, TransitionMatrix):
        labels = read_labels("noise", noise, num_classes, allowed=allowed).classes
    if labels is None or len(labels) != num_samples:
        raise ValueError(f"`noise` must {allowed}. Received: {noise.dtype} of shape {noise.shape}")
    return labels


def apply_noise(labels: NDArray, noise: Any, seed: int, num_classes: int) -> NDArray[np.int32]:
    """Returns the noisy labels of all samples of a split."""
    noise = check_noise(noise, len(labels), num_classes)
    if noise is None:
        return np.asarray(labels, "int32")
    return (corrupt(labels, noise, seed) if noise.ndim == 2 else noise).astype("int32")


def select_labels(options: Options, noisy: Any, clean: Any) -> Any:
    """Returns the labels of a sample or a batch in the form that the options ask for."""
    return {"noisy": noisy, "clean": clean} if options.keep_clean else noisy
