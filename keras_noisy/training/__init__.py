"""What recipes and users share around a training."""

from keras_noisy.training.checkpoint import Checkpoint
from keras_noisy.training.current_logit_bias import CurrentLogitBias
from keras_noisy.training.label_noise_monitor import LabelNoiseMonitor
from keras_noisy.training.memorisation import memorised
from keras_noisy.training.weight_penalty import penalise_weights

__all__ = ["Checkpoint", "CurrentLogitBias", "LabelNoiseMonitor", "memorised", "penalise_weights"]
