"""Noise-robust losses for Keras 3, also with many classes."""

from keras_noisy._extras import require_backend

require_backend()

from keras_noisy import (
    calibration,
    cleaning,
    datasets,
    layers,
    losses,
    models,
    noise,
    plots,
    theory,
    training,
)
from keras_noisy.calibration import diagnose
from keras_noisy.layers import LogitAdjustment, LogitBias
from keras_noisy.losses import LOSSES as _LOSSES
from keras_noisy.losses._catalogue import *
from keras_noisy.training import explain

__version__ = "0.1.0"

__all__ = [
    "LogitAdjustment",
    "LogitBias",
    "calibration",
    "cleaning",
    "datasets",
    "diagnose",
    "explain",
    "layers",
    "losses",
    "models",
    "noise",
    "plots",
    "theory",
    "training",
    *(loss.__name__ for loss in _LOSSES),
]
