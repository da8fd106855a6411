"""Noise-robust losses for classification."""

from keras_noisy.losses._catalogue import *
from keras_noisy.losses._get import get
from keras_noisy.losses._registry import LOSSES
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.robust_loss import RobustLoss, WeightedSum
from keras_noisy.losses.row_loss import RowLoss

__all__ = [
    "LOSSES",
    "LabelLoss",
    "RobustLoss",
    "RowLoss",
    "WeightedSum",
    "get",
    *(loss.__name__ for loss in LOSSES),
]
