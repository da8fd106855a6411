"""The family of label losses that are divided by their sum over all labels."""

import abc

from keras import ops

from keras_noisy._core.batch import Batch
from keras_noisy._typing import Tensor
from keras_noisy.losses._hyperparameter import Calibration
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.row_loss import RowLoss


class NormalisedLoss(RowLoss):
    """Base class of the normalised losses, `l_y / sum_j l_j`.

    Here, `l` is a loss that depends on the label's probability alone. The sum over all labels is
    1, so the loss is symmetric for any `l`. A subclass defines `numerator`.
    """

    @property
    @abc.abstractmethod
    def numerator(self) -> LabelLoss:
        """The loss that is normalised."""

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        loss = self.numerator.of_log_prob
        return loss(log_prob) / ops.sum(loss(log_probs), axis=-1, keepdims=True)

    def average_over_labels(self, batch: Batch) -> float:
        return 1.0 / batch.predictions.num_classes

    def calibration(self, num_classes: int) -> Calibration:
        # The gradient is small, about 1 / (K log K), for all logits of the label.
        return Calibration(by_weight=True)
