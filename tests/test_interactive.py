"""The interactive page: its numbers agree with the package, and its controls work."""

import itertools
import json
import re
import runpy
from pathlib import Path
from statistics import NormalDist

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy.calibration import average_error, logit_bias
from keras_noisy.calibration._verdict import REFERENCE_CLASSES, judge
from keras_noisy.losses import LOSSES, LabelLoss
from keras_noisy.losses.gce import auto_q
from keras_noisy.losses.mae_rescale import auto_scale

pytestmark = pytest.mark.backend_free

FOLDER = Path(__file__).parents[1] / "docs" / "interactive"
PAGE = (FOLDER / "index.html").as_uri()

# Usual hyperparameters of each loss, and others that pull harder or less.
SETTINGS = {
    "CE": [{}],
    "MAE": [{}],
    "GCE": [{"q": 0.7}, {"q": 0.05}, {"q": "auto"}],
    "SCE": [{"alpha": 0.1, "beta": 1.0, "A": 4.0}, {"alpha": 2.0, "beta": 0.1, "A": 9.2}],
    "RCE": [{"A": 4.0}],
    "TaylorCE": [{"order": 2}, {"order": 200}],
    "PHuberCE": [{"tau": 10.0}, {"tau": 1000.0}],
    "FocalCE": [{"gamma": 0.5}, {"gamma": 4.0}, {"gamma": 0.0}],
    "AGCE": [{"a": 0.6, "q": 0.6}, {"a": 0.01, "q": 0.2}, {"a": 5.0, "q": 4.0}],
    "AUL": [{"a": 5.5, "q": 3.0}, {"a": 1.1, "q": 0.1}],
    "AEL": [{"a": 2.5}, {"a": 0.05}],
    "MAERescale": [{"scale": "auto"}, {"scale": 0.2}, {"scale": 2.0}],
    "ForwardCE": [{"transition": 0.2}, {"transition": 0.4}, {"transition": 0.0}],
    "JS": [{"weight": 0.5}, {"weight": 0.01}, {"weight": 0.99}],
}


@pytest.fixture
def open_page(browser):
    """Returns a function that opens the page.

    The test fails if the page writes to the console, raises errors or loads files from elsewhere.
    """
    contexts, problems = [], []

    def open_page(address="", **options):
        options = {"reduced_motion": "reduce", **options}
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: check_url(request.url))
        page.goto(PAGE + address)
        return page

    def check_url(url):
        if not url.startswith(("file:", "data:")):
            problems.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture(scope="module")
def exported():
    return runpy.run_path(str(FOLDER / "export.py"))


def parse_data(text):
    return json.loads(text.partition("const DATA = ")[2].rstrip().rstrip(";"))


# --- Numbers


def test_exported_files_are_up_to_date(exported):
    page = parse_data((FOLDER / "data.js").read_text())
    quadratures = page.pop("quadratures")
    # Computes only two of the quadratures, because all of them take seconds.
    exported["data"].__globals__["STDS"] = [0.3, 3.0]
    current = json.loads(json.dumps(exported["data"]()))
    for std, rules in current.pop("quadratures").items():
        for saved, rule in zip(quadratures[std], rules, strict=True):
            np.testing.assert_allclose(saved, rule, atol=2e-4)
    assert page.pop("stds") == [i / 10 for i in range(1, 31)] == sorted(map(float, quadratures))
    del current["stds"]
    for table in ("autoBias", "autoQ", "autoScale"):
        saved, values = (both[table].pop("values") for both in (page, current))
        np.testing.assert_allclose(saved, values, atol=2e-5)
    assert page == current, "run `make docs`"
    assert (FOLDER / "palette.css").read_text() == exported["palette_css"](), "run `make docs`"


def mean_error(loss, classes, std=1.0):
    """Averages the average error over the label's logit in untrained networks."""
    steps = np.linspace(-9.0, 9.0, 361)
    density = np.exp(-(steps**2) / 2)
    return density @ average_error(loss, std * steps, classes, std) / density.sum()


def test_average_errors_agree_with_the_package(open_page):
    page = open_page()
    logits = np.linspace(-12.0, 24.0, 73)
    cases = zip(
        [(loss, values) for loss, all_values in SETTINGS.items() for values in all_values],
        itertools.cycle([2, 7, 47, 365, 21841]),
        itertools.cycle([0.3, 1.0, 3.0]),
        strict=False,
    )
    for (loss, parameters), other_classes, std in cases:
        for classes in (10, 1000, 1_000_000, other_classes):
            setting = {"loss": loss, "parameters": parameters, "classes": classes, "std": std}
            errors, mean = page.evaluate(
                "([s, logits]) => [averageErrors(s, logits), meanError({...s, bias: 0})]",
                [setting, logits.tolist()],
            )
            robust = getattr(keras_noisy, loss)(**parameters)
            expected = average_error(robust, logits, classes, std)
            # PHuberCE has a kink, where the package's quadrature is no more accurate. The nodes are
            # the same for the numbers of classes in data.js.
            has_kink = loss == "PHuberCE" and classes == other_classes
            tolerance = (2e-2 if has_kink else 1e-3) * max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(
                errors, expected, rtol=0, atol=tolerance, err_msg=str(setting)
            )
            tolerance = 5e-3 if loss == "PHuberCE" else 1e-3
            assert mean == pytest.approx(mean_error(robust, classes, std), rel=tolerance), setting


def test_bias_shifts_the_logits(open_page):
    setting = {"loss": "GCE", "parameters": {"q": 0.7}, "classes": 365, "std": 1, "bias": 3.0}
    mean = open_page().evaluate("setting => meanError(setting)", setting)
    assert mean == pytest.approx(mean_error(keras_noisy.GCE(q=0.7, logit_bias=3.0), 365), rel=1e-3)


def test_auto_bias_and_auto_q_agree_with_the_package(open_page):
    page = open_page()
    classes = [2, 9, 10, 11, 14, 29, 30, 31, 40, 50, 100, 365, 1000, 21841, 1_000_000]
    biases, exponents, scales = page.evaluate(
        "all => [autoBias, autoQ, autoScale].map((auto) => all.map(auto))", classes
    )
    assert biases == pytest.approx([logit_bias(k) for k in classes], abs=1e-3)
    assert exponents == pytest.approx([auto_q(k) for k in classes], abs=1e-3)
    assert scales == pytest.approx([auto_scale(k) for k in classes], abs=2e-3)


@pytest.mark.parametrize(("loss", "classes"), [("MAE", 100), ("GCE", 100), ("PHuberCE", 400)])
def test_verdict_agrees_with_diagnose(open_page, loss, classes):
    robust = getattr(keras_noisy, loss)(from_logits=True)
    parameters = robust._own_arguments()
    setting = {"loss": loss, "parameters": parameters, "classes": classes, "std": 1, "bias": 0}
    verdict = open_page().evaluate("setting => verdictOf(setting)", setting)
    # The logits of this model are quantiles of the normal distribution.
    normal = NormalDist().inv_cdf
    logits = [normal((i + 0.5) / (100 * classes)) for i in range(100 * classes)]
    logits = np.random.default_rng(0).permutation(logits).reshape(100, classes)
    model = keras.Sequential([keras.Input((classes,)), keras.layers.Identity()])
    diagnosis = keras_noisy.diagnose(model, logits.astype("float32"), robust)
    assert verdict["ratio"] == pytest.approx(diagnosis.ratio, rel=0.03)  # diagnose uses 17 points
    assert verdict["word"] == diagnosis.verdict == judge(verdict["ratio"])
    diagnosis = keras_noisy.diagnose(model, logits.astype("float32"), robust, "adam")
    assert verdict["adamRatio"] == pytest.approx(diagnosis.update_ratio, rel=0.03)
    assert verdict["adamWord"] == diagnosis.verdict == judge(verdict["adamRatio"])


def test_sliders_have_all_label_losses_and_allowed_values(open_page):
    ranges = open_page().evaluate("PARAMETERS")
    assert list(ranges) == [kind.__name__ for kind in LOSSES if issubclass(kind, LabelLoss)]
    assert set(SETTINGS) == set(ranges)
    for name, sliders in ranges.items():
        kind = getattr(keras_noisy, name)
        defaults = kind()._own_arguments()
        assert list(sliders) == list(defaults)
        for argument, range_ in sliders.items():
            for value in (range_["min"], range_["max"]):
                kind(**{argument: value})
            if defaults[argument] != "auto":
                assert range_["min"] <= defaults[argument] <= range_["max"]


# --- The page


def get_curve(page):
    return page.locator("path.curve.chosen").last.get_attribute("d")


def test_controls_change_curve_verdict_and_python(open_page):
    page = open_page("#loss=MAE&classes=1000&bias=0")
    assert "MAE will stall with 1,000 classes" in page.inner_text(".verdict")
    before = get_curve(page)
    page.get_by_role("button", name="auto").click()
    assert "MAE will learn with 1,000 classes" in page.inner_text(".verdict")
    assert get_curve(page) == before  # the bias shifts the logits, not the curve
    assert page.locator(".hill.biased").count() == 1
    page.locator("#input-classes").fill("10")
    assert get_curve(page) != before
    assert page.locator(".hill.biased").count() == 0  # no bias with 10 classes
    page.select_option("#loss", "GCE")
    page.locator("#input-q").fill("0.25")
    page.locator("#input-bias").fill("1.5")
    page.select_option("#with", "CE")
    assert page.locator("path.curve.compared").count() == 2  # in the figure and in its legend
    loss = run_python(page)
    assert loss.q == 0.25
    assert loss.logit_bias == 1.5
    assert loss.from_logits is True


def run_python(page):
    names = {"keras_noisy": keras_noisy}
    exec(page.inner_text("#python"), names)
    return names["loss"]


def test_shown_numbers_agree_with_the_package(open_page):
    page = open_page("#loss=GCE&q=0.7&classes=365&bias=1")
    pull = -mean_error(run_python(page), 365)
    reference = -mean_error(keras_noisy.GCE(q=0.7), REFERENCE_CLASSES)
    assert f"mean pull {pull:.3g}, 1/{reference / pull:.2g} of" in page.inner_text("#pull")
    assert f"mean −{pull:.3g}" in page.text_content("#figure")
    facts = page.inner_text("#facts")
    for value in (f"{logit_bias(365):.2f}", f"{auto_q(365):.3f}", f"{reference:.3g}"):
        assert value in facts
    assert re.search(r"with Adam\s+will learn: \S+ times the update with 10 classes", facts)


def test_auto_bias_follows_the_number_of_classes(open_page):
    page = open_page()
    auto = page.get_by_role("button", name="auto")
    auto.click()
    assert auto.get_attribute("aria-pressed") == "true"
    for classes in (100, 1000, 21841):
        page.locator("#input-classes").fill(str(classes))
        shown = float(page.input_value("#input-bias"))
        assert shown == pytest.approx(logit_bias(classes), abs=0.006)
        assert run_python(page).logit_bias == "auto"
    page.get_by_role("slider", name="logit bias").press("ArrowRight")
    assert auto.get_attribute("aria-pressed") == "false"


def test_auto_q_follows_the_number_of_classes(open_page):
    page = open_page("#loss=GCE&q=auto&classes=1000&bias=0")
    assert "GCE will learn" in page.inner_text(".verdict")
    assert float(page.input_value("#input-q")) == pytest.approx(auto_q(1000), abs=1e-3)
    assert run_python(page).q == "auto"


def test_address_stores_the_settings(open_page):
    page = open_page()
    page.select_option("#loss", "SCE")
    page.locator("#input-beta").fill("0.5")
    page.locator("#input-classes").fill("365")
    page.locator("#input-std").fill("0.4")
    page.get_by_role("button", name="auto").click()
    page.select_option("#with", "JS")
    page.wait_for_url("**/*#*with=JS*")
    address = "#" + page.url.partition("#")[2]
    second = open_page(address)
    for selector in (".verdict", "#pull", "#facts", "#python", "#legend"):
        assert second.inner_text(selector) == page.inner_text(selector)
    assert get_curve(second) == get_curve(page)
    assert second.input_value("#input-std") == "0.4"
    # Follows a link on the page and goes back.
    second.get_by_role("link", name="MAE, 10 classes").click()
    second.wait_for_function("document.querySelector('#loss').value === 'MAE'")
    assert "MAE will learn with 10 classes" in second.inner_text(".verdict")
    second.go_back()
    second.wait_for_function("document.querySelector('#loss').value === 'SCE'")


def test_invalid_address_gives_valid_settings(open_page):
    page = open_page("#loss=None&classes=1e9&bias=-3&std=nan&with=<b>&q=7")
    state = page.evaluate("state")
    assert state == {
        "loss": "MAE",
        "parameters": {},
        "classes": 1_000_000,
        "bias": 0,
        "std": 1,
        "with": "",
    }


def test_sliders_follow_keys_to_their_limits(open_page):
    page = open_page("#loss=MAE&classes=10")
    slider = page.get_by_role("slider", name="classes")
    assert slider.get_attribute("aria-valuetext") == "10"
    for key, classes in (("ArrowRight", 11), ("Home", 2), ("End", 1_000_000)):
        slider.press(key)
        assert page.evaluate("state.classes") == classes
    order = []
    page.locator("nav a").last.focus()
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.type"))
    assert order[0] == "loss"
    assert {"input-classes", "input-bias", "input-std", "range", "button"} <= set(order)


def test_copy_button_copies_the_python_code(open_page):
    page = open_page("#loss=AEL&a=0.5", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    line = "loss = keras_noisy.AEL(a=0.5, from_logits=True)"
    assert page.evaluate("navigator.clipboard.readText()") == line


def test_page_fits_on_a_phone(open_page):
    page = open_page(viewport={"width": 375, "height": 667}, has_touch=True, is_mobile=True)
    boxes = """selector => [...document.querySelectorAll(selector)]
        .map(element => element.getBoundingClientRect().toJSON())"""
    for width, loss in itertools.product((320, 375, 801), ("MAE", "SCE", "PHuberCE")):
        page.set_viewport_size({"width": width, "height": 667})
        page.evaluate(
            "address => { history.replaceState(null, '', address); applyAddress(); }",
            f"#loss={loss}&classes=1000000&bias=auto&with=SCE",
        )
        page.wait_for_function(
            "document.querySelector('#figure').viewBox.baseVal.width === "
            "document.querySelector('#figure').clientWidth"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for box in page.evaluate(boxes, "form input, form button, form select"):
            assert box["left"] >= 0
            assert box["right"] <= width
            assert box["height"] >= 44 or width > 800  # large enough for touch
        (figure,) = page.evaluate(boxes, "#figure")
        for text in page.evaluate(boxes, "#figure text"):
            assert text["left"] >= figure["left"]
            assert text["right"] <= figure["right"] + 1


def test_colours_follow_the_colour_scheme(open_page):
    from keras_noisy.plots.theme import THEMES

    for scheme, theme in THEMES.items():
        page = open_page(color_scheme=scheme)
        style = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            "getComputedStyle(document.querySelector('path.curve.chosen')).stroke]"
        )
        assert style == [format_rgb(theme.background), format_rgb(theme.colours[0])]


def format_rgb(colour):
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgb({red}, {green}, {blue})"


def test_changes_are_animated_unless_motion_is_reduced(open_page):
    count_draws = """async () => {
        let draws = 0;
        const original = drawFigure;
        drawFigure = (...all) => { draws += 1; original(...all); };
        change({ bias: "auto" });
        await new Promise((resolve) => setTimeout(resolve, 700));
        return [draws > 1, shown.bias];
    }"""
    for motion, is_animated in (("no-preference", True), ("reduce", False)):
        page = open_page(reduced_motion=motion)
        assert page.evaluate(count_draws) == [
            is_animated,
            pytest.approx(logit_bias(1000), abs=1e-3),
        ]
