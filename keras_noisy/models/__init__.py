"""Classifiers to train, as Keras models that return logits."""

from keras_noisy.models.resnet import resnet
from keras_noisy.models.small_cnn import small_cnn

__all__ = ["resnet", "small_cnn"]
