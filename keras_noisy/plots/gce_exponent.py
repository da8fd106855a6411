from typing import Any

import numpy as np

from keras_noisy.calibration import average_error
from keras_noisy.losses import GCE
from keras_noisy.plots._error_panel import logit_axis
from keras_noisy.plots.theme import get_theme
from keras_noisy.theory import gce_q

# Half of the width of the panel around logit 0.
_CLOSE = 2.0


def gce_exponent(
    num_classes: int = 1000,
    reference_classes: int = 100,
    q: float = 0.7,
    logit_std: float = 1.0,
    theme: str = "light",
) -> Any:
    """Draws how the exponent of GCE is chosen for a number of classes.

    There are three curves of the average error of the label's logit
    (`keras_noisy.calibration.average_error`). Two are those of GCE with the exponent `q`, for
    `reference_classes` and for `num_classes`. The third is that of the exponent of
    `keras_noisy.theory.gce_q` for `num_classes`. At logit 0, it equals the first one (horizontal
    line).

    Args:
        num_classes: Integer, at least 2. Defaults to `1000`.
        reference_classes: Integer, at least 2, the number of classes for which `q` is suitable.
            Defaults to `100`.
        q: Number in (0, 1], the exponent for `reference_classes`. Defaults to `0.7`.
        logit_std: Standard deviation of the logits of an untrained network, from 0 to 5. Defaults
            to `1.0`.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("q.png")`.

    Raises:
        ValueError: If an argument is invalid.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> figure = keras_noisy.plots.gce_exponent(num_classes=365)
    >>> [line.get_label() for line in figure.axes[0].lines[:3]]
    ['100 classes, q = 0.7', '365 classes, q = 0.7', '365 classes, q = 0.558']

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 3.
    """
    look = get_theme(theme)
    matched = gce_q(num_classes, q, reference_classes, logit_std)
    curves = ((reference_classes, q), (num_classes, q), (num_classes, matched))
    reference = float(average_error(GCE(q), 0.0, reference_classes, logit_std))
    wide = logit_axis(max(num_classes, reference_classes), logit_std, points=121)
    figure = look.figure(height=4.0)
    panels = figure.subplots(1, 2)
    for axes, z in zip(panels, (wide, np.linspace(-_CLOSE, _CLOSE, 41)), strict=True):
        for index, (number, exponent) in enumerate(curves):
            errors = average_error(GCE(exponent), z, number, logit_std)
            label = f"{number:,} classes, q = {exponent:.3g}"
            axes.plot(z, errors, label=label, **look.line(index))
        axes.axhline(reference, **look.mark())
        axes.plot(0.0, reference, marker="o", markersize=5, color=look.text)
        axes.set(xlabel="label's logit z", xlim=(z[0], z[-1]))
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set(ylabel="average error ⟨∂L/∂z⟩", title="(a) whole range")
    panels[1].set(title="(b) close to logit 0", ylim=(4 * reference, 0.0))
    # There is no curve below the line and to the left of 0.
    position = {"xytext": (5, -5), "textcoords": "offset points", "va": "top"}
    panels[1].annotate(
        f"{reference:.3g} at logit 0".replace("-", "−"), (-_CLOSE, reference), **position
    )
    look.legend(figure, panels[0])
    return look.finish(figure)
