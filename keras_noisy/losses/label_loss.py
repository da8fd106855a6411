"""The family of losses that are a function of the label's log-probability."""

import abc
from typing import Any, ClassVar

from keras import ops

from keras_noisy._core.batch import Batch, Predictions
from keras_noisy._typing import Tensor
from keras_noisy.losses.robust_loss import RobustLoss


class LabelLoss(RobustLoss):
    """Base class of the losses that depend on the label's probability `p_y` alone.

    A subclass defines its formula in `of_log_prob`. See `RobustLoss` for the rest.

    Example:

    ```python
    @keras.saving.register_keras_serializable()
    class PowerError(keras_noisy.losses.LabelLoss):
        def __init__(self, power=2.0, **options):
            super().__init__(**options)
            self.power = power

        def of_log_prob(self, log_prob):
            return (1.0 - keras.ops.exp(log_prob)) ** self.power

        def get_config(self):
            return {**super().get_config(), "power": self.power}
    ```
    """

    # Whether the loss still changes where float32 rounds `p_y` to 1. The log-probability is then
    # computed from the margin, where the logits are known.
    uses_margin: ClassVar[bool] = False

    @abc.abstractmethod
    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        """Computes the loss from `u = log p_y <= 0`, elementwise.

        The loss and its gradient must be finite for u from -2e5 to 0.
        """

    def per_sample(self, batch: Batch) -> Tensor:
        targets = batch.labels.targets
        if targets is None:
            return self.of_log_prob(
                batch.label_log_prob_of_margin if self.uses_margin else batch.label_log_prob
            )
        # A class with the target 0 may have an infinite loss, which must not be multiplied by 0.
        counts = targets > 0.0
        log_prob = batch.log_prob_of_margin if self.uses_margin else batch.log_prob_as_label
        losses = self.of_log_prob(ops.where(counts, log_prob, 0.0))
        return ops.sum(ops.where(counts, targets * losses, 0.0), axis=-1)

    def average_over_labels(self, batch: Batch) -> Any:
        predictions = batch.predictions
        average = None if predictions.has_bias else self.average_without_bias(predictions)
        return super().average_over_labels(batch) if average is None else average

    def average_without_bias(self, predictions: Predictions) -> Any:
        """Returns the average of the loss over all K labels, if there is a formula for it.

        It is a number for a symmetric loss. Defaults to `None`: the average is computed from the
        losses of all labels.
        """
        return None
