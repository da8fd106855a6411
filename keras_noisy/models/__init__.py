"""Classifiers for images, as Keras models that return logits."""

from keras_noisy.models.cifar_resnet import cifar_resnet
from keras_noisy.models.cnn8 import cnn8
from keras_noisy.models.mlp1024 import mlp1024
from keras_noisy.models.resnet import resnet
from keras_noisy.models.small_cnn import small_cnn

__all__ = ["cifar_resnet", "cnn8", "mlp1024", "resnet", "small_cnn"]
