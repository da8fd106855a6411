"""Noise-robust losses for Keras 3, also with many classes."""

from keras_noisy import calibration, datasets, layers, losses, models, noise, plots, training
from keras_noisy.calibration import diagnose
from keras_noisy.layers import LogitBias
from keras_noisy.losses import (
    AEL,
    AGCE,
    AUL,
    CE,
    GCE,
    JS,
    MAE,
    NCE,
    NFL,
    NGCE,
    NNCE,
    RCE,
    SCE,
    BiTempered,
    FocalCE,
    PHuberCE,
    TaylorCE,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "AEL",
    "AGCE",
    "AUL",
    "CE",
    "GCE",
    "JS",
    "MAE",
    "NCE",
    "NFL",
    "NGCE",
    "NNCE",
    "RCE",
    "SCE",
    "BiTempered",
    "FocalCE",
    "LogitBias",
    "PHuberCE",
    "TaylorCE",
    "calibration",
    "datasets",
    "diagnose",
    "layers",
    "losses",
    "models",
    "noise",
    "plots",
    "training",
]
