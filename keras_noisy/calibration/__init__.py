"""The theory applied: what to set so that a loss learns with many classes."""

from keras_noisy.calibration.average_error import average_error
from keras_noisy.calibration.diagnose import Change, Diagnosis, diagnose
from keras_noisy.calibration.initial_logits import InitialLogits, initial_logits
from keras_noisy.calibration.match import match
from keras_noisy.calibration.settings import Setting, settings
from keras_noisy.theory import logit_bias

__all__ = [
    "Change",
    "Diagnosis",
    "InitialLogits",
    "Setting",
    "average_error",
    "diagnose",
    "initial_logits",
    "logit_bias",
    "match",
    "settings",
]
