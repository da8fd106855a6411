"""How an optimizer turns average errors into updates."""

import math
from typing import Any, NamedTuple

import keras

from keras_noisy.theory import update_size

# The number of samples in a batch if none is given.
BATCH_SIZE = 128


class Updates(NamedTuple):
    """The updates of an optimizer.

    Attributes:
        name: Name of the optimizer's class.
        rule: Argument of `keras_noisy.theory.update_size`.
        constant: Argument of `keras_noisy.theory.update_size`.
    """

    name: str = "SGD"
    rule: str = "proportional"
    constant: float = 1e-7

    @property
    def needs_size(self) -> bool:
        """Whether updates are in proportion to gradients, so that small ones stall."""
        return self.rule in ("proportional", "accumulated")

    def ratio(
        self, error: float, reference: float, num_classes: int, batch_size: int = BATCH_SIZE
    ) -> float:
        """Compares the first updates for two average errors, of which negative ones pull.

        Returns:
            Float, the update for `error` divided by that for `reference`; 0 if one does not pull.
        """
        if error >= 0.0 or reference >= 0.0:
            return 0.0
        gradients = (first_gradient(e, num_classes, batch_size) for e in (error, reference))
        update, other = (float(update_size(g, self.rule, self.constant)) for g in gradients)
        return update / other


def first_gradient(error: float, num_classes: int, batch_size: int = BATCH_SIZE) -> float:
    """Estimates the gradient of a weight in the last layer from the average error of the loss.

    The weights of a class get a gradient of about `|error| / sqrt(num_classes * batch_size)`: in a
    batch, `batch_size / num_classes` samples have its label, and the loss is averaged over the
    batch. The features are taken as 1.

    Returns:
        Float, at least 0, the root mean square over the batches.
    """
    return abs(error) / math.sqrt(num_classes * batch_size)


def read_optimizer(optimizer: Any) -> Updates:
    """Returns the updates of an optimizer of Keras or of its name; of SGD for `None`.

    Raises:
        ValueError: If the optimizer is unknown.
    """
    if optimizer is None:
        return Updates()
    try:
        found = keras.optimizers.get(optimizer)
    except (TypeError, ValueError):
        found = None
    if isinstance(found, keras.optimizers.LossScaleOptimizer):
        found = found.inner_optimizer
    kinds = keras.optimizers
    name = type(found).__name__
    if isinstance(found, kinds.SGD):
        return Updates(name)
    if isinstance(found, (kinds.Adam, kinds.Adamax, kinds.Lamb, kinds.Nadam)):
        return Updates(name, "relative", found.epsilon)
    if isinstance(found, (kinds.RMSprop, kinds.Adadelta)):
        return Updates(name, "root", found.epsilon)
    if isinstance(found, (kinds.Adagrad, kinds.Ftrl)):
        return Updates(name, "accumulated", max(found.initial_accumulator_value, 1e-30))
    if isinstance(found, (kinds.Adafactor, kinds.Lion, kinds.Muon)):
        return Updates(name, "sign")
    raise ValueError(
        "`optimizer` must be an optimizer of Keras or its name, such as "
        f'keras.optimizers.AdamW() or "adamw". Received: optimizer={optimizer!r}'
    )
