from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._extras import require
from keras_noisy.noise import NoiseReport, TransitionMatrix
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
    shows their largest share. A `NoiseReport` or a `TransitionMatrix` may have a million classes.

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
    shares, num_classes = _read_squares(noise)
    names = _read_names(class_names, num_classes)
    figure = look.figure(height=6.0)
    axes = figure.subplots()
    figure.set_layout_engine("compressed")  # The layout that supports square axes.
    end = len(shares) * _count_per_square(num_classes) - 0.5
    extent = (-0.5, end, end, -0.5)
    image = axes.imshow(100 * shares, cmap=_make_colormap(look), norm=_make_scale(), extent=extent)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 1, 5, 20, 50, 100])
    bar.set_label("share of the true class [%]")
    axes.set(xlabel="noisy class", ylabel="true class", title=title)
    if num_classes <= _MAX_NAMES:
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
    if num_classes <= _MAX_NUMBERS:
        _write_numbers(axes, image, look)
    return figure


def _read_squares(noise: NoiseReport | ArrayLike) -> tuple[NDArray[np.float64], int]:
    """Reduces the shares of the noisy classes in each true class to at most 400 x 400 squares.

    Returns:
        The maximum of each square, in which, unlike in the mean, a single confusion remains
        visible, or NaN without labels; and the number of classes.
    """
    if isinstance(noise, NoiseReport):
        num_classes, rest = noise.num_classes, 0.0
        true, noisy, number = noise.pairs.T
        totals = np.bincount(true, number, minlength=num_classes)
        has_labels, shares = totals > 0, number / totals[true]
    elif isinstance(noise, TransitionMatrix):
        num_classes, has_labels = noise.num_classes, np.ones(noise.num_classes, bool)
        true, noisy, shares, rest = noise.list_entries()
    else:
        matrix = _read_matrix(noise)
        starts = np.arange(0, len(matrix), _count_per_square(len(matrix)))
        squares = np.fmax.reduceat(np.fmax.reduceat(matrix, starts, axis=0), starts, axis=1)
        return squares, len(matrix)
    side = _count_per_square(num_classes)
    starts = np.arange(0, num_classes, side)
    rows = np.add.reduceat(has_labels, starts, dtype="int64")
    columns = np.diff(starts, append=num_classes)
    place = true // side, noisy // side
    listed = np.zeros((len(starts), len(starts)), "int64")
    np.add.at(listed, place, 1)
    squares = np.where(listed < np.outer(rows, columns), rest, np.nan)
    np.fmax.at(squares, place, shares)
    return squares, num_classes


def _count_per_square(num_classes: int) -> int:
    """Returns the number of classes on a side of a square."""
    return -(-num_classes // _MAX_SQUARES)


def _read_matrix(noise: ArrayLike) -> NDArray[np.float64]:
    """Returns the shares of the noisy classes in each true class, which may have rows of NaN."""
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
