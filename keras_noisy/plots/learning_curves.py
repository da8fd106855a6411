from collections.abc import Mapping, Sequence
from typing import Any

from keras_noisy.plots.curve_panels import curve_panels


def learning_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str = "test accuracy",
    title: str = "",
    theme: str = "light",
) -> Any:
    """Draws learning curves: shares, such as accuracies, over the epochs.

    Args:
        curves: Mapping from a name, for the legend, to one share in [0, 1] for each epoch.
        ylabel: Name of the quantity, which is drawn in per cent. Defaults to `"test accuracy"`.
        title: Title of the figure. Defaults to no title.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("curves.png")`.

    Raises:
        ValueError: If there is no curve, or the theme is unknown.
        ImportError: If matplotlib is not installed.

    Example:

    >>> from keras_noisy.plots import learning_curves
    >>> figure = learning_curves({"CE": [0.4, 0.7], "MAE": [0.01, 0.02]})
    >>> figure.axes[0].get_ylabel()
    'test accuracy [%]'
    """
    if not curves:
        raise ValueError(f"`curves` must have at least one entry. Received: curves={curves!r}")
    per_cent = {name: [100 * share for share in shares] for name, shares in curves.items()}
    figure = curve_panels({f"{ylabel} [%]": per_cent}, title, theme)
    figure.axes[0].set_ylim(0, 100)
    return figure
