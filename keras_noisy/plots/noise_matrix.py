from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._extras import require
from keras_noisy.noise import NoiseReport
from keras_noisy.plots.theme import Theme, get_theme

# Up to these numbers of classes, there is space for a number in each cell, and for a name at each
# row.
_MAX_NUMBERS, _MAX_NAMES = 12, 30
# With more squares in a row, a square would be smaller than a pixel.
_MAX_SQUARES = 400


def noise_matrix(
    noise: NoiseReport | ArrayLike,
    class_names: Sequence[str] | None = None,
    title: str = "",
    theme: str = "light",
) -> Any:
    """Draws a transition matrix or the confusions of noisy labels.

    Rows are true classes, and columns are noisy classes. The colours are proportional to the
    square root of the share, so that rare confusions remain visible beside the diagonal. Rows
    without labels are grey. With more than 400 classes, a square represents several of them and
    shows their largest share.

    Args:
        noise: A `keras_noisy.noise.NoiseReport`, or a transition matrix (K, K), `T[true, noisy]`.
        class_names: Names of the K classes, which are shown for up to 30 classes. Defaults to their
            numbers.
        title: Title of the figure. Defaults to no title.
        theme: `"light"` or `"dark"`, the background of the page. Defaults to `"light"`.

    Returns:
        A `matplotlib.figure.Figure`; save it with `figure.savefig("noise.png")`.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If matplotlib is not installed.

    Example:

    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.asymmetric("cifar10", rate=0.4)
    >>> figure = keras_noisy.plots.noise_matrix(matrix)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('noisy class', 'true class')
    """
    look = get_theme(theme)
    percentages = 100 * _read_shares(noise)
    names = _read_names(class_names, len(percentages))
    figure = look.figure(height=6.0)
    axes = figure.subplots()
    figure.set_layout_engine("compressed")  # The layout that supports square axes.
    squares, end = _reduce_to_squares(percentages)
    extent = (-0.5, end - 0.5, end - 0.5, -0.5)
    image = axes.imshow(squares, cmap=_make_colormap(look), norm=_make_scale(), extent=extent)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 1, 5, 20, 50, 100])
    bar.set_label("share of the true class [%]")
    axes.set(xlabel="noisy class", ylabel="true class", title=title)
    if len(percentages) <= _MAX_NAMES:
        are_long = max(map(len, names)) > 2
        axes.set_xticks(range(len(names)), names, rotation=90 if are_long else 0)
        axes.set_yticks(range(len(names)), names)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
    look.finish(figure)
    axes.grid(False)
    bar.ax.grid(False)
    bar.outline.set_visible(False)
    if len(percentages) <= _MAX_NUMBERS:
        _write_numbers(axes, image, look)
    return figure


def _read_shares(noise: NoiseReport | ArrayLike) -> NDArray[np.float64]:
    """Returns the shares of the noisy classes in each true class, which may have rows of NaN."""
    if isinstance(noise, NoiseReport):
        return noise.matrix
    try:
        matrix = np.asarray(noise, dtype="float64")
    except (TypeError, ValueError):
        matrix = np.empty(0)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and len(matrix) >= 2
    # Rows of NaN are those of classes without labels.
    if not square or np.any((matrix < 0) | (matrix > 1)) or np.isnan(matrix).all():
        raise ValueError(
            "`noise` must be a NoiseReport or an array (K, K) of numbers in [0, 1], with K at "
            f"least 2. Received: noise={noise!r}"
        )
    return matrix


def _read_names(class_names: Sequence[str] | None, num_classes: int) -> list[str]:
    """Returns a name for each class."""
    if class_names is None:
        return [str(number) for number in range(num_classes)]
    if isinstance(class_names, str) or len(class_names) != num_classes:
        raise ValueError(
            f"`class_names` must have one name for each of the {num_classes} classes. "
            f"Received: class_names={class_names!r}"
        )
    return [str(name) for name in class_names]


def _make_colormap(look: Theme) -> Any:
    """Returns a linear colormap from the background to the first colour of a theme."""
    colors = require("matplotlib.colors", extra="recipes")
    colours = colors.LinearSegmentedColormap.from_list("share", [look.background, look.colours[0]])
    return colours.with_extremes(bad=look.faint)


def _make_scale() -> Any:
    """Returns a scale of percentages that is proportional to their square root."""
    colors = require("matplotlib.colors", extra="recipes")
    return colors.PowerNorm(0.5, vmin=0.0, vmax=100.0)


def _reduce_to_squares(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Reduces a matrix to at most 400 x 400 blocks.

    Returns:
        The maximum of each block, in which, unlike in the mean, a single confusion remains visible,
        and the class at which the last block ends.
    """
    block = -(-len(values) // _MAX_SQUARES)
    starts = np.arange(0, len(values), block)
    squares = np.fmax.reduceat(np.fmax.reduceat(values, starts, axis=0), starts, axis=1)
    return squares, len(starts) * block


def _write_numbers(axes: Any, image: Any, look: Theme) -> None:
    """Writes the percentage into each cell that is not 0, in the colour with more contrast."""
    rgb = require("matplotlib.colors", extra="recipes").to_rgb
    for (row, column), value in np.ndenumerate(image.get_array().filled(0.0)):
        if value > 0:
            cell = _luminance(image.to_rgba(value)[:3])
            colour = max(
                (look.text, look.background),
                key=lambda candidate: _contrast(cell, _luminance(rgb(candidate))),
            )
            text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


def _luminance(rgb: Sequence[float]) -> float:
    """Returns the relative luminance of an sRGB colour (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    """Returns the contrast ratio of two relative luminances (WCAG 2)."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
