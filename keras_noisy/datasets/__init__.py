"""Datasets, loaded as `keras.datasets` are, and what feeds them to `fit`."""

from keras_noisy.datasets import glyphs
from keras_noisy.datasets.shuffled_batches import ShuffledBatches

__all__ = ["ShuffledBatches", "glyphs"]
