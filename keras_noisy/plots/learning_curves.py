from collections.abc import Mapping, Sequence
from typing import Any

from keras_noisy.plots.theme import get_theme


def learning_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str = "test accuracy",
    title: str = "",
    theme: str = "light",
) -> Any:
    """Draws one curve over the epochs for each name.

    Args:
        curves: Mapping from a name, for the legend, to one share in [0, 1] for each epoch.
        ylabel: What the shares are. Drawn in per cent.
        title: Title of the figure. Defaults to none.
        theme: `"light"` or `"dark"`, for pages of that kind. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("curves.png")`.

    Raises:
        ValueError: If there is no curve, or no such theme.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import learning_curves
    >>> figure = learning_curves({"CE": [0.4, 0.7], "MAE": [0.01, 0.02]})
    >>> figure.axes[0].get_ylabel()
    'test accuracy [%]'
    """
    look = get_theme(theme)
    if not curves:
        raise ValueError(f"`curves` must have at least one entry. Received: curves={curves!r}")
    figure = look.figure(height=4.5)
    axes = figure.add_subplot()
    for index, (name, shares) in enumerate(curves.items()):
        epochs = range(1, len(shares) + 1)
        marker = "o" if len(shares) < 40 else ""
        (line,) = axes.plot(
            epochs, [100 * share for share in shares], marker=marker, ms=3, **look.line(index)
        )
        line.set_label(name)
    axes.set(xlabel="epoch", ylabel=f"{ylabel} [%]", title=title)
    axes.set_ylim(0, 100)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    look.legend(figure, axes)
    return look.finish(figure)
