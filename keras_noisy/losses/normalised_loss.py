"""The family of label losses that are divided by their sum over all labels."""

import abc

from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.row_loss import RowLoss


class NormalisedLoss(RowLoss):
    """Base of the normalised losses, `l_y / sum_j l_j` for a loss `l` of the label's probability.

    Summed over all labels it is 1, so it is symmetric, whatever `l` is. A subclass names `l`.
    """

    @property
    @abc.abstractmethod
    def numerator(self) -> LabelLoss:
        """The loss that is normalised."""

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        loss = self.numerator.of_log_prob
        return loss(log_prob) / ops.sum(loss(log_probs), axis=-1, keepdims=True)
