"""Keras's reduction for losses that read labels and predictions themselves."""

import keras

from keras_noisy._typing import Tensor


class BoundLoss(keras.losses.Loss):
    """A loss together with the labels and predictions of one batch.

    `keras.losses.Loss.__call__` casts labels and predictions to float. Labels must stay integers,
    and a cast would lose what layers have attached to predictions, so both bypass it.

    Args:
        loss: The loss. Its name, reduction and dtype are used.
        y_true: Labels.
        y_pred: Predictions.
    """

    def __init__(self, loss: keras.losses.Loss, y_true: Tensor, y_pred: Tensor) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self._loss = loss
        self._y_true = y_true
        self._y_pred = y_pred

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self._loss.call(self._y_true, self._y_pred)
