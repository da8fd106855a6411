"""The assumed or measured distribution of the logits of an untrained network, for drawing."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy.calibration import InitialLogits

# None means the normal distribution with standard deviation 1.
Logits = InitialLogits | ArrayLike | None


@dataclasses.dataclass(frozen=True)
class LogitDensity:
    """A histogram of logits, and their standard deviation.

    Args:
        heights: Array (n,), the density in each bin.
        edges: Array (n + 1,), the edges of the bins.
        std: Standard deviation of the logits.
    """

    heights: NDArray
    edges: NDArray
    std: float

    def draw(self, axes: Any, colour: str, shift: float = 0.0, alpha: float = 0.35) -> Any:
        """Draws the density of the logits plus `shift`, and returns its outline for a legend."""
        edges = self.edges + shift
        axes.stairs(self.heights, edges, fill=True, color=colour, alpha=alpha)
        return axes.stairs(self.heights, edges, color=colour, linewidth=1.2)


def logit_density(logits: Logits) -> LogitDensity:
    """Returns the density of measured logits or, for `None`, the normal density.

    The mean of measured logits is subtracted, because it doesn't change a softmax.
    """
    if logits is None:
        edges = np.linspace(-4.0, 4.0, 801)
        return LogitDensity(normal_density((edges[1:] + edges[:-1]) / 2, 1.0), edges, 1.0)
    if not isinstance(logits, InitialLogits):
        logits = InitialLogits(_read_logits(logits))
    if not 0.0 < logits.std <= 5.0:
        raise ValueError(
            "`logits` must have a standard deviation above 0 and up to 5. "
            f"Received: one of {logits.std:.3g}"
        )
    heights, edges = logits.histogram()
    return LogitDensity(heights, edges - logits.mean, logits.std)


def normal_density(x: NDArray, std: float) -> NDArray:
    """Returns the density of the normal distribution with mean 0."""
    return np.exp(-((x / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def _read_logits(logits: ArrayLike) -> NDArray:
    try:
        values = np.asarray(logits, dtype="float32")
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim and values.size and np.all(np.isfinite(values)):
        return values
    raise ValueError(
        "`logits` must be an InitialLogits or an array of finite numbers. "
        f"Received: logits={logits!r}"
    )
