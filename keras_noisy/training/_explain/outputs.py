"""Pairs the outputs of a model with their labels and losses, as `fit` does."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from keras_noisy.training._explain.losses import get_loss


class Output(NamedTuple):
    """An output of the model with its loss.

    Attributes:
        loss: The loss.
        labels: The labels, an array, or words that say what they are instead.
        predictions: The tensor of outputs.
    """

    loss: keras.losses.Loss
    labels: Any
    predictions: Any


def pair(model: keras.Model, y: Mapping[Any, Any], outputs: Any) -> dict[str, Output]:
    """Returns the outputs that have a loss by the end of their names: `""`, or `"['name']"`.

    Args:
        model: The model.
        y: The labels by the name or number of the output, or `""`.
        outputs: A tensor, or a list or dictionary of tensors.

    Raises:
        ValueError: If an output with a loss has no labels.
    """
    given, losses = outputs, model.loss
    if isinstance(outputs, (list, tuple)):
        names = getattr(model, "output_names", None) or range(len(outputs))
        given = dict(zip(names, outputs, strict=True))
    elif not isinstance(outputs, Mapping):
        given = {"": outputs}
        if isinstance(losses, Mapping):
            losses = list(losses.values())
    if isinstance(losses, (list, tuple)):
        losses = dict(zip(given, losses, strict=False))
    elif not isinstance(losses, Mapping):
        losses = dict.fromkeys(given, losses)
    pairs = {}
    for number, (name, predictions) in enumerate(given.items()):
        if losses.get(name) is None:
            continue
        keys = list(y) if len(y) == len(given) == 1 else [k for k in (name, number) if k in y]
        if not keys:
            raise ValueError(
                "`y` must have labels for each output with a loss, by its name or in order. "
                f"Received: labels of {list(y)} for {list(given)}"
            )
        labels = y[keys[0]]
        loss = get_loss(losses[name], labels, predictions)
        pairs["" if name == "" else f"[{name!r}]"] = Output(loss, labels, predictions)
    return pairs
