"""Makes the losses of a model as `compile` makes them, and says of what kind they are."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_noisy.calibration.average_error import get_option
from keras_noisy.losses import RobustLoss

# Keras's losses of one label for each sample, which have the same requirements as those of this
# package.
_KERAS_CLASSES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)
_KERAS_FUNCTIONS = (
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)


class _FunctionLoss(keras.losses.Loss):
    """A loss that calls a function, as `compile` makes one of a function."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(function, "__name__", type(function).__name__))
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_pred = ops.squeeze(y_pred, axis=-1)
        return self.function(y_true, y_pred)


def get_loss(loss: Any, labels: Any, predictions: Any) -> keras.losses.Loss:
    """Returns the loss that `compile` makes of its argument."""
    if loss in ("crossentropy", "ce"):
        is_sparse = len(labels.shape) < len(predictions.shape) or labels.shape[-1] == 1
        loss = f"{'sparse_' * is_sparse}categorical_crossentropy"
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else _FunctionLoss(loss)


def describe_loss(loss: keras.losses.Loss) -> str:
    """Returns a loss as Python code, or the name of a loss of others."""
    if isinstance(loss, RobustLoss):
        return repr(loss)
    return loss.name if isinstance(loss, _FunctionLoss) else type(loss).__name__


def is_categorical(loss: keras.losses.Loss) -> bool:
    """Returns whether a loss has one label for each sample, so that labels can be checked."""
    function = getattr(loss, "function", None)
    return isinstance(loss, (RobustLoss, *_KERAS_CLASSES)) or function in _KERAS_FUNCTIONS


def has_logits(loss: keras.losses.Loss) -> bool:
    """Returns whether a loss takes logits, by its option `from_logits`."""
    return not isinstance(loss, _FunctionLoss) and bool(get_option(loss, "from_logits", False))
