from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_noisy._arguments import check_classes
from keras_noisy.calibration import logit_bias
from keras_noisy.plots.theme import get_theme

_POINTS = 61


def bias_by_classes(
    marked: Sequence[int] = (100, 1000),
    up_to: int = 100_000,
    reference_classes: int = 10,
    logit_std: float = 1.0,
    theme: str = "light",
) -> Any:
    """Draws the logit bias of `keras_noisy.calibration.logit_bias` over the number of classes.

    Args:
        marked: Numbers of classes, each at least 2, that are marked together with their biases. It
            may be empty. Defaults to `(100, 1000)`.
        up_to: Integer, the largest number of classes. Defaults to `100_000`.
        reference_classes: Integer, at least 2 and below `up_to`, the number of classes that needs
            no bias. The curve begins there. Defaults to `10`.
        logit_std: Standard deviation of the logits of an untrained network, from 0 to 5. Defaults
            to `1.0`.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("bias.png")`.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import bias_by_classes
    >>> figure = bias_by_classes(marked=[365], up_to=1000)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['365 classes: 3.83']

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 4.
    """
    look = get_theme(theme)
    for name, number in (("reference_classes", reference_classes), ("up_to", up_to)):
        check_classes(name, number)
    for number in marked:
        check_classes("marked", number)
    if up_to <= reference_classes:
        raise ValueError(
            f"`up_to` must be above `reference_classes` ({reference_classes}). "
            f"Received: up_to={up_to!r}"
        )
    figure = look.figure(height=4.0)
    axes = figure.add_subplot()
    classes = np.unique(np.rint(np.geomspace(reference_classes, up_to, _POINTS)).astype(int))
    biases = [logit_bias(int(number), reference_classes, logit_std) for number in classes]
    axes.plot(classes, biases, **look.line(0))
    for number in marked:
        bias = logit_bias(number, reference_classes, logit_std)
        axes.plot([number, number, classes[0]], [0.0, bias, bias], **look.mark())
        axes.plot(number, bias, marker="o", markersize=6, color=look.colours[1])
        # The text must not cover the rising curve: it is below the curve on the right or, near the
        # end, above it on the left.
        left = number > (classes[0] * classes[-1] ** 2) ** (1 / 3)
        axes.annotate(
            f"{number:,} classes: {bias:.2f}",
            (number, bias),
            xytext=(-10, 4) if left else (10, -4),
            textcoords="offset points",
            ha="right" if left else "left",
            va="bottom" if left else "top",
        )
    axes.set(xscale="log", xlabel="number of classes K", ylabel="logit bias ε")
    axes.set(xlim=(classes[0], classes[-1]), ylim=(0.0, 1.1 * biases[-1]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("{x:,.0f}" if up_to <= 10 * reference_classes else "")
    return look.finish(figure)
