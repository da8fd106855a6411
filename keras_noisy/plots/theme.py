"""The style of all figures: colours, lines and text for light and dark pages."""

import dataclasses
from typing import Any

from keras_noisy._arguments import check_choice
from keras_noisy._extras import require

# The width of figures in inches, and their resolution. On a page that shows a figure 700 pixels
# wide, letters of 10 points are 14 pixels high.
_WIDTH, _DPI = 7.0, 200
# Font sizes in points, of labels and of small text.
_FONT_SIZE, _SMALL_FONT_SIZE = 10.5, 9.5

# The dashes distinguish lines without colour. Colour and dashes together repeat after 36 lines.
_DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.2, 1.2)), (0, (6, 2, 1.2, 2)))
_DASHES += ((0, (2.5, 1.5)), (0, (9, 2, 1.2, 1.2, 1.2, 2)))


@dataclasses.dataclass(frozen=True)
class Theme:
    """The style of figures for a light or a dark page, as `keras_noisy.plots.get_theme` returns it.

    Attributes:
        background: Colour of the figure, such as `"#ffffff"`.
        text: Colour of text.
        faint: Colour of axes, grid and reference lines.
        colours: Tuple of six colours for lines, those of Okabe and Ito, which colour-blind people
            can distinguish: 0 is blue, 1 red, 2 green, 3 purple, 4 orange. The last one depends on
            the theme.
        accent: Colour of areas behind lines. Only the last colour of lines may equal it.
    """

    background: str
    text: str
    faint: str
    colours: tuple[str, ...]
    accent: str

    def figure(self, height: float) -> Any:
        """Returns an empty `matplotlib.figure.Figure`.

        Args:
            height: Height in inches. The width is 7 inches.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        # Unlike pyplot, a Figure has no global state and needs no display.
        return require("matplotlib.figure", extra="recipes").Figure(
            figsize=(_WIDTH, height), dpi=_DPI, layout="constrained", facecolor=self.background
        )

    def line(self, index: int) -> dict[str, Any]:
        """Returns keyword arguments of `Axes.plot` for the line number `index`, counted from 0."""
        turn, colour = divmod(index, len(self.colours))
        dashes = _DASHES[(colour + turn) % len(_DASHES)]
        return {"color": self.colours[colour], "linestyle": dashes, "linewidth": 2}

    def mark(self) -> dict[str, Any]:
        """Returns keyword arguments of `Axes.plot` and `Axes.axhline` for reference lines."""
        return {"color": self.text, "linestyle": "-", "linewidth": 0.8, "alpha": 0.7}

    def legend(self, figure: Any, *axes: Any) -> None:
        """Adds a legend of the given axes above all axes, where it can't cover a curve."""
        drawn: dict[str, Any] = {}
        for each in axes:
            for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
                drawn.setdefault(label, handle)
        labels, handles = list(drawn), list(drawn.values())
        # Widths are estimated in letters: 88 for the figure, and 9 for a line sample with its gaps.
        lengths = sorted(map(len, labels), reverse=True)
        fits = [n for n in range(2, len(labels) + 1) if 9 * n + sum(lengths[:n]) <= 88]
        figure.legend(handles, labels, loc="outside upper center", ncols=max(fits, default=1))

    def finish(self, figure: Any) -> Any:
        """Applies the style to everything that has been drawn, and returns the figure."""
        for axes in figure.axes:
            axes.set_facecolor(self.background)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["bottom", "left"]].set_color(self.faint)
            axes.tick_params(
                which="both", color=self.faint, labelcolor=self.text, labelsize=_SMALL_FONT_SIZE
            )
            axes.set_axisbelow(True)
            axes.grid(axis="y", color=self.faint, alpha=0.35, linewidth=0.6)
            for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
                text.set(color=self.text, fontsize=_FONT_SIZE)
            for text in axes.texts:
                text.set(color=self.text, fontsize=_SMALL_FONT_SIZE)
        for legend in figure.legends:
            legend.set_frame_on(False)
            for text in legend.get_texts():
                text.set(color=self.text, fontsize=_SMALL_FONT_SIZE)
        return figure


THEMES = {
    "light": Theme(
        background="#ffffff",
        text="#1f2328",
        faint="#8c959f",
        colours=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
        accent="#56B4E9",
    ),
    "dark": Theme(
        background="#0d1117",
        text="#e6edf3",
        faint="#6e7681",
        colours=("#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#F0E442"),
        accent="#0072B2",
    ),
}


def get_theme(name: str) -> Theme:
    """Returns the style that the figures of this package have.

    Use it to draw other figures in the same style.

    Args:
        name: `"light"` or `"dark"`, the background of the page.

    Returns:
        A `keras_noisy.plots.Theme`.

    Raises:
        ValueError: If the theme is unknown.

    Example:

    >>> from keras_noisy.plots import get_theme
    >>> theme = get_theme("light")
    >>> figure = theme.figure(height=3.0)
    >>> axes = figure.add_subplot()
    >>> _ = axes.plot([1, 2], [0.4, 0.7], label="CE", **theme.line(0))
    >>> theme.legend(figure, axes)
    >>> theme.finish(figure).get_size_inches()
    array([7., 3.])
    """
    check_choice("theme", name, THEMES)
    return THEMES[name]
