"""The logit bias that a layer of the model gives to predictions, for the loss to add.

What changes in training has to be a weight of the model, and only layers are told whether a step is one
of training. So a layer decides, and attaches its bias to the predictions themselves, as Keras does with
masks: whatever else is called between a step and its loss, saved, copied or compiled, a loss finds the
bias of the predictions that it gets, and of no others.
"""

import threading
import weakref
from typing import Any, NamedTuple

from keras_noisy._typing import Tensor
from keras_noisy.losses.tracing import attach, attached, outside_graphs

_NAME = "_keras_noisy_bias"


class PredictionBias(NamedTuple):
    """What is attached to predictions.

    Attributes:
        source: The layer.
        epsilon: The bias, a float or a scalar tensor; 0.0 at inference.
        is_adaptive: Whether it is the largest one, of which each sample gets a share.
    """

    source: "BiasSource"
    epsilon: Any = 0.0
    is_adaptive: bool = False


class BiasSource:
    """Base of the layers that losses take their logit bias from; known to both of them."""

    def expect_calls(self) -> None:
        """To be called when the layer is built: it is part of a model."""
        _built.add(self)

    @outside_graphs
    def give_bias(self, y_pred: Tensor, epsilon: Any, is_adaptive: bool) -> None:
        """Attaches a bias to predictions, in a step of training."""
        attach(y_pred, _NAME, PredictionBias(self, epsilon, is_adaptive))
        _not_taken.layers.add(self)

    @outside_graphs
    def give_none(self, y_pred: Tensor) -> None:
        """Attaches that there is none, at inference."""
        attach(y_pred, _NAME, PredictionBias(self))
        _not_taken.layers.clear()  # what an error has left, too


_built: weakref.WeakSet[BiasSource] = weakref.WeakSet()


class _NotTaken(threading.local):
    """The layers that have given a bias which no loss has taken, in this thread."""

    def __init__(self) -> None:
        self.layers: weakref.WeakSet[BiasSource] = weakref.WeakSet()


_not_taken = _NotTaken()


def forget_biases() -> None:
    """Of predictions that no loss will be asked about."""
    _not_taken.layers.clear()


@outside_graphs
def take_bias(y_pred: Tensor) -> tuple[Any, bool]:
    """The bias of predictions, 0.0 at inference, and whether each sample gets a share of it.

    Predictions that do not come from a layer, as those of `model.predict`, have none.

    Raises:
        ValueError: If a layer has given a bias to others, or if no model has such a layer.
    """
    bias = attached(y_pred, _NAME)
    if bias is not None:
        _not_taken.layers.discard(bias.source)
        return bias.epsilon, bias.is_adaptive
    if _not_taken.layers or not _built:
        forget_biases()
        raise ValueError(
            "`y_pred` must be what the model's LogitBias layer returns, for a loss that takes its logit "
            "bias from there. Received: predictions of another origin. Put the layer at the end of the "
            "model: no other layer, no cast and no function that is compiled on its own may stand "
            "between it and the loss. For predictions of a model without it, or made by hand, take "
            "`loss.with_options(logit_bias=None)`."
        )
    return 0.0, False


@outside_graphs
def keep_bias(y_pred: Tensor, converted: Tensor) -> Tensor:
    """Of predictions, after they were converted to another type."""
    if converted is not y_pred and (bias := attached(y_pred, _NAME)) is not None:
        attach(converted, _NAME, bias)
    return converted
