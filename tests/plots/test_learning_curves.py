import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_noisy.plots import curve_panels, learning_curves

pytestmark = pytest.mark.backend_free


def test_draws_each_curve_in_per_cent(tmp_path):
    curves = {"CE": [0.1, 0.5, 0.4], "MAE": [0.01, 0.02]}
    figure = learning_curves(curves, title="noisy")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["CE", "MAE"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, 50, 40])
    assert axes.get_title() == "noisy"
    figure.savefig(tmp_path / "curves.png")


def test_a_name_has_the_same_line_in_each_panel(tmp_path):
    panels = {"accuracy [%]": {"CE": [10.0, 50.0], "MAE": [1.0, 2.0]}, "bias": {"MAE": [2.5, 0.0]}}
    figure = curve_panels(panels, theme="dark")
    upper, lower = figure.axes
    assert [line.get_color() for line in lower.lines] == [upper.lines[1].get_color()]
    np.testing.assert_allclose(lower.lines[0].get_ydata(), [2.5, 0.0])
    assert [axes.get_ylabel() for axes in figure.axes] == list(panels)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["CE", "MAE"]
    figure.savefig(tmp_path / "panels.png")


def test_no_curve():
    for panels in ({}, {"bias": {}}):
        with pytest.raises(ValueError, match="`panels` must have at least one entry"):
            curve_panels(panels)
    with pytest.raises(ValueError, match="`curves` must have at least one entry"):
        learning_curves({})


def test_one_epoch_has_one_tick():
    figure = learning_curves({"CE": [0.5]})
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    ticks = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
    assert ticks == [1.0]


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[recipes\]"'):
        learning_curves({"CE": [0.1]})
