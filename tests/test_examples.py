"""The examples run in their quick setting and can be converted to notebooks."""

import csv
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(set(EXAMPLES.glob("*.py")) - {EXAMPLES / "notebooks.py"})
HEADER = r'''# %% \[markdown\]
"""
Title: .+
Author: .+
Date created: (20\d\d/\d\d/\d\d)
Last modified: (20\d\d/\d\d/\d\d)
Description: .+\.
Accelerator: (None|GPU)
'''


def run(name, folder, backend, *needs):
    """Runs an example on one backend and returns its output; skips without the packages."""
    if keras.backend.backend() != backend:
        pytest.skip(f"runs on {backend}")
    for package in needs:
        pytest.importorskip(package)
    result = subprocess.run(
        [
            sys.executable,
            *("-W", "error", "-W", "ignore:__array__ implementation:DeprecationWarning"),
            EXAMPLES / f"{name}.py",
        ],
        cwd=folder,
        env={**os.environ, "KERAS_NOISY_QUICK": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_noisy_glyphs(tmp_path):
    output = run("noisy_glyphs", tmp_path, "jax")
    assert "800 labels of 20 classes" in output
    assert "will learn" in output
    assert len(re.findall(r"^(?:cross-entropy|MAE).*( +[\d.]+%){3}$", output, re.M)) == 3
    assert (tmp_path / "results" / "noisy_glyphs.png").stat().st_size > 10_000


def test_labels_from_csv(tmp_path):
    output = run("labels_from_csv", tmp_path, "tensorflow")
    assert "200 images of 10 classes, 20 checked" in output
    assert len(re.findall(r"[\d.]+% of the checked images", output)) == 2
    assert re.search(r"\.png is character \d; a person said character \d$", output.strip())


def test_find_label_errors(tmp_path):
    output = run("find_label_errors", tmp_path, "torch")
    assert "400 images of 10 classes" in output
    with open(tmp_path / "results" / "suspicious_labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"has {len(rows)} samples" in output
    assert rows
    doubts = [float(row["doubt"]) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    assert all(row["label"] != row["looks_like"] for row in rows)


def test_noisy_texts(tmp_path):
    output = run("noisy_texts", tmp_path, "torch", "tensorflow")
    assert "600 texts, 794 words, 60 classes" in output
    assert len(re.findall(r"of the labels, test accuracy [\d.]+%", output)) == 2
    assert (tmp_path / "results" / "noisy_texts" / "suspicious_labels.csv").exists()


def test_noisy_table(tmp_path):
    output = run("noisy_table", tmp_path, "jax", "tensorflow", "sklearn")
    assert "400 parts of 40 kinds" in output
    assert len(re.findall(r"held out, [\d.]+% of the checked ones", output)) == 2


def test_finetune_backbone(tmp_path):
    output = run("finetune_backbone", tmp_path, "tensorflow", "keras_cv")
    assert len(re.findall(r"of the folders, test accuracy [\d.]+%", output)) == 2


def test_finetune_text_classifier(tmp_path):
    output = run("finetune_text_classifier", tmp_path, "torch", "keras_hub")
    assert len(re.findall(r"of the labels, test accuracy [\d.]+%", output)) == 2
    names = re.findall(r"^(\w+ \w+): (could|not) ", output, re.M)
    assert [words for _, words in names] == ["could", "not"]
    folder = tmp_path / "results" / "finetune_text_classifier"
    assert {name for name, _ in names} <= {*json.loads((folder / "class_names.json").read_text())}
    assert (folder / "suspicious_labels.csv").exists()


@pytest.mark.backend_free
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_example_has_a_header_and_is_listed(path):
    dates = re.match(HEADER, path.read_text())
    assert dates, "the header of keras.io's scripts"
    assert dates[1] <= dates[2]
    page = (ROOT / "docs" / "examples.md").read_text()
    assert f"](../examples/{path.name})" in page
    assert f"](notebooks/{path.stem}.ipynb)" in page


@pytest.fixture
def notebooks(monkeypatch):
    """The names of the script that makes the notebooks."""
    pytest.importorskip("jupytext")
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "recipes" / "kaggle")])
    return runpy.run_path(str(EXAMPLES / "notebooks.py"))


@pytest.mark.backend_free
def test_examples_become_notebooks(tmp_path, notebooks):
    nbformat = pytest.importorskip("nbformat")
    notebooks["main"](["--out", str(tmp_path)])
    assert {path.stem for path in tmp_path.iterdir()} == {path.stem for path in SCRIPTS}
    for path in tmp_path.iterdir():
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.cells[0].source.startswith("# ")
        for cell in notebook.cells:
            if cell.cell_type == "code":
                compile(cell.source, path.name, "exec")


@pytest.mark.backend_free
def test_some_examples_become_notebooks(tmp_path, notebooks, capsys):
    notebooks["main"](["--out", str(tmp_path), "noisy_table"])
    assert [path.name for path in tmp_path.iterdir()] == ["noisy_table.ipynb"]
    with pytest.raises(SystemExit):
        notebooks["main"](["--out", str(tmp_path), "noisy_tables"])
    assert "no such example: noisy_tables; there are: find_label_errors" in capsys.readouterr().err


@pytest.mark.backend_free
def test_executed_notebooks_have_outputs(notebooks):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    script = """\
# %% [markdown]
# A title
#
# A text

# %%
import sys
print("printed")
print("warned", file=sys.stderr)
print("printed", "too")
"shown"
"""
    from build import build_notebook

    cells = json.loads(notebooks["execute"](build_notebook(script)))["cells"]
    printed, shown = cells[1]["outputs"]
    assert "".join(printed["text"]) == "printed\nprinted too\n"
    assert shown["data"] == {"text/plain": ["'shown'"]}
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebooks["execute"](build_notebook(script + "1 / 0\n"))


@pytest.mark.backend_free
def test_notebooks_of_the_site_belong_to_the_scripts(notebooks):
    """Their cells are those of the scripts, and all of these were executed in order."""
    from build import build_notebook

    paths = sorted((ROOT / "docs" / "notebooks").iterdir())
    assert [path.stem for path in paths] == [path.stem for path in SCRIPTS]
    for path, script in zip(paths, SCRIPTS, strict=True):
        notebook = json.loads(path.read_text())
        executed = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        counts = [cell.pop("execution_count") for cell in executed]
        assert counts == [*range(1, len(executed) + 1)], path.name
        outputs = [output for cell in executed for output in cell.pop("outputs")]
        expected = json.loads(build_notebook(script.read_text()))
        for cell in expected["cells"]:
            cell.pop("execution_count", None)
            cell.pop("outputs", None)
        command = f'make notebooks ARGS="--execute {path.stem}"'
        assert notebook == expected, f"{script.name} has changed: {command}"

        assert outputs, path.name
        texts = ["".join(output.get("text", "")) for output in outputs]
        assert {output["output_type"] for output in outputs} <= {
            "stream",
            "display_data",
            "execute_result",
        }
        assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
        # Neither colours nor progress bars nor folders of the machine.
        assert not re.search(r"[\x00-\x09\x0b-\x1f]|(?<!\w)/\w+/|Warning", "".join(texts)), (
            path.name
        )
    assert sum(path.stat().st_size for path in paths) < 1_000_000
