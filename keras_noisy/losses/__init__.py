"""Noise-robust losses for classification."""

import inspect
import re
from typing import Any, Unpack

import keras

from keras_noisy.losses.ael import AEL
from keras_noisy.losses.agce import AGCE
from keras_noisy.losses.aul import AUL
from keras_noisy.losses.bi_tempered import BiTempered
from keras_noisy.losses.ce import CE
from keras_noisy.losses.focal_ce import FocalCE
from keras_noisy.losses.gce import GCE
from keras_noisy.losses.js import JS
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.mae import MAE
from keras_noisy.losses.nce import NCE
from keras_noisy.losses.nfl import NFL
from keras_noisy.losses.ngce import NGCE
from keras_noisy.losses.nnce import NNCE
from keras_noisy.losses.phuber_ce import PHuberCE
from keras_noisy.losses.published import PUBLISHED, published
from keras_noisy.losses.rce import RCE
from keras_noisy.losses.robust_loss import LossOptions, RobustLoss
from keras_noisy.losses.row_loss import RowLoss
from keras_noisy.losses.sce import SCE
from keras_noisy.losses.taylor_ce import TaylorCE
from keras_noisy.losses.weighted_sum import WeightedSum

__all__ = [
    "AEL",
    "AGCE",
    "AUL",
    "CE",
    "GCE",
    "JS",
    "MAE",
    "NCE",
    "NFL",
    "NGCE",
    "NNCE",
    "RCE",
    "SCE",
    "BiTempered",
    "FocalCE",
    "LabelLoss",
    "PHuberCE",
    "RobustLoss",
    "RowLoss",
    "TaylorCE",
    "WeightedSum",
    "get",
]

# All that have a formula of their own.
LOSSES = (
    *(CE, MAE, GCE, SCE, RCE, TaylorCE, PHuberCE, FocalCE, AGCE, AUL, AEL, JS),
    *(NCE, NFL, NGCE, NNCE, BiTempered),
)
_BY_NAME: dict[str, Any] = {loss.__name__.lower(): loss for loss in LOSSES}


def get(identifier: Any, *, dataset: str | None = None, **options: Unpack[LossOptions]) -> Any:
    """Retrieves a loss by name, by configuration, or as it is.

    Args:
        identifier: One of: the name of a loss, in lower or upper case, such as `"mae"`, or that of a
            combination of the literature, such as `"nce+agce"`; a dictionary
            `{"class_name": …, "config": …}`, as Keras writes it or with the bare name; a class or an
            instance of a loss; `None`.
        dataset: Optional, with a name: the data set for which the loss was published, whose
            hyperparameters and weights it gets: `"mnist"`, `"cifar10"`, `"cifar100"` or
            `"webvision"` (the first 50 classes). A combination needs one. docs/losses.md has them all.
        **options: Options that replace those of the loss: `logit_bias`, `from_logits` and so on; see
            `RobustLoss`.

    Returns:
        A `RobustLoss` instance; for `None`, `None`.

    Raises:
        ValueError: If there is no such loss, or nothing published for that data set.

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
        return published(name, dataset).with_options(**named)
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
    """The object that a configuration describes; what is none, as it is."""
    if not isinstance(identifier, dict):
        return identifier
    if identifier.get("registered_name"):  # as Keras writes it; it may be a loss of the user's
        return keras.saving.deserialize_keras_object(identifier)
    name = str(identifier.get("class_name")).lower()
    known = {**_BY_NAME, "weightedsum": WeightedSum}
    return known[name].from_config(identifier.get("config") or {}) if name in known else None
