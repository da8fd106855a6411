"""Networks of the tasks."""

import keras

from keras_noisy.models import small_cnn
from task_runs.task import Data


def build_small_cnn(data: Data) -> keras.Model:
    """Builds the network for small pictures in colour or grey."""
    return small_cnn(data.num_classes, data.x.shape[1:], filters=(16, 32), hidden_units=192)


def build_glyph_cnn(data: Data) -> keras.Model:
    """Builds the network of benchmarks/annealed_bias.py."""
    return small_cnn(data.num_classes, data.x.shape[1:], filters=(8, 16), hidden_units=192)


def build_mlp(data: Data) -> keras.Model:
    """Builds a network of two hidden layers of 512 units with batch normalisation, for features."""
    inputs = keras.Input(data.x.shape[1:])
    x = inputs
    for _ in range(2):
        x = keras.layers.Dense(512, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(data.num_classes, name="logits")(x))
