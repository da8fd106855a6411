"""The theory applied: what to set so that a loss learns with many classes."""

from keras_noisy.theory import logit_bias

__all__ = ["logit_bias"]
