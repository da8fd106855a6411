"""What the documents show runs, and the files that they point to exist."""

import re
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in DOCUMENTS
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S))
]


def write_photos():
    """The folder of the README: a folder for each class."""
    for name in ("bird", "cat", "dog"):
        folder = Path("photos") / name
        folder.mkdir(parents=True)
        for i in range(8):
            keras.utils.save_img(folder / f"{i}.jpg", np.full((70, 60, 3), 30 * i), scale=False)


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "photos" in block:
        write_photos()
    exec(compile(block, "document", "exec"), {})


@pytest.mark.backend_free
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text())
    for link in links:
        assert (path.parent / link).exists(), link


@pytest.mark.backend_free
def test_the_page_of_losses_is_that_of_the_code():
    generator = runpy.run_path(str(ROOT / "docs" / "generate_losses.py"))
    page = generator["PAGE"].read_text()
    assert page == generator["page"](), "run `make docs`"
    for loss in generator["LOSSES"]:
        assert f"### {loss.__name__}\n" in page
