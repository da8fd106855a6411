"""The family of normalised losses of the wrong labels, in a vertically flipped form."""

import abc
import math

from keras import ops

from keras_noisy._core.batch import Batch
from keras_noisy._typing import Tensor
from keras_noisy.losses._hyperparameter import Calibration
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.row_loss import RowLoss


class NegativeLoss(RowLoss):
    """Base class of the normalised negative losses, `1 - (A - l_y) / sum_j (A - l_j)`.

    Here, `l` is a loss that depends on the label's probability alone, at most its value `A` for the
    probability `min_prob`. The sum over all labels is K - 1, so the loss is symmetric. A subclass
    defines `flipped`, and the hyperparameter `min_prob`.
    """

    min_prob: float

    @property
    @abc.abstractmethod
    def flipped(self) -> LabelLoss:
        """The loss `l`."""

    @property
    @abc.abstractmethod
    def bound(self) -> float:
        """The number `A`."""

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        num_classes = log_probs.shape[-1]
        if self.min_prob * num_classes >= 1.0:
            raise ValueError(
                "`min_prob` must be below 1/K, or an untrained network would divide 0 by 0. "
                f"Received: min_prob={self.min_prob!r}, K={num_classes}"
            )
        total = ops.sum(self._below_bound(log_probs), axis=-1, keepdims=True)
        return 1.0 - self._below_bound(log_prob) / total

    def _below_bound(self, log_prob: Tensor) -> Tensor:
        floor = math.log(self.min_prob)
        # The loss below the floor, which may be huge, must not be differentiated.
        kept = ops.where(log_prob > floor, log_prob, floor)
        distance = self.bound - self.flipped.of_log_prob(kept)
        return ops.where((log_prob > floor) & (distance > 0.0), distance, 0.0)

    def average_over_labels(self, batch: Batch) -> float:
        return 1.0 - 1.0 / batch.predictions.num_classes

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration(by_weight=True)
