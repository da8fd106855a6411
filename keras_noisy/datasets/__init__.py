"""Datasets, loaded as `keras.datasets` are."""

from keras_noisy.datasets import glyphs

__all__ = ["glyphs"]
