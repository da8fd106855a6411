from collections.abc import Mapping, Sequence
from typing import Any

from keras_noisy.extras import require


def learning_curves(
    curves: Mapping[str, Sequence[float]], ylabel: str = "test accuracy", title: str = ""
) -> Any:
    """Draws one curve over the epochs for each name.

    Args:
        curves: Mapping from a name, for the legend, to one share in [0, 1] for each epoch.
        ylabel: What the shares are. Drawn in per cent.
        title: Title of the figure. Defaults to none.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("curves.png")`.

    Raises:
        ValueError: If there is no curve.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import learning_curves
    >>> figure = learning_curves({"CE": [0.4, 0.7], "MAE": [0.01, 0.02]})
    >>> figure.axes[0].get_ylabel()
    'test accuracy [%]'
    """
    if not curves:
        raise ValueError(f"`curves` must have at least one entry. Received: curves={curves!r}")
    figure_module = require("matplotlib.figure", extra="recipes")
    # A Figure of its own, not pyplot's: no display and no global state.
    figure = figure_module.Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, shares in curves.items():
        epochs = range(1, len(shares) + 1)
        marker = "o" if len(shares) < 40 else ""
        (line,) = axes.plot(epochs, [100 * share for share in shares], marker=marker, ms=3, lw=2)
        line.set_label(name)
    axes.set(xlabel="epoch", ylabel=f"{ylabel} [%]", title=title)
    axes.set_ylim(0, 100)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    return figure
