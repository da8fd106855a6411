"""Keras layers."""

from keras_noisy.layers.class_head import ClassHead
from keras_noisy.layers.logit_adjustment import LogitAdjustment
from keras_noisy.layers.logit_bias import LogitBias

__all__ = ["ClassHead", "LogitAdjustment", "LogitBias"]
