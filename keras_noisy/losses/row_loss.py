"""The family of losses that are a function of the log-probabilities of all classes."""

import abc

from keras import ops

from keras_noisy._core.batch import Batch
from keras_noisy._typing import Tensor
from keras_noisy.losses.robust_loss import RobustLoss


class RowLoss(RobustLoss):
    """Base class of the losses that depend on the probabilities of all classes.

    A subclass defines its formula in `of_log_probs`. See `RobustLoss` for the rest.

    The logit bias is added to the label's logit before the row is normalised. With soft targets,
    each class receives the bias in proportion to its target, and then the loss is averaged over
    the labels. For a one-hot target, this equals the loss of the label.

    Example:

    ```python
    class Contrast(keras_noisy.losses.RowLoss):
        def of_log_probs(self, log_prob, log_probs):
            return keras.ops.max(log_probs, axis=-1, keepdims=True) - log_prob
    ```
    """

    @abc.abstractmethod
    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        """Computes the losses of possible labels, from the log-probabilities.

        The losses and their gradients must be finite for log-probabilities from -1e30 to 0.

        Args:
            log_prob: Float tensor (…, n), the log-probabilities of n possible labels of each
                sample.
            log_probs: Float tensor (…, K), the log-probabilities of all classes.

        Returns:
            Float tensor (…, n).
        """

    def per_sample(self, batch: Batch) -> Tensor:
        losses = self.of_log_probs(*batch.label_and_class_log_probs)
        targets = batch.labels.targets
        return (
            ops.squeeze(losses, axis=-1) if targets is None else ops.sum(targets * losses, axis=-1)
        )
