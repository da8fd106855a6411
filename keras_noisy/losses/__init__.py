"""Noise-robust losses for classification."""

import inspect
from typing import Any

import keras

from keras_noisy.losses.ce import CE
from keras_noisy.losses.gce import GCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.mae import MAE
from keras_noisy.losses.robust_loss import RobustLoss

__all__ = ["CE", "GCE", "MAE", "LabelLoss", "RobustLoss", "get"]

_BY_NAME = {loss.__name__.lower(): loss for loss in (CE, GCE, MAE)}


def get(identifier: Any) -> Any:
    """Retrieves a loss by name, by configuration, or as it is.

    Args:
        identifier: One of: the name of a loss, in lower or upper case; a dictionary
            `{"class_name": …, "config": …}`, as Keras writes it or with the bare name; a class or an
            instance of a loss; `None`.

    Returns:
        A `RobustLoss` instance; for `None`, `None`.

    Raises:
        ValueError: If there is no such loss.

    Example:

    >>> import keras_noisy
    >>> keras_noisy.losses.get({"class_name": "GCE", "config": {"q": 0.5}}).q
    0.5
    """
    if identifier is None or isinstance(identifier, RobustLoss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, RobustLoss):
        if not inspect.isabstract(identifier):
            return identifier()
    elif isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    elif isinstance(identifier, dict):
        if identifier.get("registered_name"):  # as Keras writes it; it may be a loss of the user's
            loss = keras.saving.deserialize_keras_object(identifier)
            if isinstance(loss, RobustLoss):
                return loss
        elif (name := str(identifier.get("class_name")).lower()) in _BY_NAME:
            return _BY_NAME[name].from_config(identifier.get("config") or {})
    raise ValueError(
        f"`identifier` must be a loss of keras_noisy, its configuration, or one of the names "
        f"{sorted(_BY_NAME)}. Received: identifier={identifier!r}"
    )
