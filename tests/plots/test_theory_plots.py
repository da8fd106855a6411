"""The figures of the theory show the values of the functions behind them."""

import keras
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb
from matplotlib.patches import StepPatch

import keras_noisy
from keras_noisy import plots
from keras_noisy.calibration import InitialLogits, average_error, logit_bias
from keras_noisy.calibration._optimizer import read_optimizer
from keras_noisy.plots import _error_panel
from keras_noisy.theory import gce_q, initial_pull, update_size


def some_logits(std=1.5, mean=0.0):
    return InitialLogits(np.random.default_rng(0).normal(mean, std, (50, 100)).astype("float32"))


def read_density(axes):
    """Returns the heights and edges of the first histogram."""
    values, edges, _ = axes.patches[0].get_data()
    return values, edges


def test_errors_by_classes():
    figure = plots.errors_by_classes()
    above, below = figure.axes
    assert [line.get_label() for line in above.lines] == [
        "10 classes",
        "100 classes",
        "1,000 classes",
    ]
    for line, classes in zip(above.lines, (10, 100, 1000), strict=True):
        pull = 2 * initial_pull(line.get_xdata(), classes)
        np.testing.assert_allclose(line.get_ydata(), -pull, rtol=1e-4, atol=1e-7)
    assert above.get_ylabel() == "average error ⟨∂L/∂z⟩"
    assert (below.get_xlabel(), below.get_ylabel()) == ("label's logit z", "density")
    heights, edges = read_density(below)
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1, abs=1e-3)
    assert heights.max() == pytest.approx(1 / np.sqrt(2 * np.pi), abs=1e-3)


def test_errors_with_measured_logits():
    logits = some_logits(mean=0.7)
    above, below = plots.errors_by_classes([50], keras_noisy.GCE(), logits).axes
    (line,) = above.lines
    expected = average_error(keras_noisy.GCE(), line.get_xdata(), 50, logits.std)
    np.testing.assert_allclose(line.get_ydata(), expected)
    heights, edges = read_density(below)
    np.testing.assert_allclose(heights, logits.histogram()[0])
    np.testing.assert_allclose(edges, logits.histogram()[1] - logits.mean)
    same = plots.errors_by_classes([50], keras_noisy.GCE(), logits.values.ravel()).axes[0].lines[0]
    np.testing.assert_allclose(same.get_ydata(), expected)


def test_errors_by_loss():
    losses = {"mine": keras_noisy.CE(), "theirs": keras_noisy.AGCE()}
    figure = plots.errors_by_loss(losses, classes=[10, 300])
    few, many, logits_of_few, logits_of_many = figure.axes
    for axes, classes in ((few, 10), (many, 300)):
        for line, (name, loss) in zip(axes.lines, losses.items(), strict=True):
            assert line.get_label() == name
            np.testing.assert_allclose(
                line.get_ydata(), average_error(loss, line.get_xdata(), classes)
            )
    assert few.get_title() == "(a) 10 classes"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mine", "theirs"]
    assert [text.get_text().strip() for text in logits_of_few.texts] == ["untrained network"]
    bias = logit_bias(300)
    assert logits_of_many.texts[1].get_text() == f"+ bias {bias:.2f}"
    starts = [
        patch.get_data().edges[0]
        for patch in logits_of_many.patches
        if isinstance(patch, StepPatch)
    ]
    np.testing.assert_allclose(np.unique(starts), [-4, bias - 4])


def test_errors_by_loss_of_the_source(monkeypatch):
    # The average error of BiTempered takes seconds.
    monkeypatch.setattr(_error_panel, "average_error", lambda loss, z, *_: 0 * z)
    figure = plots.errors_by_loss(classes=[3])
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "CE",
        "MAE",
        "GCE(0.7)",
        "BiTempered",
        "0.5 × NCE+AGCE",
    ]


def test_gce_exponent():
    matched = gce_q(1000, 0.7, reference_classes=100)
    for axes in plots.gce_exponent().axes:
        *curves, across, point = axes.lines
        for line, (classes, q) in zip(
            curves, ((100, 0.7), (1000, 0.7), (1000, matched)), strict=True
        ):
            pull = initial_pull(line.get_xdata(), classes, q=q)
            np.testing.assert_allclose(line.get_ydata(), -pull, rtol=1e-4, atol=1e-7)
        value = -initial_pull(0.0, 100, q=0.7)
        np.testing.assert_allclose(across.get_ydata(), value, rtol=1e-5)
        np.testing.assert_allclose(point.get_ydata(), value, rtol=1e-5)
    assert curves[2].get_label() == "1,000 classes, q = 0.482"


@pytest.mark.backend_free
def test_bias_by_classes():
    (axes,) = plots.bias_by_classes(marked=[20], up_to=200, reference_classes=5).axes
    curve = axes.lines[0]
    classes = curve.get_xdata()
    assert (classes[0], classes[-1], axes.get_xscale()) == (5, 200, "log")
    np.testing.assert_allclose(curve.get_ydata(), [logit_bias(int(k), 5) for k in classes])
    assert [text.get_text() for text in axes.texts] == [f"20 classes: {logit_bias(20, 5):.2f}"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("number of classes K", "logit bias ε")


def test_update_sizes():
    losses = {"one": keras_noisy.GCE(), "two": keras_noisy.MAE(logit_bias=2.0)}
    above, below = plots.update_sizes(losses, classes=[20, 5000], batch_size=32).axes
    rules = {
        "SGD": ("proportional",),
        "Adam": ("relative", 1e-7),
        "RMSprop": ("root", 1e-7),
        "Adagrad": ("accumulated", 0.1),
        "Lion": ("sign",),
    }
    for line, (name, rule) in zip(above.lines, rules.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), update_size(line.get_xdata(), *rule))
    assert (above.get_xscale(), above.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in below.get_yticklabels()] == list(losses)
    for line, loss in zip(below.lines, losses.values(), strict=True):
        expected = [-average_error(loss, 0.0, k) / (k * 32) ** 0.5 for k in (20, 5000)]
        np.testing.assert_allclose(line.get_xdata(), expected)
    assert [text.get_text() for text in below.texts] == ["20", "5,000"] * 2


def test_update_sizes_constants_are_those_of_keras():
    above = plots.update_sizes({"CE": keras_noisy.CE()}, [10]).axes[0]
    for line in above.lines:
        updates = read_optimizer(line.get_label())
        expected = update_size(line.get_xdata(), updates.rule, updates.constant)
        np.testing.assert_allclose(line.get_ydata(), expected)


def test_update_sizes_contain_all_marks():
    class Reversed(keras.losses.CategoricalCrossentropy):
        def call(self, y_true, y_pred):
            return -super().call(y_true, y_pred)

    losses = {"large": 1e4 * keras_noisy.CE(), "small": 1e-4 * keras_noisy.MAE()}
    losses["reversed"] = Reversed()
    above, below = plots.update_sizes(losses, classes=[10, 3000]).axes
    low, high = above.get_xlim()
    assert all(line.get_ydata().max() <= above.get_ylim()[1] for line in above.lines)
    drawn = [line.get_xdata() for line in below.lines]
    assert [len(gradients) for gradients in drawn] == [2, 2, 0]
    assert all(low < gradient < high for gradients in drawn for gradient in gradients)


@pytest.mark.backend_free
def test_logit_distributions():
    two = [some_logits(1.0), some_logits(2.0)]
    figure = plots.logit_distributions({"one": two[0], "two": two})
    std = np.concatenate([logits.values for logits in two]).std()
    assert [axes.get_title() for axes in figure.axes] == [
        f"(a) one, standard deviation {two[0].std:.2f}",
        f"(b) two, standard deviation {std:.2f}",
    ]
    (normal,) = figure.axes[1].lines
    x = normal.get_xdata()
    density = np.exp(-((x / std) ** 2) / 2) / std / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(normal.get_ydata(), density, rtol=1e-5)
    heights, edges = read_density(figure.axes[0])
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1)
    assert heights @ ((edges[1:] + edges[:-1]) / 2) * np.diff(edges)[0] == pytest.approx(0, abs=0.1)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("theme", "background"), [("light", (1, 1, 1, 1)), ("dark", (13 / 255, 17 / 255, 23 / 255, 1))]
)
def test_themes(theme, background):
    figure = plots.logit_distributions({"a": some_logits()}, theme=theme)
    (axes,) = figure.axes
    assert figure.get_facecolor() == axes.get_facecolor() == pytest.approx(background)
    letters = [axes.xaxis.label, axes.title, *axes.get_xticklabels(), *figure.legends[0].texts]
    for text in letters:
        colour = to_rgb(text.get_color())
        assert abs(np.mean(colour) - np.mean(background[:3])) > 0.7


@pytest.mark.backend_free
def test_lines_differ_without_colour():
    figure = plots.learning_curves({str(n): [0.1, 0.2] for n in range(36)})
    lines = figure.axes[0].lines
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}
    dashes = {str(line._unscaled_dash_pattern) for line in lines[:6]}
    assert (len(looks), len(dashes)) == (36, 6)


@pytest.mark.backend_free
def test_long_names_stay_in_the_figure():
    figure = plots.learning_curves({f"a loss with a rather long name {n}": [0.1] for n in range(5)})
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plots.errors_by_classes(theme="pink"),
            "`theme` must be 'light' or 'dark'. Received: theme='pink'",
        ),
        (lambda: plots.learning_curves({"a": [1]}, theme=None), "`theme` must be 'light' or"),
        (lambda: plots.errors_by_classes([]), "`classes` must have at least one entry"),
        (lambda: plots.errors_by_classes([1]), "`classes` must be an integer of at least 2"),
        (
            lambda: plots.errors_by_classes(loss="mae"),
            "`loss` must be an instance of keras.losses.Loss",
        ),
        (lambda: plots.errors_by_classes(logits=["a"]), "`logits` must be an InitialLogits or"),
        (lambda: plots.errors_by_classes(logits=[np.nan]), "`logits` must be an InitialLogits or"),
        (lambda: plots.errors_by_classes(logits=[1, 1]), "`logits` must have a standard deviation"),
        (lambda: plots.errors_by_loss({}), "`losses` must have at least one entry"),
        (lambda: plots.errors_by_loss(classes=[]), "`classes` must have at least one entry"),
        (lambda: plots.gce_exponent(q=2), "`q` must be a number in"),
        (lambda: plots.bias_by_classes(marked=[0]), "`marked` must be an integer of at least 2"),
        (lambda: plots.bias_by_classes(up_to=10), r"`up_to` must be above `reference_classes`"),
        (lambda: plots.update_sizes({}), "`losses` must have at least one entry"),
        (lambda: plots.update_sizes(classes=[]), "`classes` must have at least one entry"),
        (lambda: plots.update_sizes(classes=[1]), "`classes` must be an integer of at least 2"),
        (lambda: plots.update_sizes(batch_size=0), "`batch_size` must be an integer of at least 1"),
        (lambda: plots.update_sizes({"a": "mae"}), "`loss` must be an instance of keras.losses"),
        (lambda: plots.logit_distributions({}), "`measured` must have at least one entry"),
        (lambda: plots.logit_distributions({"a": [1.0]}), "`measured` must map names to an"),
        (lambda: plots.logit_distributions({"a": []}), "`measured` must map names to an"),
        (lambda: plots.measured_logits(["VGG"]), "`networks` must be some of"),
        (lambda: plots.measured_logits(images=1), "`images` must be an integer from 2 to 2000"),
        (lambda: plots.measured_logits(seeds=[-1]), "`seeds` must be at least one"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
