"""Noise-robust losses for classification."""

from keras_noisy.losses._catalogue import *
from keras_noisy.losses._get import get
from keras_noisy.losses._published import weight_penalty
from keras_noisy.losses._registry import LOSSES
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.robust_loss import RobustLoss, WeightedSum
from keras_noisy.losses.row_loss import RowLoss
from keras_noisy.losses.tempered_softmax import tempered_softmax

__all__ = [
    "LOSSES",
    "LabelLoss",
    "RobustLoss",
    "RowLoss",
    "WeightedSum",
    "get",
    "tempered_softmax",
    "weight_penalty",
    *(loss.__name__ for loss in LOSSES),
]
