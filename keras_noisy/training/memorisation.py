from typing import Any

import keras
import numpy as np

from keras_noisy._arguments import check_integer
from keras_noisy.training._predictions import compute_accuracy, predict_classes


def memorised(
    model: keras.Model, x: Any, noisy_labels: Any, true_labels: Any, batch_size: int = 256
) -> float:
    """Computes the share of the wrong training labels that a model has memorised.

    Formula: of the samples whose noisy label is not the true one, the share for which the
    prediction `argmax_j model(x)_j` is the noisy label. The share is near 0 for a model that
    ignores the noise, about `1 / K` for one that guesses, and 1 for one that has memorised all
    labels.

    Args:
        model: Classifier with outputs (batch, K), logits or probabilities.
        x: Array (samples, …) of the training inputs.
        noisy_labels: Integer array (samples,) of the labels that the model was trained with.
        true_labels: Integer array (samples,) of the correct labels.
        batch_size: Positive integer, the number of samples of a batch. Defaults to `256`.

    Returns:
        Float in [0, 1]; NaN if no label is wrong, or if an output of the model is NaN.

    Raises:
        ValueError: If the arrays have different lengths, or if `batch_size` is below 1.

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
    noisy_labels, true_labels = np.ravel(noisy_labels), np.ravel(true_labels)
    if not len(x) == len(noisy_labels) == len(true_labels):
        raise ValueError(
            "`x`, `noisy_labels` and `true_labels` must have one entry for each sample. "
            f"Received: {len(x)}, {len(noisy_labels)} and {len(true_labels)} entries"
        )
    wrong = noisy_labels != true_labels
    if not wrong.any():
        return float("nan")
    predicted = predict_classes(model, np.asarray(x)[wrong], batch_size)
    return compute_accuracy(predicted, noisy_labels[wrong])
