from typing import Any

import keras

from keras_noisy._arguments import check_integer
from keras_noisy._inputs import count_samples, read_inputs, take_samples
from keras_noisy.training._predictions import compute_accuracy, predict_classes, read_classes


def memorised(
    model: keras.Model, x: Any, *, noisy_labels: Any, true_labels: Any, batch_size: int = 256
) -> float:
    """Computes the share of the wrong training labels that a model has memorised.

    Formula: of the samples whose noisy label is not the true one, the share for which the
    prediction `argmax_j model(x)_j` is the noisy label. The share is near 0 for a model that
    ignores the noise, about `1 / K` for one that guesses, and 1 for one that has memorised all
    labels.

    Args:
        model: Classifier with outputs (batch, K), logits or probabilities.
        x: The training inputs: an array (samples, …), or a nested structure of arrays.
        noisy_labels: The labels that the model was trained with: an array (samples,) or
            (samples, 1) of integers, or one-hot rows (samples, K). Of soft labels (samples, K), the
            most probable class counts.
        true_labels: The correct labels, in any of these formats.
        batch_size: Positive integer, the number of samples of a batch. Defaults to `256`.

    Returns:
        Float in [0, 1]; NaN if no label is wrong, or if an output of the model is NaN.

    Raises:
        ValueError: If the arrays have different lengths, if labels have another format, are NaN or
            lie outside [0, K), or if `batch_size` is below 1.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.training import memorised
    >>> model = keras.Sequential([keras.layers.Identity()])  # It predicts its input.
    >>> x = np.eye(3)[[0, 1, 2, 1]]
    >>> memorised(model, x, noisy_labels=[0, 1, 2, 0], true_labels=[0, 2, 1, 1])
    0.6666666666666666

    References:

    - Liu, Niles-Weed, Razavian, Fernandez-Granda, 2020, "Early-Learning Regularization Prevents
      Memorization of Noisy Labels", [NeurIPS 2020](https://arxiv.org/abs/2007.00151).
    """
    batch_size = check_integer("batch_size", batch_size, 1)
    noisy_labels = read_classes("noisy_labels", noisy_labels)
    true_labels = read_classes("true_labels", true_labels)
    inputs = read_inputs("x", x)
    size = count_samples(inputs)
    if not size == len(noisy_labels) == len(true_labels):
        raise ValueError(
            "`x`, `noisy_labels` and `true_labels` must have one entry for each sample. "
            f"Received: {size}, {len(noisy_labels)} and {len(true_labels)} entries"
        )
    wrong = noisy_labels != true_labels
    if not wrong.any():
        return float("nan")
    labels = {"noisy_labels": noisy_labels[wrong], "true_labels": true_labels[wrong]}
    predicted = predict_classes(model, take_samples(inputs, wrong), batch_size, labels)
    return compute_accuracy(predicted, noisy_labels[wrong])
