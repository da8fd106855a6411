from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np

from keras_noisy.calibration import InitialLogits
from keras_noisy.plots._logit_density import LogitDensity, normal_density
from keras_noisy.plots.theme import get_theme


def logit_distributions(
    measured: Mapping[str, InitialLogits | Sequence[InitialLogits]], theme: str = "light"
) -> Any:
    """Draws the distribution of the logits of networks that have not been trained.

    There is one panel for each network. It shows a histogram for each of its initialisations, and
    the normal density with mean 0 and the variance of all its logits.

    Args:
        measured: Mapping from the name of a network to an `InitialLogits`, as
            `keras_noisy.calibration.initial_logits` or `keras_noisy.plots.measured_logits` returns
            it, or to a list of them, one for each initialisation.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("logits.png")`.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> model = keras_noisy.models.mlp1024(num_classes=10, input_shape=(28, 28))
    >>> _, (x, y) = keras_noisy.datasets.glyphs.load_data(10, verbose=0)
    >>> logits = keras_noisy.calibration.initial_logits(model, x)
    >>> figure = keras_noisy.plots.logit_distributions({"MLP": logits})
    >>> figure.axes[0].get_title()[:27]
    '(a) MLP, standard deviation'

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 5.
    """
    look = get_theme(theme)
    networks = {name: _read_initialisations(name, logits) for name, logits in measured.items()}
    if not networks:
        raise ValueError(
            f"`measured` must have at least one entry. Received: measured={measured!r}"
        )
    figure = look.figure(height=3.8)
    panels = figure.subplots(1, len(networks), squeeze=False)[0]
    for letter, axes, (name, logits) in zip(
        ascii_lowercase, panels, networks.items(), strict=False
    ):
        values = np.concatenate([one.values.ravel() for one in logits])
        std = float(values.std(dtype="float64"))
        width = std / 5
        first, last = np.floor(values.min() / width), np.ceil(values.max() / width)
        edges = width * np.arange(first, last + 1)
        for one in logits:
            heights, _ = np.histogram(one.values, edges, density=True)
            density = LogitDensity(heights, edges, one.std)
            outline = density.draw(axes, look.colours[0], alpha=0.5 / len(logits))
        outline.set_label("untrained networks")
        x = np.linspace(-4 * std, 4 * std, 161)
        axes.plot(x, normal_density(x, std), label="normal density", **look.line(1))
        axes.set_title(f"({letter}) {name}, standard deviation {std:.2f}")
        axes.set(xlabel="logit z", xlim=(x[0], x[-1]), ylim=(0.0, None))
    panels[0].set_ylabel("density")
    look.legend(figure, panels[0])
    return look.finish(figure)


def _read_initialisations(
    name: str, logits: InitialLogits | Sequence[InitialLogits]
) -> list[InitialLogits]:
    """Returns the measured logits of a network as a list, one entry for each initialisation."""
    each = [logits] if isinstance(logits, InitialLogits) else list(logits)
    if each and all(isinstance(one, InitialLogits) and one.std > 0.0 for one in each):
        return each
    raise ValueError(
        "`measured` must map names to an InitialLogits that is not constant, or to a list of some. "
        f"Received: measured[{name!r}]={logits!r}"
    )
