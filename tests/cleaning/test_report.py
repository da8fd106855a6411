"""The report: its data can't break the page, and marks are made, kept, exported and imported."""

import csv
import errno
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from keras_noisy.cleaning._report import report
from keras_noisy.cleaning._report.report import ReportClass, ReportSample, write_report

Image = pytest.importorskip("PIL.Image")

pytestmark = pytest.mark.backend_free


# Names that would break out of attributes, scripts, URLs or CSV files.
NAMES = [
    "two  spaces",
    "\"double\" and 'single' quotes",
    "#hash %20 100% ?query&amp;",
    "<script>window.pwned = 1; alert(1)</script>",
    "</script><!--<script>",
    "кошка 猫",
    "a, comma",
    "{{data}}{{script}}",
]


def make_samples(root, names=NAMES, count=8):
    """Draws images and returns their samples; the doubts decrease from 0.95."""
    samples = []
    for i in range(count):
        label, other = names[i % len(names)], names[(i + 1) % len(names)]
        # Slashes can't be part of names of files.
        path = f"{label}/{i:03d} {label[:12]}.png" if "/" not in label else f"{i}{label}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((8, 8, 3), 20 * (i % 12), np.uint8)
        Image.fromarray(pixels).save(root / path)
        doubt = 0.95 - 0.9 * i / count
        samples.append(ReportSample(path, label, other, doubt, (0.95 + doubt) / 2))
    return samples


def make_classes(names=NAMES):
    return [
        ReportClass(name, 10 * (i + 3), 0.1 * ((i * 3) % 7), 0.02, names[i - 1], i + 0.25)
        for i, name in enumerate(names)
    ]


def write(folder, samples, classes=None, **options):
    options = {
        "root": folder / "images",
        "num_samples": 5000,
        "noise_rate": 0.2931,
        "noise_rate_error": 0.0069,
        "title": "Suspicious labels",
        **options,
    }
    path = folder / "report.html"
    write_report(path, samples, make_classes() if classes is None else classes, **options)
    return path


def read_data(path):
    (data,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8")
    )
    return json.loads(data)


# --- The file


def test_names_can_not_end_the_script(tmp_path):
    path = write(tmp_path, make_samples(tmp_path / "images"), title="</title><b>", note="<i>")
    text = path.read_text("utf-8")
    assert text.count("</script>") == 2  # the data and the page's own
    assert "<!--" not in text
    data = read_data(path)
    assert data["names"] == NAMES
    assert (data["title"], data["note"]) == ("</title><b>", "<i>")


def test_numbers_that_are_not_finite_are_null(tmp_path):
    classes = [ReportClass("a", 3, 0.5, math.nan, "", math.nan)]
    path = write(tmp_path, [], classes, noise_rate=math.nan, noise_rate_error=math.inf)
    data = read_data(path)
    assert data["noiseRate"] is data["noiseRateError"] is None
    assert data["classes"] == [
        {"name": 0, "size": 3, "rate": 0.5, "error": None, "other": -1, "count": None}
    ]


def test_images_are_linked_relative_to_the_page_if_they_share_a_folder(tmp_path, monkeypatch):
    link = report._link_folder
    assert link("/data/a b#%/images", "/data/reports") == "./../a%20b%23%25/images/"
    assert link("/data", "/data") == "./"
    assert link("/data/images", "/home/me") == "file:///data/images/"
    monkeypatch.chdir(tmp_path)
    assert link("images", "") == "./images/"


def test_key_depends_on_samples_and_root(tmp_path):
    samples = [ReportSample("a.png", "a", "b", 0.5, 0.5), ReportSample("b.png", "b", "a", 0.4, 0.4)]
    keys = [
        read_data(write(tmp_path, *arguments, **options))["key"]
        for arguments, options in [
            ([samples], {}),
            ([samples], {"title": "another"}),
            ([samples[::-1]], {}),
            ([samples], {"root": tmp_path / "other"}),
        ]
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_name_that_is_not_utf8_is_written(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    path = write(tmp_path, [ReportSample(name, "a", "b", 0.5, 0.5)])
    assert read_data(path)["paths"] == [name]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "draft"), "Permission denied"),
    ],
)
def test_error_names_the_file_and_leaves_nothing(tmp_path, monkeypatch, failure, message):
    earlier = write(tmp_path, []).read_text("utf-8")

    def fail(self, target):
        raise failure

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(failure), match=rf"{message}.*report\.html'$"):
        write(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text("utf-8") == earlier


def test_error_if_the_parent_is_a_file(tmp_path):
    (tmp_path / "parent").write_text("")
    with pytest.raises(OSError, match=r"parent.report\.html"):
        write(tmp_path / "parent", [])


def test_colours_are_those_of_the_figures():
    from keras_noisy.plots.theme import THEMES

    style = report._read("style.css")
    for theme, block in zip(
        THEMES.values(), re.split(r"  color-scheme: \w+;", style)[1:], strict=True
    ):
        colours = dict(re.findall(r"--(\w+): (#\w+);", block))
        blue, red, green, _, orange, *_ = theme.colours
        assert colours == {
            "background": theme.background,
            "text": theme.text,
            "faint": theme.faint,
            "blue": blue,
            "red": red,
            "green": green,
            "orange": orange,
        }


# --- The page in a browser


@pytest.fixture
def open_page(browser):
    """Returns a function that opens a page.

    The test fails if the page raises errors, opens dialogs or loads files from elsewhere.
    """
    contexts, problems = [], []

    def open_page(path, script=None, **options):
        contexts.append(
            browser.new_context(**{"viewport": {"width": 1280, "height": 1300}} | options)
        )
        page = contexts[-1].new_page()
        if script:
            page.add_init_script(script)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: check_url(request.url))
        page.goto(path.as_uri())
        return page

    def check_url(url):
        if not url.startswith(("file:", "data:", "blob:")):
            problems.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Returns the path of a report of 15 images of 3 classes."""
    folder = tmp_path_factory.mktemp("plain")
    names = ["cat", "dog", "bird"]
    samples = make_samples(folder / "images", names, 15)
    return write(folder, samples, make_classes(names)), samples


def export(page):
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "marks.csv"
    content = Path(download.value.path()).read_bytes().decode()
    assert content.count("\n") == content.count("\r\n")
    header, *rows = csv.reader(content.splitlines(keepends=True))
    assert header == ["path", "label", "mark", "new_label"]
    return rows


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def get_ranks(page):
    cards = page.locator(".card").all()
    positions = [int(card.get_attribute("aria-posinset")) for card in cards]
    assert positions == sorted(positions)
    return [int(card.locator(".rank").inner_text()) for card in cards]


def get_selected(page):
    return int(page.locator(".card.selected .rank").inner_text())


def choose(page, selector, option):
    page.select_option(selector, option)
    return get_ranks(page)


def test_names_are_shown_as_they_are_and_run_nothing(tmp_path, open_page):
    samples = make_samples(tmp_path / "images")
    title = "<img src=x onerror='window.pwned = 1'>"
    page = open_page(write(tmp_path, samples, title=title, note=title))
    assert page.inner_text("h1") == page.inner_text("#note") == page.title() == title
    for sample, card in zip(samples, page.locator(".card").all(), strict=True):
        assert card.locator(".path").text_content() == sample.path
        assert card.locator(".classes").text_content() == f"{sample.label} → {sample.looks_like}"
    page.click("#all-classes")
    assert {row.text_content() for row in page.locator("tbody td:first-child").all()} == set(NAMES)
    widths = """async () => {
        const images = [...document.querySelectorAll(".card img")];
        await Promise.all(images.map((image) => image.decode()));
        return images.map((image) => image.naturalWidth);
    }"""
    assert page.evaluate(widths) == [8] * len(samples)
    # Marks survive the CSV file with the same names.
    press(page, *"w" * len(samples))
    assert export(page) == [[s.path, s.label, "wrong", s.looks_like] for s in samples]
    assert page.evaluate("window.pwned === undefined")


def test_policy_stops_other_scripts(plain, open_page):
    page = open_page(plain[0])
    insert = """() => {
        document.body.insertAdjacentHTML("beforeend", "<b id=x onclick='pwned = 1'>x</b>");
        const script = Object.assign(document.createElement("script"), { text: "pwned = 1" });
        document.body.append(script);
        document.getElementById("x").click();
        return window.pwned === undefined;
    }"""
    assert page.evaluate(insert)


def test_images_that_can_not_be_shown_have_a_placeholder(tmp_path, open_page):
    samples = [ReportSample("a/miss<b>ing.tif", "cat", "dog", 0.9, 0.9)]
    page = open_page(write(tmp_path, samples))
    page.locator(".missing").wait_for()
    assert page.inner_text(".missing b") == "miss<b>ing.tif"


def test_header_and_missing_numbers(tmp_path, open_page):
    classes = [
        ReportClass("cat", 3, 0.5, math.nan, "", 0.0),
        ReportClass("dog", 4, 0.25, 0.1, "cat", 1.0),
    ]
    page = open_page(write(tmp_path, [], classes))
    assert "About 29.3 % ± 0.7 % of 5,000 labels are wrong." in page.inner_text(
        "#estimate"
    ).replace("\xa0", " ")
    assert page.inner_text("#empty").startswith("No label is suspicious.")
    cells = [cell.inner_text().replace("\xa0", " ") for cell in page.locator("tbody td").all()]
    assert cells == ["cat", "3", "50.0 % ± –", "–", "–", "dog", "4", "25.0 % ± 10.0 %", "cat", "1"]


def test_classes_are_sorted_by_click_and_by_key(plain, open_page):
    page = open_page(plain[0])

    def read_names():
        return [cell.inner_text() for cell in page.locator("tbody td:first-child").all()]

    rate = page.locator("th", has_text="Wrong labels")
    assert rate.get_attribute("aria-sort") == "descending"
    assert read_names() == ["bird", "dog", "cat"]
    rate.get_by_role("button").click()
    assert rate.get_attribute("aria-sort") == "ascending"
    assert read_names() == ["cat", "dog", "bird"]
    page.get_by_role("button", name="Class", exact=True).press("Enter")
    assert rate.get_attribute("aria-sort") is None
    assert read_names() == ["bird", "cat", "dog"]
    page.get_by_role("button", name="Images", exact=True).press(" ")
    assert read_names() == ["bird", "dog", "cat"]
    # A click on a class filters the images.
    page.get_by_role("button", name="dog", exact=True).click()
    assert get_ranks(page) == list(range(2, 16, 3))


def test_keys_mark_the_images_and_marks_survive_a_reload(plain, open_page):
    path, samples = plain
    page = open_page(path)
    press(page, "r", "w", "u", "t")
    page.keyboard.insert_text("no such class")
    press(page, "Enter")
    assert page.evaluate("document.activeElement.validationMessage")
    press(page, "Escape", "t")
    page.keyboard.insert_text("DOG ")
    press(page, "Enter")
    assert get_selected(page) == 5
    press(page, "j", "ArrowRight", "k", "ArrowDown", "ArrowLeft", "ArrowUp")
    assert get_selected(page) == 5
    press(page, "w", "Backspace", "ArrowDown", "u", "w", "z", "z", "w")
    columns = page.evaluate("columns")
    last = samples[4 + columns]
    expected = [
        [samples[0].path, "cat", "right", "cat"],
        [samples[1].path, "dog", "wrong", "bird"],
        [samples[2].path, "bird", "unclear", ""],
        [samples[3].path, "cat", "wrong", "dog"],
        [last.path, last.label, "wrong", last.looks_like],
    ]
    assert export(page) == expected
    doubt = sum(sample.doubt for sample in (*samples[:2], samples[3], last))
    text = f"5 of 15 marked: 3 wrong ({round(doubt, 1):g}\xa0expected), 1\xa0right, 1\xa0unclear."
    assert page.inner_text("#progress") == text
    page.reload()
    assert page.inner_text("#progress") == text
    assert export(page) == expected
    # Without steps to undo, Backspace and Z remove the mark of the selected image.
    press(page, "z", "ArrowRight", "Backspace")
    assert export(page) == expected[2:]


def test_typed_class_that_is_not_suggested(plain, open_page):
    page = open_page(plain[0])
    page.locator(".card").first.get_by_role("button", name="Other class").click()
    page.keyboard.insert_text("bird")
    page.get_by_role("button", name="Accept").click()
    other = page.get_by_role("button", name="Other class: bird")
    assert other.get_attribute("aria-pressed") == "true"
    assert [row[2:] for row in export(page)] == [["wrong", "bird"]]
    press(page, "k", "t")
    page.keyboard.insert_text("cat")  # the label itself
    press(page, "Enter")
    assert [row[2:] for row in export(page)] == [["right", "cat"]]


def test_clicks_mark_and_unmark(plain, open_page):
    page = open_page(plain[0])
    card = page.locator(".card").nth(2)
    for name in ("Right", "Wrong", "Unclear"):
        button = card.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert get_selected(page) == 4
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert get_selected(page) == 3
    assert page.get_by_role("button", name="Export").is_disabled()


def test_order_and_filters(plain, open_page):
    page = open_page(plain[0])
    assert get_ranks(page) == list(range(1, 16))
    grouped = [*range(1, 16, 3), *range(2, 16, 3), *range(3, 16, 3)]
    assert choose(page, "#order", "label") == grouped
    assert choose(page, "#order", "pair") == grouped
    headings = [heading.inner_text() for heading in page.locator(".group span").all()]
    assert headings == ["cat → dog", "dog → bird", "bird → cat"]
    assert choose(page, "#label", "2") == grouped[10:]
    page.click("#cards .card >> nth=0")
    press(page, "r", "w")
    assert choose(page, "#marked", "right") == [3]
    assert choose(page, "#marked", "wrong") == [6]
    assert choose(page, "#marked", "none") == grouped[12:]
    # A marked image leaves the list, and the next one is selected.
    press(page, "u")
    assert get_selected(page) == grouped[13]
    assert get_ranks(page) == grouped[13:]
    press(page, "z")
    assert get_selected(page) == grouped[12]
    page.fill("#search", "nothing like this")
    page.get_by_role("button", name="Show all images").click()
    assert get_ranks(page) == list(range(1, 16))
    page.fill("#search", "013 ")
    page.locator("[aria-setsize='1']").wait_for()
    assert get_ranks(page) == [14]


def test_import_reads_marks_back(plain, open_page, tmp_path):
    path, samples = plain
    page = open_page(path)
    press(page, "w", "r", "u", "u")
    rows = export(page)
    page.click("#clear")
    page.get_by_role("button", name="Keep them").click()
    assert page.inner_text("#progress").startswith("4 of 15")
    page.click("#clear")
    page.locator("dialog").get_by_role("button", name="Clear all marks").click()
    page.locator("#progress", has_text="0 of 15").wait_for()  # a dialog closes a moment later
    assert page.inner_text("#progress") == "0 of 15 marked."
    more = [
        ["elsewhere.png", "cat", "right", "cat"],
        [samples[9].path, "bird", "right", "bird"],
        [samples[10].path, "dog", "wrong", "no class"],
    ]
    with open(tmp_path / "marks.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["path", "label", "mark", "new_label"], *rows, *more])
    page.set_input_files("#file", tmp_path / "marks.csv")
    message = page.locator("#message", has_text="4 marks were imported.")
    message.wait_for()
    for text in ("1 image is not in", "1 image has another label", "1 row has no valid"):
        assert text in message.inner_text()
    assert export(page) == rows
    (tmp_path / "marks.csv").write_text("a,b\n")
    page.set_input_files("#file", tmp_path / "marks.csv")
    page.locator("#message", has_text="It must have the columns path").wait_for()


def test_bytes_that_are_not_utf8_survive_export_and_import(tmp_path, open_page):
    path = os.fsdecode(b"caf\xe9 \xf0\x9f.png")
    page = open_page(write(tmp_path, [ReportSample(path, "猫", "a", 0.5, 0.5)]))
    press(page, "w")
    with page.expect_download() as download:
        page.click("#export")
    file = Path(download.value.path())
    assert os.fsencode(path) in file.read_bytes()
    press(page, "z")
    page.set_input_files("#file", file)
    page.locator("#message", has_text="1 mark was imported.").wait_for()


def test_page_says_if_marks_are_not_stored(plain, open_page):
    blocked = "Object.defineProperty(window, 'localStorage', { get() { throw new Error(); } });"
    page = open_page(plain[0], blocked)
    assert page.locator("#storage-warning").is_visible()
    press(page, "w")
    assert len(export(page)) == 1
    press(page, "z")  # else the browser asks before it closes the page
    assert open_page(plain[0]).locator("#storage-warning").is_hidden()


def test_help_and_enlarged_image(plain, open_page):
    page = open_page(plain[0])
    press(page, "?", "w")
    assert page.locator("#help-dialog").is_visible()
    press(page, "Escape", "e", "w")
    assert page.inner_text("#large-dialog .classes").startswith("dog")
    press(page, "k")
    assert page.inner_text(".state") == "Marked as wrong: it is “dog”."
    press(page, "Escape")
    assert len(export(page)) == 1


def test_only_cards_near_the_window_exist(tmp_path, open_page):
    samples = [ReportSample(f"{i}.png", "cat", "dog", 1 - i / 5000, 0.9) for i in range(5000)]
    page = open_page(write(tmp_path, samples), viewport={"width": 1280, "height": 800})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".rank", has_text="5,000").wait_for()
    assert page.locator(".card").count() < 60
    # Keys mark nothing that is out of sight.
    press(page, "w")
    assert "Press the key again" in page.inner_text("#message")
    assert page.locator(".card.selected").bounding_box()["y"] > 0
    press(page, "w")
    assert page.inner_text("#progress").startswith("1 of 5,000")


def test_page_fits(tmp_path, open_page):
    names = ["a" * 60, "b " * 40, *NAMES]
    samples = [ReportSample(f"{name}/{'c' * 80}.png", name, names[0], 0.9, 0.9) for name in names]
    path = write(tmp_path, samples, make_classes(names), title="d" * 90, note="e" * 200)
    page = open_page(path, viewport={"width": 320, "height": 800}, is_mobile=True)
    page.click("#all-classes")
    heights = "[...document.querySelectorAll('.card')].map((card) => card.offsetHeight)"
    for width in (320, 375, 801, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for order in ("doubt", "pair"):
            page.select_option("#order", order)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert len(set(page.evaluate(heights))) == 1
        page.evaluate("startTyping()")
        assert page.locator(".typing input").is_visible()
        assert len(set(page.evaluate(heights))) == 1
        press(page, "Escape")
