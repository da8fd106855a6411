"""The command `keras-noisy`, called as a function and as a program."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy.calibration import average_error, logit_bias
from keras_noisy.cli import main


@pytest.mark.backend_free
def test_calibrate_prints_settings_with_errors_before_and_after(capsys):
    main(["calibrate", "--classes", "100"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "100 classes with sgd: logit_bias=2.518"
    mae = next(line for line in lines if line.startswith("MAE()")).split()
    assert mae == ["MAE()", "-0.0123", "-0.1329", "logit_bias=2.52", "-0.1329", "learns"]
    named = {line.split("(")[0] for line in lines if "(" in line}
    assert {loss.__name__ for loss in keras_noisy.losses.LOSSES} <= named


@pytest.mark.shared
def test_calibrate_prints_json(capsys):
    main(["calibrate", "--classes", "50", "--logit-std", "0.5", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["classes"] == 50
    assert content["logit_bias"] == logit_bias(50, logit_std=0.5)
    gce = [row for row in content["settings"] if row["loss"] == "GCE(q=0.7)"]
    for row in gce:
        assert row["before"] == pytest.approx(average_error(keras_noisy.GCE(), 0.0, 50, 0.5))
        assert row["reference"] == pytest.approx(average_error(keras_noisy.GCE(), 0.0, 10, 0.5))


@pytest.mark.shared
def test_few_classes_need_no_setting(capsys):
    main(["calibrate", "--classes", "10", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["logit_bias"] == 0.0
    assert {row["setting"] for row in content["settings"]} == {""}


@pytest.mark.shared
def test_figures_are_drawn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    main(["figures", "--folder", str(tmp_path), "--figures", "4", "--themes", "dark", "--json"])
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / "figure4-dark.png")]
    assert (tmp_path / "figure4-dark.png").stat().st_size > 10_000


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with an image, an HTML page and a file list."""
    pytest.importorskip("tensorflow")
    keras.utils.save_img(tmp_path / "good.png", np.zeros((4, 4, 3)))
    (tmp_path / "page.jpg").write_text("<html>Not found</html>")
    (tmp_path / "mine.txt").write_text("good.png 0\nlost.jpg 1\npage.jpg 2000\n")
    return tmp_path


@pytest.mark.backend_free
def test_check_images_checks_all_files_of_a_folder(folder, capsys):
    main(["check-images", str(folder), "--bad-images", str(folder / "bad.csv")])
    output = capsys.readouterr().out
    assert "2/2" in output  # the progress bar
    assert f"1 bad images in {folder / 'bad.csv'}\n         1  an HTML page\n" in output
    assert "2 images checked, and skipped (--json lists them):\n" in output
    (header, row) = (folder / "bad.csv").read_text().splitlines()
    assert header == "path,reason,root,size,modified"
    assert row.startswith(f"page.jpg,an HTML page,{folder.resolve()},")


@pytest.mark.backend_free
def test_check_images_of_a_file_list_prints_json(folder, capsys):
    options = ["--file-list", str(folder / "mine.txt"), "--bad-images", str(folder / "bad.csv")]
    main(["check-images", str(folder), *options, "--json"])
    assert json.loads(capsys.readouterr().out) == [
        {"path": "lost.jpg", "reason": "missing"},
        {"path": "page.jpg", "reason": "an HTML page"},
    ]


@pytest.mark.backend_free
def test_check_images_of_webvision_names_missing_files(folder, capsys):
    with pytest.raises(SystemExit):
        main(["check-images", str(folder), "--subset", "mini"])
    error = capsys.readouterr().err
    assert "info/train_filelist_google.txt is not there" in error
    assert "google_resized_256.tar    17 GB" in error


@pytest.mark.shared
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["draw"], "invalid choice: 'draw'"),
        (["check-images", "no_such_folder"], "`root` must be a folder"),
        (
            ["check-images", ".", "--workers", "0"],
            "`workers` must be None or an integer of at least 1",
        ),
        (["calibrate"], "--classes"),
        (["calibrate", "--classes", "1"], "`num_classes` must be an integer of at least 2"),
        (["calibrate", "--classes", "ten"], "invalid int value"),
        (["calibrate", "--classes", "10", "--logit-std", "9"], "`logit_std` must be"),
        (["figures", "--themes", "sepia"], "`themes` must be"),
        (["figures", "--figures", "7"], "`figures` must be"),
    ],
)
def test_bad_arguments_give_an_error(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.backend_free
def test_without_arguments_prints_an_overview(capsys):
    main([])
    output = capsys.readouterr().out
    assert output.startswith(f"keras-noisy {keras_noisy.__version__}, on Keras {keras.__version__}")
    assert f"the {keras.backend.backend()} backend" in output
    for words in ("calibrate ", "figures ", "check-images", "docs/", "help(keras_noisy.MAE)"):
        assert words in output


def test_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "keras_noisy"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "calibrate" in result.stdout
    assert "figures" in result.stdout
    assert "check-images" in result.stdout
