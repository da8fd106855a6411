"""What the documents show runs, and what they point to exists."""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import configuration
import keras
import numpy as np
import pytest

from keras_noisy import cli

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "examples", "recipes")
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(path for each in FOLDERS for path in ROOT.glob(f"{each}/**/*.md")),
]
DOCUMENTS = sorted(path for path in DOCUMENTS if "_build" not in path.parts)
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def blocks_of(text):
    """The Python blocks of a page: the number of the first line, the code, and what it is said to print.

    That is the indented block after it, if there is one.
    """
    return [
        (text.count("\n", 0, found.start(1)) + 1, found[1], found[2])
        for found in re.finditer(r"```python\n(.*?)```\n\n?((?: {4}[^\n]*\n)*)", text, re.S)
    ]


WITH_PYTHON = [name for name in NAMES if blocks_of((ROOT / name).read_text())]


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_run(name, tmp_path, monkeypatch, capsys):
    """One after the other, as a reader would: what a block makes, the next ones have."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / name).read_text()
    if "photos" in page or "webvision" in page:
        write_data()
    if "tfds.pipeline" in page:
        library = pytest.importorskip("tensorflow_datasets")
        with library.testing.mock_data(num_examples=8):
            run_blocks(name, page, capsys)
    else:
        run_blocks(name, page, capsys)


def run_blocks(name, page, capsys):
    names = {}
    for line, block, output in blocks_of(page):
        if "import torch" in block and keras.backend.backend() != "torch":
            continue
        block = "\n" * (line - 1) + block.replace('"/data/', '"')
        capsys.readouterr()
        exec(compile(block, name, "exec"), names)
        if output:
            assert_alike(capsys.readouterr().out, output)


def assert_alike(printed, expected):
    """The same words, and almost the same numbers: some are those of a network with random weights."""
    printed = "\n".join(printed.splitlines()[-len(expected.splitlines()) :])  # after progress bars
    number = r"-?\d+(?:[.,]\d+)*"
    words = (re.sub(number, "#", text).split() for text in (printed, expected))
    assert next(words) == next(words), printed
    printed, expected = (
        [float(found.replace(",", "")) for found in re.findall(number, text)]
        for text in (printed, expected)
    )
    np.testing.assert_allclose(printed, expected, rtol=0.1, atol=0.02)


def write_data():
    """A few images where the pages have theirs: WebVision, and a folder for each class."""
    Path("webvision/info").mkdir(parents=True)
    Path("webvision/info/synsets.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    for folder, file_list, prefix in (
        ("webvision/google", "webvision/info/train_filelist_google.txt", "google/"),
        ("webvision/val_images_256", "webvision/info/val_filelist.txt", ""),
        ("photos/bird", None, None),
        ("photos/cat", None, None),
        ("photos/dog", None, None),
    ):
        Path(folder).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((60, 70, 3), 30 * number, "uint8")
            keras.utils.save_img(f"{folder}/{number}.jpg", pixels, scale=False)
        if file_list:
            lines = (f"{prefix}{number}.jpg {number}\n" for number in range(8))
            Path(file_list).write_text("".join(lines))


# Links


@pytest.mark.backend_free
@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_somewhere(name):
    path = ROOT / name
    text = re.sub(r"```.*?```|`[^`\n]+`", "", path.read_text(), flags=re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    links += re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    for link in links:
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def anchors_of(path):
    """Those that GitHub, and the site, give to headings."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.backend_free
@pytest.mark.parametrize("name", NAMES)
def test_no_line_begins_with_a_percent_sign(name):
    """The site takes it for a comment and leaves it out."""
    assert not re.findall(r"^%.*", (ROOT / name).read_text(), re.M)


# Commands


def commands_of(text):
    """The commands of indented and of shell blocks that are this project's own, as words."""
    text = text.replace("\\\n", " ")
    fenced = re.findall(r"```(?:shell|bash|console)\n(.*?)```", text, re.S)
    indented = re.findall(r"^ {4}(\S.*)", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    for line in "\n".join([*fenced, *indented]).splitlines():
        if re.match(r"(\w+=\S+ )?(python \w+/|keras-noisy |make |pip install \")", line):
            words = shlex.split(line, comments=True)
            yield tuple(words[1:] if "=" in words[0] else words)


COMMANDS = sorted({each for path in DOCUMENTS for each in commands_of(path.read_text())})


class Understood(Exception):
    """The arguments of a command are what it takes."""


@pytest.fixture
def only_parsing(monkeypatch):
    """Whatever is started ends once it has read its arguments."""

    def ending(read):
        def read_and_end(self, arguments=None):
            read(self, arguments)
            raise Understood

        return read_and_end

    parsers = {argparse.ArgumentParser: "parse_args", configuration.Parser: "read"}
    for parser, name in parsers.items():
        monkeypatch.setattr(parser, name, ending(getattr(parser, name)))


@pytest.mark.backend_free
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_are_understood(command, only_parsing, monkeypatch):
    monkeypatch.chdir(ROOT)
    program, *arguments = command
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", Path("Makefile").read_text(), re.M)
    elif program == "pip":
        project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
        extras = set(re.search(r"\[(.*)\]", arguments[1])[1].split(","))
        assert extras <= set(project["optional-dependencies"])
    elif program == "keras-noisy":
        with pytest.raises(Understood):
            cli.main(arguments)
    elif arguments[0].startswith("examples/"):  # they take no arguments
        assert Path(arguments[0]).exists()
        assert len(arguments) == 1
    else:
        monkeypatch.setattr(sys, "argv", arguments)
        monkeypatch.syspath_prepend(ROOT / Path(arguments[0]).parent)
        with pytest.raises((Understood, SystemExit)) as ended:
            runpy.run_path(arguments[0], run_name="__main__")
        assert getattr(ended.value, "code", 0) in (0, None)  # `--help` ends well


@pytest.mark.backend_free
def test_there_are_commands():
    assert len(COMMANDS) >= 25


@pytest.mark.backend_free
def test_the_page_of_losses_is_that_of_the_code():
    generator = runpy.run_path(str(ROOT / "docs" / "generate_losses.py"))
    page = generator["PAGE"].read_text()
    assert page == generator["page"](), "run `make docs`"
    for loss in generator["LOSSES"]:
        assert f"### {loss.__name__}\n" in page
