"""What recipes and users want to know of a training."""

from keras_noisy.training.memorisation import memorised

__all__ = ["memorised"]
