from collections.abc import Mapping, Sequence
from typing import Any

from keras_noisy.plots.theme import get_theme

# From names to one number for each epoch.
_Curves = Mapping[str, Sequence[float]]


def curve_panels(panels: Mapping[str, _Curves], title: str = "", theme: str = "light") -> Any:
    """Draws several quantities over the epochs, each in a panel of its own.

    Curves with the same name have the same line style in all panels.

    Args:
        panels: Mapping from a quantity, with its unit, to its curves: a mapping from a name, for
            the legend, to one number for each epoch.
        title: Title of the figure. Defaults to no title.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("curves.png")`.

    Raises:
        ValueError: If there is no panel, a panel without a curve, or an unknown theme.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import curve_panels
    >>> accuracy = {"CE": [40.0, 70.0], "MAE": [1.0, 2.0]}
    >>> figure = curve_panels({"test accuracy [%]": accuracy, "logit bias": {"MAE": [2.5, 0.0]}})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['test accuracy [%]', 'logit bias']
    """
    look = get_theme(theme)
    if not panels or not all(panels.values()):
        raise ValueError(
            "`panels` must have at least one entry, and each at least one curve. "
            f"Received: panels={panels!r}"
        )
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    figure = look.figure(height=4.5 if len(panels) == 1 else 1.5 + 2.2 * len(panels))
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (ylabel, curves) in zip(all_axes, panels.items(), strict=True):
        for name, values in curves.items():
            marker = "o" if len(values) < 40 else ""
            line = {"label": name, "marker": marker, "ms": 3, **look.line(names.index(name))}
            axes.plot(range(1, len(values) + 1), values, **line)
        axes.set(ylabel=ylabel, ylim=(0, None))
    all_axes[0].set_title(title)
    all_axes[-1].set_xlabel("epoch")
    all_axes[-1].xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    look.legend(figure, *all_axes)
    return look.finish(figure)
