"""Models of label noise, and functions that apply them to labels reproducibly."""

from keras_noisy.noise.add_index import add_index
from keras_noisy.noise.cifar100 import index_block, superclass
from keras_noisy.noise.corrupt import corrupt
from keras_noisy.noise.corrupt_dataset import corrupt_dataset
from keras_noisy.noise.describe import NoiseReport, describe
from keras_noisy.noise.human import from_human
from keras_noisy.noise.instance_dependent import instance_dependent
from keras_noisy.noise.transition_matrices import asymmetric, from_matrix, pair_flip, symmetric
from keras_noisy.noise.transition_matrix import TransitionMatrix

__all__ = [
    "NoiseReport",
    "TransitionMatrix",
    "add_index",
    "asymmetric",
    "corrupt",
    "corrupt_dataset",
    "describe",
    "from_human",
    "from_matrix",
    "index_block",
    "instance_dependent",
    "pair_flip",
    "superclass",
    "symmetric",
]
