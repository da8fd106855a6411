from collections.abc import Sequence
from typing import Any

import keras

from keras_noisy._arguments import check_classes
from keras_noisy.losses import MAE
from keras_noisy.plots._error_panel import draw_errors, logit_axis
from keras_noisy.plots._logit_density import Logits, logit_density
from keras_noisy.plots.theme import get_theme


def errors_by_classes(
    classes: Sequence[int] = (10, 100, 1000),
    loss: keras.losses.Loss | None = None,
    logits: Logits = None,
    theme: str = "light",
) -> Any:
    """Draws at which logits a loss learns for several numbers of classes.

    The average error of the label's logit (`keras_noisy.calibration.average_error`) is drawn above
    the logits of a network that has not been trained. The average error moves to the right as the
    number of classes grows, while these logits stay in place.

    Args:
        classes: Numbers of classes, each at least 2. Defaults to `(10, 100, 1000)`.
        loss: A `keras.losses.Loss`. Defaults to `keras_noisy.MAE()`.
        logits: The logits of an untrained network: an `InitialLogits`, as
            `keras_noisy.calibration.initial_logits` measures it, or an array of any shape. Their
            mean is subtracted, and their standard deviation determines the errors. Defaults to
            `None`: the normal distribution with standard deviation 1.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("errors.png")`.

    Raises:
        ValueError: If an argument is invalid.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> figure = keras_noisy.plots.errors_by_classes(classes=[50, 5000], loss=keras_noisy.GCE())
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['50 classes', '5,000 classes']

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 1.
    """
    look = get_theme(theme)
    if len(classes) == 0:
        raise ValueError(f"`classes` must have at least one entry. Received: classes={classes!r}")
    for number in classes:
        check_classes("classes", number)
    loss = MAE() if loss is None else loss
    density = logit_density(logits)
    figure = look.figure(height=4.6)
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    curves = {f"{number:,} classes": (loss, number) for number in classes}
    z = logit_axis(max(classes), density.std, points=121)
    draw_errors(above, below, curves, z, density, look)
    above.set_ylabel("average error ⟨∂L/∂z⟩")
    below.set_ylabel("density")
    below.text(
        0.99,
        0.9,
        f"logits of an untrained network,\nstandard deviation {density.std:.3g}",
        transform=below.transAxes,
        ha="right",
        va="top",
    )
    look.legend(figure, above)
    return look.finish(figure)
