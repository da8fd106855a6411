"""Python blocks and commands of the documents run, and their links exist."""

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


def find_python_blocks(text):
    """Finds the Python blocks of a page.

    Returns:
        Tuples of the number of the first line, the code and the expected output: the indented
        block after the code, or an empty string.
    """
    return [
        (text.count("\n", 0, found.start(1)) + 1, found[1], found[2])
        for found in re.finditer(r"```python\n(.*?)```\n\n?((?: {4}[^\n]*\n)*)", text, re.S)
    ]


FIRST = ("README.md", "docs/getting_started.md")  # what a new user runs, on any backend
WITH_PYTHON = [
    # Pages for new users run on every backend, and so do those with blocks for PyTorch alone.
    pytest.param(name, marks=[] if name in FIRST or "import torch" in page else pytest.mark.shared)
    for name, page in zip(NAMES, map(Path.read_text, DOCUMENTS), strict=True)
    if find_python_blocks(page)
]


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_run(name, tmp_path, monkeypatch, capsys):
    """Runs the blocks of a page in order and in one namespace."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / name).read_text()
    if "photos" in page or "webvision" in page:
        write_images()
    if "tfds.pipeline" in page:
        library = pytest.importorskip("tensorflow_datasets")
        with library.testing.mock_data(num_examples=8):
            run_blocks(name, page, capsys)
    else:
        run_blocks(name, page, capsys)


def run_blocks(name, page, capsys):
    names = {}
    for line, block, output in find_python_blocks(page):
        if "import torch" in block and keras.backend.backend() != "torch":
            continue
        if name in FIRST:
            block = block.replace("train_per_class=40", "train_per_class=2")  # takes less time
        block = "\n" * (line - 1) + block.replace('"/data/', '"')
        capsys.readouterr()
        exec(compile(block, name, "exec"), names)
        if output:
            assert_similar_output(capsys.readouterr().out, output)


def assert_similar_output(printed, expected):
    """Compares words exactly and numbers roughly, because some depend on random weights."""
    printed = "\n".join(printed.splitlines()[-len(expected.splitlines()) :])  # skips progress bars
    number = r"-?\d+(?:[.,]\d+)*"
    words = (re.sub(number, "#", text).split() for text in (printed, expected))
    assert next(words) == next(words), printed
    printed, expected = (
        [float(found.replace(",", "")) for found in re.findall(number, text)]
        for text in (printed, expected)
    )
    np.testing.assert_allclose(printed, expected, rtol=0.1, atol=0.02)


def write_images():
    """Writes images into the folders of the pages: WebVision and a folder for each class."""
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
def test_relative_links_exist(name):
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
            assert anchor in find_anchors(target), link


def find_anchors(path):
    """Returns the anchors that GitHub and the site give to headings."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.backend_free
@pytest.mark.parametrize("name", NAMES)
def test_no_line_begins_with_a_percent_sign(name):
    """The site would treat such a line as a comment and omit it."""
    assert not re.findall(r"^%.*", (ROOT / name).read_text(), re.M)


# Commands


def find_commands(text):
    """Yields the project's commands in indented and shell blocks as tuples of words."""
    text = text.replace("\\\n", " ")
    fenced = re.findall(r"```(?:shell|bash|console)\n(.*?)```", text, re.S)
    indented = re.findall(r"^ {4}(\S.*)", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    for line in "\n".join([*fenced, *indented]).splitlines():
        if re.match(r"(\w+=\S+ )?(python \w+/|keras-noisy |make |pip install \")", line):
            words = shlex.split(line, comments=True)
            yield tuple(words[1:] if "=" in words[0] else words)


COMMANDS = sorted({each for path in DOCUMENTS for each in find_commands(path.read_text())})


class ArgumentsParsed(Exception):
    """Signals that a command has parsed its arguments."""


@pytest.fixture
def parse_only(monkeypatch):
    """Makes programs raise `ArgumentsParsed` after they have parsed their arguments."""

    def stop_after(read):
        def read_and_stop(self, arguments=None):
            read(self, arguments)
            raise ArgumentsParsed

        return read_and_stop

    parsers = {argparse.ArgumentParser: "parse_args", configuration.Parser: "read"}
    for parser, name in parsers.items():
        monkeypatch.setattr(parser, name, stop_after(getattr(parser, name)))


@pytest.mark.backend_free
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_accept_their_arguments(command, parse_only, monkeypatch):
    monkeypatch.chdir(ROOT)
    program, *arguments = command
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", Path("Makefile").read_text(), re.M)
    elif program == "pip":
        project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
        extras = set(re.search(r"\[(.*)\]", arguments[1])[1].split(","))
        assert extras <= set(project["optional-dependencies"])
    elif program == "keras-noisy":
        with pytest.raises(ArgumentsParsed):
            cli.main(arguments)
    elif arguments[0].startswith("examples/"):  # examples take no arguments
        assert Path(arguments[0]).exists()
        assert len(arguments) == 1
    else:
        monkeypatch.setattr(sys, "argv", arguments)
        monkeypatch.syspath_prepend(ROOT / Path(arguments[0]).parent)
        with pytest.raises((ArgumentsParsed, SystemExit)) as exit_:
            runpy.run_path(arguments[0], run_name="__main__")
        assert getattr(exit_.value, "code", 0) in (0, None)  # `--help` exits with 0


@pytest.mark.backend_free
def test_commands_are_found():
    assert len(COMMANDS) >= 25


@pytest.mark.backend_free
def test_pages_of_the_losses_are_up_to_date():
    generator = runpy.run_path(str(ROOT / "docs" / "generate_losses.py"))
    pages = generator["build_pages"]()
    for name, page in pages.items():
        assert (ROOT / "docs" / name).read_text() == page, "run `make docs`"
    for loss in generator["LOSSES"]:
        assert f"### {loss.__name__}\n" in pages["loss_reference.md"]
