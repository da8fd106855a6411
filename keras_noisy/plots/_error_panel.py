"""Draws the average errors of losses, and below them the logits of an untrained network."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy.calibration import average_error
from keras_noisy.plots._logit_density import LogitDensity
from keras_noisy.plots.theme import Theme

# From names to a loss and its number of classes.
Curves = Mapping[str, tuple[keras.losses.Loss, int]]


def logit_axis(num_classes: int, logit_std: float, points: int) -> NDArray:
    """Returns logits from the smallest of an untrained network up to a label probability near 1."""
    low = -4.0 * max(1.0, logit_std)
    high = math.log(num_classes) + logit_std**2 / 2 + 5.0
    return np.linspace(low, high, points)


def draw_errors(
    above: Any, below: Any, curves: Curves, z: NDArray, density: LogitDensity, theme: Theme
) -> None:
    """Draws a curve for each loss into the axes `above`, and the logits into the axes `below`.

    Args:
        above: Axes of the average errors.
        below: Axes of the logits, with the same x-axis.
        curves: Mapping from a name, for the legend, to a loss and its number of classes.
        z: Array (n,), the logits of the label.
        density: The logits of an untrained network.
        theme: Theme of the figure.
    """
    for index, (name, (loss, num_classes)) in enumerate(curves.items()):
        errors = average_error(loss, z, num_classes, density.std)
        above.plot(z, errors, label=name, **theme.line(index))
    above.set_xlim(z[0], z[-1])
    above.xaxis.get_major_locator().set_params(integer=True)
    below.set_xlabel("label's logit z")
    draw_logits(above, below, density, 0.0, theme.faint)


def draw_logits(above: Any, below: Any, density: LogitDensity, shift: float, colour: str) -> None:
    """Draws the density of logits plus `shift`, and a band with 95 % of them in both axes."""
    density.draw(below, colour, shift)
    for axes in (above, below):
        reach = 2 * density.std
        axes.axvspan(shift - reach, shift + reach, color=colour, alpha=0.13, linewidth=0)
