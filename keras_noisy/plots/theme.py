"""One look for all figures: colours, lines and text, on a light or a dark page."""

import dataclasses
from typing import Any

from keras_noisy._arguments import check_choice
from keras_noisy._extras import require

# Inches. At 200 dots each, a picture 700 pixels wide shows letters of 10 points at 14 pixels.
WIDTH, DPI = 7.0, 200
_TEXT, _SMALL = 10.5, 9.5

# A line's look repeats after 36 lines only, and its dashes tell it without colour.
_DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.2, 1.2)), (0, (6, 2, 1.2, 2)))
_DASHES += ((0, (2.5, 1.5)), (0, (9, 2, 1.2, 1.2, 1.2, 2)))


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours of figures on one kind of page.

    Args:
        background: Of the figure, opaque.
        text: Of all text.
        faint: Of axes, grid and reference lines.
        colours: Six for lines, those of Okabe and Ito, told apart by colour-blind people; 0 blue,
            1 red, 2 green, 3 purple, 4 orange, 5 another one.
        accent: Of an area behind the lines, which only the sixth may have, too.
    """

    background: str
    text: str
    faint: str
    colours: tuple[str, ...]
    accent: str

    def figure(self, height: float) -> Any:
        """An empty `matplotlib.figure.Figure`, `height` inches high."""
        # A Figure of its own, not pyplot's: no display and no global state.
        return require("matplotlib.figure", extra="recipes").Figure(
            figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor=self.background
        )

    def line(self, index: int) -> dict[str, Any]:
        """Keywords of `Axes.plot` for the line with that number."""
        turn, colour = divmod(index, len(self.colours))
        dashes = _DASHES[(colour + turn) % len(_DASHES)]
        return {"color": self.colours[colour], "linestyle": dashes, "linewidth": 2}

    def mark(self) -> dict[str, Any]:
        """Keywords of `Axes.plot` and `Axes.axhline` for reference lines."""
        return {"color": self.text, "linestyle": "-", "linewidth": 0.8, "alpha": 0.7}

    def legend(self, figure: Any, *axes: Any) -> None:
        """A legend of what is drawn in `axes`, above all axes, where it can't cover a curve."""
        drawn: dict[str, Any] = {}
        for each in axes:
            for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
                drawn.setdefault(label, handle)
        labels, handles = list(drawn), list(drawn.values())
        # In letters: the figure is 88 wide, a line with its gaps 9.
        lengths = sorted(map(len, labels), reverse=True)
        fits = [n for n in range(2, len(labels) + 1) if 9 * n + sum(lengths[:n]) <= 88]
        figure.legend(handles, labels, loc="outside upper center", ncols=max(fits, default=1))

    def finish(self, figure: Any) -> Any:
        """Dresses all that was drawn, and returns the figure."""
        for axes in figure.axes:
            axes.set_facecolor(self.background)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["bottom", "left"]].set_color(self.faint)
            axes.tick_params(which="both", color=self.faint, labelcolor=self.text, labelsize=_SMALL)
            axes.set_axisbelow(True)
            axes.grid(axis="y", color=self.faint, alpha=0.35, linewidth=0.6)
            for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
                text.set(color=self.text, fontsize=_TEXT)
            for text in axes.texts:
                text.set(color=self.text, fontsize=_SMALL)
        for legend in figure.legends:
            legend.set_frame_on(False)
            for text in legend.get_texts():
                text.set(color=self.text, fontsize=_SMALL)
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
    """The theme of that name."""
    check_choice("theme", name, THEMES)
    return THEMES[name]
