"""Marked labels are corrected in lists and links, and nothing else is changed."""

import csv
import json
import os

import keras
import numpy as np
import pytest

from keras_noisy.cleaning import apply_marks
from keras_noisy.cli import main

pytestmark = pytest.mark.backend_free

HEADER = ["path", "label", "mark", "new_label"]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with photos and a finished audit."""
    rows = [
        ("cat/1.png", "cat"),
        ("cat/b 2.png", "cat"),
        ("dog/1.png", "dog"),
        ("owl, x/й.png", "owl, x"),
    ]
    for path, _ in rows:
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(tmp_path / "photos" / path, np.zeros((2, 2, 3)))
    (tmp_path / "audit").mkdir()
    write(tmp_path / "audit" / "images.csv", [("image", "label"), *rows])
    names = [{"name": name} for name in ("cat", "dog", "owl, x", "newt")]
    (tmp_path / "audit" / "noise.json").write_text(json.dumps({"classes": names}))
    return tmp_path


MARKS = [
    HEADER,
    ["cat/1.png", "cat", "wrong", "dog"],
    ["cat/b 2.png", "cat", "unclear", ""],
    ["owl, x/й.png", "owl, x", "right", "owl, x"],
]


def test_lists_have_the_corrected_labels(folder):
    write(folder / "marks.csv", MARKS)
    cleaned = apply_marks(folder / "photos", folder / "marks.csv", folder / "audit", verbose=0)
    assert cleaned.paths == ["cat/1.png", "dog/1.png", "owl, x/й.png"]
    assert [cleaned.class_names[label] for label in cleaned.labels] == ["dog", "dog", "owl, x"]
    assert (cleaned.num_corrected, cleaned.num_left_out) == (1, 1)
    audit = folder / "audit"
    assert (audit / "cleaned.txt").read_text() == "cat/1.png 1\ndog/1.png 1\nowl, x/й.png 2\n"
    assert (audit / "class_names.txt").read_text() == "cat\ndog\nowl, x\nnewt\n"
    with (audit / "cleaned.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [["cat/1.png", "dog"], ["dog/1.png", "dog"], ["owl, x/й.png", "owl, x"]]


def test_the_list_is_one_that_pipelines_read(folder):
    pytest.importorskip("tensorflow")
    from keras_noisy.datasets import image_list

    write(folder / "marks.csv", MARKS)
    apply_marks(folder / "photos", folder / "marks.csv", folder / "audit", verbose=0)
    data = image_list.pipeline(
        folder / "photos",
        folder / "audit" / "cleaned.txt",
        num_classes=4,
        is_training=False,
        image_size=2,
        bad_images=folder / "bad.csv",
    )
    (_, labels), *rest = data.dataset.as_numpy_iterator()
    assert labels.tolist() == [1, 1, 2]
    assert not rest


def test_links_have_a_folder_for_each_class(folder):
    write(folder / "marks.csv", MARKS)
    links = folder / "clean photos"
    apply_marks(folder / "photos", folder / "marks.csv", folder / "audit", links, verbose=0)
    found = {
        path.relative_to(links).as_posix(): os.path.realpath(path)
        for path in links.rglob("*")
        if path.is_symlink()
    }
    photos = os.path.realpath(folder / "photos")
    assert found == {
        "dog/1.png": f"{photos}/dog/1.png",
        "dog/cat__1.png": f"{photos}/cat/1.png",
        "owl, x/й.png": f"{photos}/owl, x/й.png",
    }
    with pytest.raises(ValueError, match="`links` must be a new or empty folder"):
        apply_marks(folder / "photos", folder / "marks.csv", folder / "audit", links, verbose=0)


def test_links_that_fail_leave_nothing(folder, monkeypatch):
    write(folder / "marks.csv", MARKS)
    monkeypatch.setattr("pathlib.Path.symlink_to", lambda *_: 1 / 0)
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(ZeroDivisionError):
        apply_marks(
            folder / "photos", folder / "marks.csv", folder / "audit", folder / "new", verbose=0
        )
    assert {path.name for path in folder.iterdir()} == before


def test_a_dry_run_writes_nothing(folder, capsys):
    write(folder / "marks.csv", MARKS)
    before = sorted(folder.rglob("*"))
    arguments = ["audit", "photos", "--output", "audit", "--apply", "marks.csv", "--links", "new"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main([*arguments, "--dry-run"])
    assert sorted(folder.rglob("*")) == before
    out = capsys.readouterr().out
    assert out.startswith("1 label corrected, 1 image left out, 3 images left\nWould write audit")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["path", "label"]], "with the columns path, label$"),
        ([HEADER, ["cat/1.png", "cat", "maybe", ""]], "another mark.*maybe"),
        ([HEADER, ["fox/1.png", "fox", "right", "fox"]], "an image that the audit does not have"),
        ([HEADER, ["cat/1.png", "dog", "right", "dog"]], "another label than the audit has"),
        ([HEADER, ["cat/1.png", "cat", "wrong", "fox"]], "a new label that is no class"),
        ([HEADER, MARKS[1], MARKS[1]], "2 rows have an image with two marks"),
    ],
)
def test_other_marks_are_refused(folder, rows, message):
    write(folder / "marks.csv", rows)
    with pytest.raises(ValueError, match=message):
        apply_marks(folder / "photos", folder / "marks.csv", folder / "audit")
    assert not (folder / "audit" / "cleaned.csv").exists()


def test_an_audit_must_be_done(folder):
    with pytest.raises(FileNotFoundError, match="`output` must be the folder of an audit"):
        apply_marks(folder / "photos", folder / "marks.csv", folder / "photos")
    with pytest.raises(FileNotFoundError, match="`root` must be a folder"):
        apply_marks(folder / "nowhere", folder / "marks.csv", folder / "audit")
