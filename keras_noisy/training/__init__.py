"""Callbacks, measurements and settings for training with noisy labels."""

from keras_noisy._files import write_atomically
from keras_noisy.training.checkpoint import Checkpoint
from keras_noisy.training.current_logit_bias import CurrentLogitBias
from keras_noisy.training.devices import Devices, use_devices, without_distribution
from keras_noisy.training.explain import Cause, Explanation, explain
from keras_noisy.training.label_noise_monitor import LabelNoiseMonitor
from keras_noisy.training.memorisation import memorised
from keras_noisy.training.precision import suitable_precision
from keras_noisy.training.weight_penalty import penalise_weights

__all__ = [
    "Cause",
    "Checkpoint",
    "CurrentLogitBias",
    "Devices",
    "Explanation",
    "LabelNoiseMonitor",
    "explain",
    "memorised",
    "penalise_weights",
    "suitable_precision",
    "use_devices",
    "without_distribution",
    "write_atomically",
]
