"""What recipes and users share around a training."""

from keras_noisy.training.checkpoint import Checkpoint
from keras_noisy.training.current_logit_bias import CurrentLogitBias
from keras_noisy.training.devices import Devices, use_devices
from keras_noisy.training.label_noise_monitor import LabelNoiseMonitor
from keras_noisy.training.memorisation import memorised
from keras_noisy.training.precision import suitable_precision
from keras_noisy.training.weight_penalty import penalise_weights

__all__ = [
    "Checkpoint",
    "CurrentLogitBias",
    "Devices",
    "LabelNoiseMonitor",
    "memorised",
    "penalise_weights",
    "suitable_precision",
    "use_devices",
]
