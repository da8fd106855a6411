"""All files of the figures are written, and each one atomically."""

import importlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from keras_noisy.plots import get_theme, measured_logits, theory_figures

pytestmark = pytest.mark.backend_free

MODULE = importlib.import_module("keras_noisy.plots.theory_figures")
RECIPE = Path(__file__).parents[2] / "recipes" / "figures.py"
PNG = b"\x89PNG"


@pytest.fixture
def quick(monkeypatch):
    """Makes all figures empty, and collects the arguments of the fifth."""
    measured = []

    def draw(*args, theme):
        measured.extend(args)
        return get_theme(theme).figure(height=1.0)

    monkeypatch.setattr(MODULE, "_DRAW", dict.fromkeys(MODULE._DRAW, draw))
    monkeypatch.setattr(MODULE, "logit_distributions", draw)
    monkeypatch.setattr(MODULE, "measured_logits", lambda report: "measured")
    return measured


def test_writes_all(quick, tmp_path):
    folder, lines = tmp_path / "new" / "folder", []
    paths = theory_figures(folder, report=lines.append)
    names = [f"figure{n}{theme}.png" for n in range(1, 7) for theme in ("", "-dark")]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert all(path.read_bytes().startswith(PNG) for path in paths)
    assert [line.split(":")[0] for line in lines[:2]] == ["figure 1, light", "figure 1, dark"]
    assert quick == ["measured"] * 2


def test_replaces_older_files(quick, tmp_path):
    (tmp_path / "figure3.png").write_text("old")
    (path,) = theory_figures(tmp_path, [3, 3], ["light"], report=lambda line: None)
    assert path.read_bytes().startswith(PNG)


def test_background_keeps_its_colour(quick, tmp_path):
    from PIL import Image

    for path in theory_figures(tmp_path, [1], report=lambda line: None):
        background = Image.open(path).convert("RGB").getpixel((0, 0))
        assert background == ((13, 17, 23) if "dark" in path.name else (255, 255, 255))


@pytest.mark.parametrize("breaks", ["drawing", "writing"])
def test_a_failure_leaves_no_partial_file(quick, tmp_path, monkeypatch, breaks):
    def fail(*args, **kwargs):
        raise RuntimeError("no")

    (tmp_path / "figure2.png").write_text("old")
    if breaks == "drawing":
        monkeypatch.setitem(MODULE._DRAW, 2, fail)
    else:
        theory_figures(tmp_path, [1], ["light"], report=lambda line: None)
        monkeypatch.setattr("PIL.Image.Image.save", fail)
    with pytest.raises(RuntimeError, match="no"):
        theory_figures(tmp_path, [2] if breaks == "writing" else [1, 2], ["light"], lambda x: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure1.png", "figure2.png"]
    assert (tmp_path / "figure2.png").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"figures": [7]}, r"`figures` must be some of 1 to 6. Received: figures=\[7\]"),
        ({"figures": []}, "`figures` must be"),
        ({"themes": ["pink"]}, r"`themes` must be some of \['light', 'dark'\]. Received:"),
        ({"themes": "dark"}, "`themes` must be"),
    ],
)
def test_bad_input(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        theory_figures(tmp_path / "none", **arguments)
    assert not (tmp_path / "none").exists()


def test_without_keras_cv(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    lines = []
    measured = measured_logits(images=4, num_classes=7, seeds=[0, 1], report=lines.append)
    assert list(measured) == ["MLP1024"]
    assert [logits.values.shape for logits in measured["MLP1024"]] == [(4, 7), (4, 7)]
    assert not np.array_equal(*[logits.values for logits in measured["MLP1024"]])
    (line,) = lines
    assert line.startswith("ResNet-34 is left out: keras_cv is not installed.")
    assert 'pip install "keras-noisy[vision]"' in line


def test_recipe(tmp_path, capsys):
    main = runpy.run_path(str(RECIPE))["main"]
    main(["--folder", str(tmp_path), "--figures", "1", "--themes", "dark"])
    assert [path.name for path in tmp_path.iterdir()] == ["figure1-dark.png"]
    assert "figure1-dark.png" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["--figures", "9"])
    assert stopped.value.code == 2
    assert "`figures` must be some of 1 to 6. Received: figures=[9]" in capsys.readouterr().err
