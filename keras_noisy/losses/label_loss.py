"""The family of losses that are a function of the label's log-probability alone."""

import abc
from typing import Any

from keras import ops

from keras_noisy.losses.labels import class_count
from keras_noisy.losses.log_prob import class_log_probs, label_log_prob
from keras_noisy.losses.logit_bias import add_logit_bias
from keras_noisy.losses.robust_loss import RobustLoss

Tensor = Any


class LabelLoss(RobustLoss):
    """Base of the losses that depend on the label's probability `p_y` alone.

    A subclass states its formula in `of_log_prob`. See `RobustLoss` for everything else.

    Example:

    ```python
    class SquaredError(keras_noisy.losses.LabelLoss):
        def of_log_prob(self, log_prob):
            return (1.0 - keras.ops.exp(log_prob)) ** 2
    ```
    """

    @abc.abstractmethod
    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        """The loss as a function of `u = log p_y <= 0`, elementwise.

        It must be finite, and have a finite gradient, for u from -3e4 to 0.
        """

    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        log_prob = label_log_prob(index, y_pred, self.from_logits)
        return self._biased(log_prob, y_pred)

    def loss_of_targets(self, targets: Tensor, y_pred: Tensor) -> Tensor:
        log_probs = class_log_probs(y_pred, self.from_logits)
        # A class that is not a label may be impossible: log 0 must not meet its weight 0.
        counts = targets > 0.0
        log_probs = ops.where(counts, log_probs, 0.0)
        losses = self._biased(log_probs, y_pred)
        return ops.sum(ops.where(counts, targets * losses, 0.0), axis=-1)

    def _biased(self, log_prob: Tensor, y_pred: Tensor) -> Tensor:
        epsilon = self.epsilon(class_count(y_pred))
        if epsilon:
            log_prob = add_logit_bias(log_prob, epsilon)
        return self.of_log_prob(log_prob)
