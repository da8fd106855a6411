"""Figures of losses, noise and trainings, drawn with matplotlib."""

from keras_noisy.plots.bias_by_classes import bias_by_classes
from keras_noisy.plots.compare_losses import MARKERS, compare_losses
from keras_noisy.plots.curve_panels import curve_panels
from keras_noisy.plots.errors_by_classes import errors_by_classes
from keras_noisy.plots.errors_by_loss import errors_by_loss
from keras_noisy.plots.gce_exponent import gce_exponent
from keras_noisy.plots.learning_curves import learning_curves
from keras_noisy.plots.logit_distributions import logit_distributions
from keras_noisy.plots.measured_logits import measured_logits
from keras_noisy.plots.noise_matrix import noise_matrix
from keras_noisy.plots.theme import Theme, get_theme
from keras_noisy.plots.theory_figures import theory_figures
from keras_noisy.plots.update_sizes import update_sizes

#: The largest number of noises that `keras_noisy.plots.compare_losses` draws.
MAX_NOISES = len(MARKERS)

__all__ = [
    "MAX_NOISES",
    "Theme",
    "bias_by_classes",
    "compare_losses",
    "curve_panels",
    "errors_by_classes",
    "errors_by_loss",
    "gce_exponent",
    "get_theme",
    "learning_curves",
    "logit_distributions",
    "measured_logits",
    "noise_matrix",
    "theory_figures",
    "update_sizes",
]
