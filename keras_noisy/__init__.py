"""Noise-robust losses for Keras 3, also with many classes."""

from keras_noisy import calibration, datasets, layers, losses, models, noise, plots, training
from keras_noisy.layers import LogitBias
from keras_noisy.losses import CE, GCE, MAE

__version__ = "0.1.0.dev0"

__all__ = [
    "CE",
    "GCE",
    "MAE",
    "LogitBias",
    "calibration",
    "datasets",
    "layers",
    "losses",
    "models",
    "noise",
    "plots",
    "training",
]
