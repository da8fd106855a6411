"""Figures, drawn with matplotlib."""

from keras_noisy.plots.learning_curves import learning_curves

__all__ = ["learning_curves"]
