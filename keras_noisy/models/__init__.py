"""Classifiers to train, as Keras models that return logits."""

from keras_noisy.models.mlp1024 import mlp1024
from keras_noisy.models.resnet import resnet
from keras_noisy.models.small_cnn import small_cnn

__all__ = ["mlp1024", "resnet", "small_cnn"]
