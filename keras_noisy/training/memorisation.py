from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer


def memorised(
    model: keras.Model, x: Any, noisy_labels: Any, true_labels: Any, batch_size: int = 256
) -> float:
    """Share of the wrong training labels that a model has learnt by heart.

    Formula: over the samples whose noisy label is not the true one, the share whose prediction
    `argmax_j model(x)_j` is the noisy label. A model that ignores the noise is near 0 (about
    `1 / K` if it guesses), one that has memorised everything at 1.

    Args:
        model: Classifier with outputs (batch, K), logits or probabilities.
        x: Array of the training inputs, samples first.
        noisy_labels: Integer array (samples,) of the labels that the model was trained with.
        true_labels: Integer array (samples,) of the correct ones.
        batch_size: Integer. Defaults to `256`.

    Returns:
        Float in [0, 1]; NaN if no label is wrong, or if an output of the model is NaN.

    Raises:
        ValueError: If the arrays have different lengths, or if `batch_size` is below 1.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.training import memorised
    >>> model = keras.Sequential([keras.layers.Identity()])  # predicts its input
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
    predicted = predicted_classes(model, np.asarray(x)[wrong], batch_size)
    return share_of(predicted, noisy_labels[wrong])


def predicted_classes(model: keras.Model, x: Any, batch_size: int) -> NDArray[np.int64]:
    """The most likely class of each sample; -1 where an output is NaN."""
    size = len(x)
    if keras.distribution.distribution() is not None:  # several devices share whole batches only
        x = x[np.arange(-(-size // batch_size) * batch_size) % size]
    outputs = model.predict(x, batch_size=batch_size, verbose=0)[:size]
    return np.where(np.isnan(outputs).any(axis=-1), -1, np.argmax(outputs, axis=-1))


def share_of(predicted: NDArray, labels: NDArray) -> float:
    """Share of the samples that are predicted to have these labels; NaN if there are none, or for NaN."""
    if len(predicted) == 0 or (predicted < 0).any():
        return float("nan")
    return float(np.mean(predicted == labels))
