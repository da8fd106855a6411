"""Retrieves losses by name."""

import inspect
import re
from typing import Any, Unpack

import keras

from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._published import PUBLISHED, published
from keras_noisy.losses._registry import LOSSES
from keras_noisy.losses.robust_loss import RobustLoss, WeightedSum

_BY_NAME: dict[str, Any] = {loss.__name__.lower(): loss for loss in LOSSES}


def get(
    identifier: Any,
    *,
    dataset: str | None = None,
    noise: str | None = None,
    **options: Unpack[LossOptions],
) -> Any:
    """Retrieves a loss by its name or configuration.

    Args:
        identifier: One of: the name of a loss in lower or upper case, such as `"mae"`, or of a
            combination of the literature, such as `"nce+agce"`; a dictionary `{"class_name": …,
            "config": …}`, as Keras writes it or with the bare class name; a class or an instance
            of a loss; `None`.
        dataset: Optional name of a data set: `"mnist"`, `"cifar10"`, `"cifar100"` or `"webvision"`
            (the first 50 classes). The loss gets the hyperparameters and weights that were
            published for it; docs/loss_reference.md lists them. It requires that `identifier` is a
            name. Combinations require a data set. A penalty on the weights is not part of the loss;
            see `keras_noisy.losses.weight_penalty`.
        noise: Optional name of the noise, such as `"asymmetric"` or `"symmetric 0.4"`, for the
            combinations whose numbers depend on it. Others ignore it.
        **options: Options of the loss to replace, such as `logit_bias` or `from_logits`; see
            `RobustLoss`.

    Returns:
        A `RobustLoss` instance, or `None` for `None`.

    Raises:
        ValueError: If there is no such loss, or if nothing was published for the data set or the
            noise.

    Example:

    >>> import keras_noisy
    >>> keras_noisy.losses.get({"class_name": "GCE", "config": {"q": 0.5}}).q
    0.5
    >>> loss = keras_noisy.losses.get("nce+agce", dataset="cifar100", logit_bias="auto")
    >>> loss.weights
    [10.0, 0.1]
    """
    if identifier is None:
        return None
    name = identifier.lower() if isinstance(identifier, str) else None
    if name is not None and (dataset is not None or (name in PUBLISHED and name not in _BY_NAME)):
        named: Any = {"name": re.sub(r"\W", "_", name), **options}
        return published(name, dataset, noise).with_options(**named)
    if dataset is not None:
        raise ValueError(
            f"`dataset` goes with the name of a loss. Received: identifier={identifier!r}"
        )
    if name in _BY_NAME:
        return _BY_NAME[name](**options)
    if isinstance(identifier, type) and issubclass(identifier, RobustLoss):
        if not (inspect.isabstract(identifier) or issubclass(identifier, WeightedSum)):
            return identifier(**options)
    elif isinstance(loss := _from_config(identifier), RobustLoss):
        return loss.with_options(**options) if options else loss
    raise ValueError(
        f"`identifier` must be a loss of keras_noisy, its configuration, or one of the names "
        f"{sorted({*_BY_NAME, *PUBLISHED})}. Received: identifier={identifier!r}"
    )


def _from_config(identifier: Any) -> Any:
    """Deserializes a configuration; returns any other object unchanged."""
    if not isinstance(identifier, dict):
        return identifier
    if identifier.get("registered_name"):  # written by Keras, also for losses of the user
        return keras.saving.deserialize_keras_object(identifier)
    name = str(identifier.get("class_name")).lower()
    known = {**_BY_NAME, "weightedsum": WeightedSum}
    return known[name].from_config(identifier.get("config") or {}) if name in known else None
