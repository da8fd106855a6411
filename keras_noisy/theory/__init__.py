"""Theory of the logits of untrained networks, and of the gradients of bounded losses there."""

from keras_noisy.theory.gce_q import gce_q
from keras_noisy.theory.initial_entropy import initial_entropy
from keras_noisy.theory.initial_margin import initial_margin
from keras_noisy.theory.initial_pull import initial_pull
from keras_noisy.theory.logit_bias import logit_bias
from keras_noisy.theory.update_size import update_size

__all__ = [
    "gce_q",
    "initial_entropy",
    "initial_margin",
    "initial_pull",
    "logit_bias",
    "update_size",
]
