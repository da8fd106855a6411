"""The family of losses that need the log-probabilities of all classes."""

import abc

from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.labels import class_count
from keras_noisy.losses.log_prob import class_log_probs, take_where
from keras_noisy.losses.robust_loss import RobustLoss


class RowLoss(RobustLoss):
    """Base of the losses that depend on the whole row of predictions.

    A subclass states its formula in `of_log_probs`. See `RobustLoss` for everything else.

    The logit bias is added to the label's logit before the row is normalised. Of a soft target each
    class gets its share, the target times the bias, before the loss is averaged over the labels: for
    a one-hot target that is the same.

    Example:

    ```python
    class Contrast(keras_noisy.losses.RowLoss):
        def of_log_probs(self, log_prob, log_probs):
            return keras.ops.max(log_probs, axis=-1, keepdims=True) - log_prob
    ```
    """

    @abc.abstractmethod
    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        """The losses of some labels, from their log-probabilities and those of all classes.

        It must be finite, and have a finite gradient, for log-probabilities from -1e30 to 0.

        Args:
            log_prob: Float tensor (…, n), for n labels that the sample might have.
            log_probs: Float tensor (…, K), logarithms of a row that sums to 1.

        Returns:
            Float tensor (…, n).
        """

    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        label = ops.expand_dims(index, axis=-1)
        classes = ops.arange(class_count(y_pred), dtype=label.dtype)
        is_label = ops.equal(classes, label)
        log_probs = self._log_probs(y_pred, is_label)
        losses = self.of_log_probs(take_where(is_label, log_probs, label), log_probs)
        return ops.squeeze(losses, axis=-1)

    def loss_of_targets(self, targets: Tensor, y_pred: Tensor) -> Tensor:
        log_probs = self._log_probs(y_pred, targets)
        return ops.sum(targets * self.of_log_probs(log_probs, log_probs), axis=-1)

    def _log_probs(self, y_pred: Tensor, targets: Tensor) -> Tensor:
        epsilon = self.epsilon_of(y_pred)
        if isinstance(epsilon, float) and epsilon == 0.0:
            return class_log_probs(y_pred, self.from_logits)
        bias = ops.cast(targets, y_pred.dtype) * epsilon
        return class_log_probs(y_pred, self.from_logits, bias)
