"""The quickstart on small data: it runs, and its results are complete."""

import importlib.util
import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jsonargparse")

SCRIPT = Path(__file__).parents[1] / "recipes" / "quickstart.py"


@pytest.fixture(scope="module")
def quickstart():
    spec = importlib.util.spec_from_file_location("quickstart", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quickstart_runs(quickstart, tmp_path, capsys):
    results = tmp_path / "new" / "folder"
    losses = ["ce", "mae", "gce", "mae+bias", "mae+classwise"]
    options = f"--classes 20 --images 20 --epochs 2 --noise 0.5 --results {results} --losses"
    quickstart.main([*options.split(), *losses])
    records = json.loads((results / "results.json").read_text())
    labels = ["CE", "MAE", "GCE(0.7)", "MAE + constant bias", "MAE + class-wise bias"]
    assert [r["loss"] for r in records] == labels
    for record in records:
        assert 0 <= record["test_accuracy"] <= 1
        assert 0 <= record["memorised"] <= 1
        assert record["seconds"] > 0
        assert record["test_accuracy"] == record["history"]["val_accuracy"][-1]
        assert {len(values) for values in record["history"].values()} == {2}
    assert (results / "test_accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert not list(results.glob("*.tmp"))
    output = capsys.readouterr().out
    assert "Epoch 1/2" in output
    table = output[output.index("test accuracy") :]
    for record in records:
        assert f"{record['loss']:<18}" in table
        assert f"{record['test_accuracy']:.1%}" in table


def test_values_that_are_not_finite_are_null_in_json(quickstart, tmp_path):
    quickstart.write_json(tmp_path / "a.json", [{"a": float("nan"), "b": [1.0, float("inf")]}])
    assert json.loads((tmp_path / "a.json").read_text()) == [{"a": None, "b": [1.0, None]}]


def test_memorised_is_null_without_noise(quickstart, tmp_path):
    options = "--classes 5 --images 4 --epochs 1 --noise 0 --losses ce ce --results"
    quickstart.main([*options.split(), str(tmp_path)])
    (record,) = json.loads((tmp_path / "results.json").read_text())
    assert record["memorised"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--classes 1", "--classes: must be a number from 2 to 2000; received 1"),
        ("--classes 2001", "--classes: must be"),
        ("--classes many", "--classes: invalid int value: 'many'"),
        ("--noise 1.5", "--noise: must be a number from 0 to 1; received 1.5"),
        ("--noise nan", "--noise: must be"),
        ("--epochs 0", "--epochs: must be at least 1; received 0"),
        ("--images 0", "--images: must be"),
        ("--seed -1", "--seed: must be"),
        ("--losses mse", "--losses: invalid choice: 'mse'"),
        ("--losses", "--losses: expected at least one argument"),
        (f"--results {__file__}", "--results: [Errno 17] File exists"),
        (f"--results {__file__}/below", "--results: [Errno 20] Not a directory"),
        ("--los ce", "unrecognized arguments"),
        ("--colour", "unrecognized arguments: --colour"),
    ],
)
def test_bad_argument_gives_one_line(quickstart, arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        quickstart.main(arguments.split())
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_lists_all_options(quickstart, capsys):
    with pytest.raises(SystemExit) as exit_:
        quickstart.main(["--help"])
    assert exit_.value.code == 0
    output = capsys.readouterr().out
    for name in ("classes", "noise", "epochs", "images", "losses", "seed", "results"):
        assert f"--{name}" in output
