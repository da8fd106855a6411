from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import keras

from keras_noisy import losses as robust_losses
from keras_noisy._arguments import check_classes
from keras_noisy.calibration import logit_bias
from keras_noisy.plots._error_panel import draw_errors, draw_logits, logit_axis
from keras_noisy.plots._logit_density import Logits, logit_density
from keras_noisy.plots.theme import get_theme


def errors_by_loss(
    losses: Mapping[str, keras.losses.Loss] | None = None,
    classes: Sequence[int] = (10, 1000),
    logits: Logits = None,
    theme: str = "light",
) -> Any:
    """Draws at which logits several losses learn, with few classes and with many.

    There is one panel for each number of classes. It shows the average errors of the label's logit
    (`keras_noisy.calibration.average_error`) above the logits of a network that has not been
    trained. If the number of classes needs a logit bias (`keras_noisy.calibration.logit_bias`),
    the panel also shows the logits plus the bias.

    Args:
        losses: Mapping from a name, for the legend, to a `keras.losses.Loss`. Defaults to CE, MAE,
            GCE(0.7), BiTempered(0.8, 1.2) and half of NCE+AGCE as published for CIFAR-10, which
            takes about 10 seconds.
        classes: Numbers of classes, each at least 2. Defaults to `(10, 1000)`.
        logits: The logits of an untrained network: an `InitialLogits`, as
            `keras_noisy.calibration.initial_logits` measures it, or an array of any shape. Their
            mean is subtracted, and their standard deviation determines errors and bias. Defaults
            to `None`: the normal distribution with standard deviation 1.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("losses.png")`.

    Raises:
        ValueError: If an argument is invalid.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> losses = {"MAE": keras_noisy.MAE(), "AGCE": keras_noisy.AGCE(a=6.0, q=1.5)}
    >>> figure = keras_noisy.plots.errors_by_loss(losses, classes=[10, 200])
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['(a) 10 classes', '(b) 200 classes']

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 2.
    """
    look = get_theme(theme)
    for name, entries in (("losses", losses), ("classes", classes)):
        if entries is not None and len(entries) == 0:
            raise ValueError(f"`{name}` must have at least one entry. Received: {name}={entries!r}")
    for number in classes:
        check_classes("classes", number)
    losses = _default_losses() if losses is None else losses
    density = logit_density(logits)
    # These points are enough for a narrow panel. BiTempered takes 50 ms for one with 1000 classes.
    z = logit_axis(max(classes), density.std, points=81)
    figure = look.figure(height=5.0)
    panels = figure.subplots(
        nrows=2,
        ncols=len(classes),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(3, 1),
    )
    for letter, number, above, below in zip(ascii_lowercase, classes, *panels, strict=False):
        curves = {name: (loss, number) for name, loss in losses.items()}
        draw_errors(above, below, curves, z, density, look)
        above.set_title(f"({letter}) {number:,} classes")
        top = 1.1 * density.heights.max()
        below.text(z[0], top, " untrained network")
        bias = logit_bias(number, logit_std=density.std)
        if bias > 0.0:
            draw_logits(above, below, density, bias, look.accent)
            # The text starts to the right of the other one, which takes a seventh of the figure.
            right = z[0] + 0.17 * len(classes) * (z[-1] - z[0])
            below.text(max(right, bias - density.std), top, f"+ bias {bias:.2f}")
        below.set_ylim(0.0, 1.6 * density.heights.max())
    panels[0, 0].set_ylabel("average error ⟨∂L/∂z⟩")
    panels[1, 0].set_ylabel("density")
    look.legend(figure, panels[0, 0])
    return look.finish(figure)


def _default_losses() -> dict[str, keras.losses.Loss]:
    return {
        "CE": robust_losses.CE(),
        "MAE": robust_losses.MAE(),
        "GCE(0.7)": robust_losses.GCE(q=0.7),
        "BiTempered": robust_losses.BiTempered(),
        "0.5 × NCE+AGCE": 0.5 * robust_losses.get("nce+agce", dataset="cifar10"),
    }
