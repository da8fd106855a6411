"""Predicts classes, and compares them with labels."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._inputs import count_samples, take_samples
from keras_noisy._labels import read_labels


def read_classes(argument: str, labels: Any) -> NDArray[Any]:
    """Returns the classes (samples,) of integer, one-hot or soft labels."""
    return read_labels(argument, labels, floats=True).classes


def predict_classes(
    model: keras.Model, x: Any, batch_size: int, labels: Mapping[str, NDArray[Any]]
) -> NDArray[np.int64]:
    """Returns the most likely class of each sample, or -1 where an output is NaN.

    Args:
        model: Classifier with outputs (batch, K).
        x: Inputs, as `read_inputs` returns them.
        batch_size: Number of samples of a batch.
        labels: The classes with which the predictions will be compared, by argument.

    Raises:
        ValueError: If the model has no output for one of the labels.
    """
    size = count_samples(x)
    if keras.distribution.distribution() is not None:
        # Several devices can only share complete batches, so the last one is filled up.
        rows = np.arange(-(-size // batch_size) * batch_size) % size
        x = take_samples(x, rows)
    outputs = model.predict(x, batch_size=batch_size, verbose=0)[:size]
    for argument, classes in labels.items():
        read_labels(argument, classes, outputs.shape[-1], source="the outputs of the model")
    return np.where(np.isnan(outputs).any(axis=-1), -1, np.argmax(outputs, axis=-1))


def compute_accuracy(predicted: NDArray, labels: NDArray) -> float:
    """Returns the share of samples whose predicted class is the label.

    It is NaN if there are no samples, or if a prediction is -1.
    """
    if len(predicted) == 0 or (predicted < 0).any():
        return float("nan")
    return float(np.mean(predicted == labels))
