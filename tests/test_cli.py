"""The command `keras-noisy`, called as a function, and once as a program."""

import json
import subprocess
import sys

import pytest

import keras_noisy
from keras_noisy.calibration import average_error, logit_bias
from keras_noisy.cli import main


def test_calibrate_prints_settings_with_errors_before_and_after(capsys):
    main(["calibrate", "--classes", "100"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "100 classes: logit_bias=2.518"
    mae = next(line for line in lines if line.startswith("MAE()")).split()
    assert mae == ["MAE()", "-0.0123", "-0.1329", "logit_bias=2.52", "-0.1329", "learns"]
    named = {line.split("(")[0] for line in lines if "(" in line}
    assert {loss.__name__ for loss in keras_noisy.losses.LOSSES} <= named


def test_calibrate_as_json(capsys):
    main(["calibrate", "--classes", "50", "--logit-std", "0.5", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["classes"] == 50
    assert content["logit_bias"] == logit_bias(50, logit_std=0.5)
    gce = [row for row in content["settings"] if row["loss"] == "GCE(q=0.7)"]
    for row in gce:
        assert row["before"] == pytest.approx(average_error(keras_noisy.GCE(), 0.0, 50, 0.5))
        assert row["reference"] == pytest.approx(average_error(keras_noisy.GCE(), 0.0, 10, 0.5))


def test_with_few_classes_nothing_is_to_be_set(capsys):
    main(["calibrate", "--classes", "10", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["logit_bias"] == 0.0
    assert {row["setting"] for row in content["settings"]} == {""}


def test_figures(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    main(["figures", "--folder", str(tmp_path), "--figures", "4", "--themes", "dark", "--json"])
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / "figure4-dark.png")]
    assert (tmp_path / "figure4-dark.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "command"),
        (["calibrate"], "--classes"),
        (["calibrate", "--classes", "1"], "`num_classes` must be an integer of at least 2"),
        (["calibrate", "--classes", "ten"], "invalid int value"),
        (["calibrate", "--classes", "10", "--logit-std", "9"], "`logit_std` must be"),
        (["figures", "--themes", "sepia"], "`themes` must be"),
        (["figures", "--figures", "7"], "`figures` must be"),
    ],
)
def test_bad_arguments_are_told_in_words(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "keras_noisy", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "calibrate" in result.stdout
    assert "figures" in result.stdout
