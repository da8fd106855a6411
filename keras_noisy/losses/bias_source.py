"""How a layer of the model tells a loss the logit bias of the step at hand.

What changes in training has to be a weight of the model, and only layers are told whether a step is one
of training. So the layer decides, and announces its bias under its name; the loss, which Keras calls
next in the same step, asks for what was announced under that name. Nothing but the name ties the two,
so that the tie survives saving, loading and copying.
"""

import dataclasses
import threading
import weakref
from typing import Any

from keras_noisy.losses.tracing import is_known

Tensor = Any

_REFERENCE = "layer:"


def is_reference(value: Any) -> bool:
    """Whether a logit bias is that of a layer, named."""
    return isinstance(value, str) and value.startswith(_REFERENCE)


class BiasSource:
    """Base of the layers that losses may take their logit bias from."""

    name: str

    @property
    def reference(self) -> str:
        """What a loss holds of the layer, and its configuration too."""
        return _REFERENCE + self.name

    def announce(self, epsilon: Any, is_adaptive: bool = False) -> None:
        """Tells the bias of the predictions that are being made.

        Args:
            epsilon: Number or scalar tensor in a step of training; `None` at inference.
            is_adaptive: Whether it is the largest bias, of which each sample gets a share.
        """
        last = _last.__dict__.get(self.name)
        # A copy with the same name, a teacher say, may predict between a step and its loss.
        if epsilon is None and last and last.is_awaited and last.source() is not self:
            return
        _last.__dict__[self.name] = _Announcement(weakref.ref(self), epsilon, is_adaptive)


@dataclasses.dataclass
class _Announcement:
    source: Any
    epsilon: Any
    is_adaptive: bool
    was_heard: bool = False

    @property
    def is_awaited(self) -> bool:
        return self.epsilon is not None and not self.was_heard and self.source() is not None


# By name; of each thread, for replicas on several devices are traced in threads of their own.
_last = threading.local()


def announced_bias(reference: str, y_pred: Tensor) -> tuple[Any, bool]:
    """The bias that a layer announced for predictions, and whether each sample gets a share of it.

    It is a float, or, on a schedule in training, a scalar tensor.

    Raises:
        ValueError: If no layer of that name has been called.
    """
    last = _last.__dict__.get(reference.removeprefix(_REFERENCE))
    if last is None:
        raise ValueError(
            "`logit_bias` must name a LogitBias layer of the model that makes the predictions, but "
            f"no such layer has been called. Received: logit_bias={reference!r}. Add the layer to "
            "the model, or take the loss without it: `loss.with_options(logit_bias=None)`."
        )
    last.was_heard = True
    # What a compiled step left behind does not belong to predictions that are known.
    if last.epsilon is None or (not is_known(last.epsilon) and is_known(y_pred)):
        return 0.0, False
    return last.epsilon, last.is_adaptive
