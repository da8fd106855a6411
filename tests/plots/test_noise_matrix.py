import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_noisy.noise import corrupt, describe, pair_flip, superclass, symmetric
from keras_noisy.plots import noise_matrix

pytestmark = pytest.mark.backend_free

LABELS = np.repeat(np.arange(1, 4), 100)
REPORT = describe(LABELS, corrupt(LABELS, symmetric(4, 0.4), seed=0))


def drawn(figure):
    (image,) = figure.axes[0].images
    return image.get_array()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_draws_per_cent(tmp_path, theme):
    names = ["cat", "dog", "bird", "fish"]
    figure = noise_matrix(REPORT, names, title="noisy", theme=theme)
    axes = figure.axes[0]
    np.testing.assert_allclose(drawn(figure).filled(np.nan), 100 * REPORT.matrix)
    assert drawn(figure).mask[0].all()  # Class 0 has no labels.
    assert not drawn(figure).mask[1:].any()
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [text.get_text() for text in ticks] == names
    assert axes.get_title() == "noisy"
    assert len(axes.texts) == np.count_nonzero(REPORT.counts)
    figure.savefig(tmp_path / "noise.png")


def test_numbers_are_in_their_cells():
    figure = noise_matrix(pair_flip(4, 0.03))
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    expected = {(i, i): "97" for i in range(4)} | {((i + 1) % 4, i): "3.0" for i in range(4)}
    assert texts == expected


@pytest.mark.parametrize("num_classes", [13, 30, 31, 100])
def test_many_classes_have_less_text(tmp_path, num_classes):
    names = [f"class {number}" for number in range(num_classes)]
    figure = noise_matrix(symmetric(num_classes, 0.4), names)
    figure.savefig(tmp_path / "noise.png")
    axes = figure.axes[0]
    assert not axes.texts
    labels = [text.get_text() for text in axes.get_yticklabels()]
    if num_classes <= 30:
        assert labels == names
    else:
        assert len(labels) < 12


def test_a_single_confusion_is_visible_among_very_many_classes():
    matrix = np.eye(1001)
    matrix[700, [700, 3]] = 0.5
    matrix[1000] = np.nan
    squares = drawn(noise_matrix(matrix))
    assert squares.shape == (334, 334)
    assert squares[700 // 3, 3 // 3] == 50
    assert np.count_nonzero(squares > 0) == 334 + 1
    # Two rows of the last block have labels.
    assert not squares.mask.any()


@pytest.mark.parametrize("num_classes", [2, 3, 400, 401, 1000, 1201])
def test_formulas_and_reports_are_drawn_as_their_matrices(num_classes):
    labels = np.random.default_rng(0).integers(0, num_classes, 300)
    for noise in (
        symmetric(num_classes, 0.4),
        symmetric(num_classes, 1.0),
        pair_flip(num_classes, 0.4),
        describe(labels, corrupt(labels, symmetric(num_classes, 0.4), seed=0), num_classes),
    ):
        matrix = noise.matrix if hasattr(noise, "counts") else np.asarray(noise)
        found, expected = (drawn(noise_matrix(each)).filled(np.nan) for each in (noise, matrix))
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_million_classes_take_no_matrix():
    noise = symmetric(10**6, 0.4)
    labels = np.arange(10**5)
    for each in (noise, describe(labels, corrupt(labels, noise, seed=0), 10**6)):
        assert drawn(noise_matrix(each)).shape == (400, 400)


def test_axis_labels_are_inside_the_figure():
    """The layout supports square axes."""
    for matrix in (superclass(0.4), symmetric(10, 0.4)):
        figure = noise_matrix(matrix)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        for text in (axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= 0
            assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": np.ones((2, 3))}, "`noise` must be a NoiseReport or an array"),
        ({"noise": [[1.0]]}, "`noise` must be"),
        ({"noise": "noise"}, "`noise` must be.*Received: noise='noise'"),
        ({"noise": [[3, 1], [0, 2]]}, r"numbers in \[0, 1\]"),
        ({"noise": [[-0.5, 1], [0, 1]]}, r"numbers in \[0, 1\]"),
        ({"noise": np.full((2, 2), np.nan)}, "`noise` must be"),
        ({"class_names": ["a"]}, "`class_names` must have one name for each of the 2 classes"),
        ({"class_names": "ab"}, "`class_names` must have.*Received: class_names='ab'"),
        ({"theme": "blue"}, "`theme` must be 'light' or 'dark'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        noise_matrix(**{"noise": np.eye(2), **arguments})


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[recipes\]"'):
        noise_matrix(np.eye(2))
