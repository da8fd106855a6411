import itertools
import re
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_noisy.plots import MAX_NOISES, compare_losses, get_theme

pytestmark = pytest.mark.backend_free

ACCURACIES = {
    "CE": {"none": [0.9, 0.94, 0.95], "40 %": [0.5]},
    "MAE": {"none": [0.2, 0.3], "40 %": []},
    "not trained": {"none": [], "40 %": []},
    "GCE": {"none": np.array([0.8]), "40 %": (0.7, 0.75)},
}
ORDER = ["MAE", "CE", "GCE"]  # Sorted by the means of 0.25; of 0.93 and 0.5; of 0.8 and 0.725.


def marks(axes):
    """Returns, by noise and row, each mark and the ends of its error bar, in per cent."""
    found = {}
    for container in axes.containers:
        line, _, (bars,) = container
        ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
        places = zip(line.get_ydata(), line.get_xdata(), ends, strict=True)
        found[container.get_label()] = {int(row): (x, *bar) for row, x, bar in places}
    return found


def test_marks_are_means_with_standard_errors(tmp_path):
    figure = compare_losses(ACCURACIES, title="glyphs")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ORDER
    assert axes.get_yticks().tolist() == [0, 1, 2]
    bottom, top = axes.get_ylim()
    assert bottom < 0 < 2 < top  # The best one is on top.
    found = marks(axes)
    for noise in ("none", "40 %"):
        trained = [row for row, loss in enumerate(ORDER) if len(ACCURACIES[loss][noise])]
        assert sorted(found[noise]) == trained
        for row in trained:
            values = 100 * np.array(ACCURACIES[ORDER[row]][noise])
            mean = values.mean()
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
            np.testing.assert_allclose(found[noise][row], (mean, mean - error, mean + error))
    assert axes.get_title() == "glyphs"
    assert axes.get_xlim() == (0, 100)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["none", "40 %"]
    figure.savefig(tmp_path / "losses.png")


def test_the_mark_of_a_noise_does_not_depend_on_the_trainings():
    (whole,) = compare_losses(ACCURACIES, theme="dark").axes
    only = {loss: {"none": [], "40 %": row["40 %"]} for loss, row in ACCURACIES.items()}
    (part,) = compare_losses(only, theme="dark").axes
    assert list(marks(part)) == ["40 %"]
    looks = [(line.get_marker(), line.get_color()) for line in (whole.lines[1], part.lines[0])]
    assert looks[0] == looks[1]
    assert looks[0][1] == get_theme("dark").colours[1]


def test_twelve_noises_have_different_marks():
    assert MAX_NOISES == 12
    (axes,) = compare_losses({"CE": {str(i): [i / 20] for i in range(12)}}).axes
    assert len({line.get_marker() for line in axes.lines}) == 12
    neighbours = [line.get_color() for line in axes.lines]
    assert all(a != b for a, b in itertools.pairwise(neighbours))


@pytest.mark.parametrize(
    ("accuracies", "received"),
    [
        ({}, "0 losses with trainings and the noises []"),
        ({"CE": {"none": []}}, "0 losses with trainings and the noises ['none']"),
        (
            {"CE": {str(i): [0.5] for i in range(13)}},
            "1 losses with trainings and the noises ['0', ",
        ),
    ],
)
def test_bad_input(accuracies, received):
    allowed = "`accuracies` must have at least one training and at most 12 noises. Received: "
    with pytest.raises(ValueError, match=re.escape(allowed + received)):
        compare_losses(accuracies)


def test_unknown_theme():
    with pytest.raises(ValueError, match="`theme` must be 'light' or 'dark'"):
        compare_losses(ACCURACIES, theme="grey")


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[recipes\]"'):
        compare_losses(ACCURACIES)
