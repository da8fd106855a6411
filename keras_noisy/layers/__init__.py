"""Keras layers."""

from keras_noisy.layers.logit_bias import LogitBias

__all__ = ["LogitBias"]
