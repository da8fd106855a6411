"""The family of losses that are a function of the label's log-probability alone."""

import abc
from typing import Any

from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.class_chunks import chunks_of, label_log_prob_and_entropy
from keras_noisy.losses.log_prob import class_log_probs, class_margins, label_log_prob, take
from keras_noisy.losses.logit_bias import add_logit_bias
from keras_noisy.losses.robust_loss import RobustLoss


class LabelLoss(RobustLoss):
    """Base of the losses that depend on the label's probability `p_y` alone.

    A subclass states its formula in `of_log_prob`. See `RobustLoss` for everything else.

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

    @abc.abstractmethod
    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        """The loss as a function of `u = log p_y <= 0`, elementwise.

        It must be finite, and have a finite gradient, for u from -2e5 to 0.
        """

    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        if self.from_logits and (chunks := chunks_of(y_pred)) is not None:
            log_prob, entropy = label_log_prob_and_entropy(chunks, index)
            epsilon = self.epsilon_of(y_pred, ops.expand_dims(entropy, axis=-1))
            if not _is_negative(epsilon):
                return self.of_log_prob(add_logit_bias(log_prob, _of_samples(epsilon)))
        epsilon = self.epsilon_of(y_pred)
        if _is_negative(epsilon):
            label = ops.expand_dims(index, axis=-1)
            return self.of_log_prob(ops.squeeze(take(self._each_as_label(y_pred), label), axis=-1))
        log_prob = label_log_prob(index, y_pred, self.from_logits)
        return self.of_log_prob(add_logit_bias(log_prob, _of_samples(epsilon)))

    def loss_of_targets(self, targets: Tensor, y_pred: Tensor) -> Tensor:
        # A class that is not a label may be impossible: it must not meet its weight 0.
        counts = targets > 0.0
        losses = self.of_log_prob(ops.where(counts, self._each_as_label(y_pred), 0.0))
        return ops.sum(ops.where(counts, targets * losses, 0.0), axis=-1)

    def _each_as_label(self, y_pred: Tensor) -> Tensor:
        """The biased log-probability of each class, (…, K), as if it were the label."""
        epsilon = self.epsilon_of(y_pred)
        if _is_negative(epsilon) and self.from_logits:
            # A negative bias acts where the label is all but certain, and u has lost its digits.
            return -ops.softplus(-(class_margins(y_pred) + epsilon))
        return add_logit_bias(class_log_probs(y_pred, self.from_logits), epsilon)


def _is_negative(epsilon: Any) -> bool:
    """Of a constant; what a layer or a prediction decides never is."""
    return isinstance(epsilon, float) and epsilon < 0.0


def _of_samples(epsilon: Any) -> Any:
    """A bias of samples (…, 1) as (…,); one of all as it is."""
    return ops.squeeze(epsilon, axis=-1) if len(getattr(epsilon, "shape", ())) else epsilon
