"""An audit of a folder of images, by function and by command."""

import csv
import json
import os
import shutil
import sys

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy import cleaning
from keras_noisy.cleaning._images import list_images
from keras_noisy.cli import main
from keras_noisy.datasets import image_folder
from keras_noisy.training import Checkpoint

pytest.importorskip("tensorflow")
# TensorFlow reads the images on every backend, and test_out_of_fold.py trains on each.
pytestmark = pytest.mark.backend_free

QUICK = {"image_size": 8, "folds": 2, "epochs": 2, "batch_size": 8, "augment": False, "verbose": 0}
FOUND = {**QUICK, "epochs": 12, "batch_size": 4}
MODULE = sys.modules["keras_noisy.cleaning.audit"]
COMMAND = ["--image-size=8", "--folds=2", "--epochs=2", "--batch-size=8", "--no-augment"]


def draw(folder, colours=(0, 255), images=10):
    """Writes images of one shade for each class; the first of each class is of the next one."""
    for label, _ in enumerate(colours):
        for i in range(images):
            shade = colours[(label + (i == 0)) % len(colours)]
            path = folder / f"class {label}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            keras.utils.save_img(path, np.full((9, 9, 3), shade), scale=False)
    return folder


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return draw(tmp_path / "photos")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Returns the folder and the outcome of an audit."""
    folder = tmp_path_factory.mktemp("found")
    root = draw(folder / "photos", colours=(0, 120, 255))
    return folder, cleaning.audit(root, folder / "audit", **FOUND)


def test_wrong_labels_are_at_the_top(found):
    _, audit = found
    first = {audit.paths[i] for i in audit.suspicious.ranking[:3]}
    assert first == {"class 0/0.png", "class 1/0.png", "class 2/0.png"}
    assert audit.noise.rate == pytest.approx(0.1, abs=0.1)


def test_the_files_agree(found):
    folder, audit = found
    with (folder / "audit" / "suspicious.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [audit.paths[i] for i in audit.suspicious.suspicious]
    for row, i in zip(rows, audit.suspicious.suspicious, strict=True):
        assert row["label"] == audit.class_names[audit.labels[i]]
        assert row["looks_like"] == audit.class_names[audit.suspicious.looks_like[i]]
        assert float(row["doubt"]) == pytest.approx(audit.suspicious.doubts[i], abs=1e-4)
    noise = json.loads((folder / "audit" / "noise.json").read_text())
    assert noise["samples"] == 30
    assert noise["noise_rate"] == pytest.approx(audit.noise.rate, abs=1e-4)
    assert [each["size"] for each in noise["classes"]] == [10, 10, 10]
    assert audit.class_names[0] in (folder / "audit" / "report.html").read_text()
    assert all(path.exists() for path in audit.files)


class Killed(Exception):
    pass


def kill(*args, **kwargs):
    raise Killed


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """Returns the file of a small model, which is quick to compile."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
    path = tmp_path_factory.mktemp("models") / "linear.keras"
    keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x)).save(path)
    return path


@pytest.mark.parametrize("step", ["write_images", "on_train_end", "write_results"])
def test_a_killed_audit_continues(photos, linear, monkeypatch, step):
    """The state on the disk is that of a process that ends at this point."""
    cleaning.audit(photos, "whole", model=linear, **QUICK)
    where = Checkpoint if step == "on_train_end" else MODULE
    with monkeypatch.context() as patch:
        patch.setattr(where, step, kill)
        with pytest.raises(Killed):
            cleaning.audit(photos, "killed", model=linear, **QUICK)
    cleaning.audit(photos, "killed", model=linear, **QUICK)
    for name in ("suspicious.csv", "noise.json", "images.csv"):
        content = (photos.parent / "killed" / name).read_text()
        assert content == (photos.parent / "whole" / name).read_text()


def test_the_command_tells_what_it_does(photos, capsys, caplog):
    (photos / "class 0" / "broken.jpg").write_text("<html>Not found</html>")
    (photos / "empty").mkdir()
    (photos / "small").mkdir()
    shutil.copy(photos / "class 0" / "1.png", photos / "small")
    main(["audit", "photos", *COMMAND])
    out = capsys.readouterr().out
    assert "1 image can't be decoded: class 0/broken.jpg (an HTML page)" in out
    assert "21 images of 4 classes; 2 trainings of small_cnn with 2 epochs" in out
    assert "Fold 2 of 2" in out
    assert "class without an image" not in caplog.text
    assert "labels are wrong" in out
    assert f"Wrote audit{os.sep}report.html" in out
    noise = json.loads((photos.parent / "audit" / "noise.json").read_text())
    assert noise["note"] == (
        "1 class has no image (empty). 1 class has few images (small). "
        "The labels of classes with fewer than 2 images can't be judged well."
    )
    main(["audit", "photos", *COMMAND, "--json"])  # reads what is there
    assert json.loads(capsys.readouterr().out)["images"] == 21


def test_labels_may_come_from_a_table_or_a_list(photos, caplog):
    table = [("image", "label"), *((f"class {i % 2}/{i // 2}.png", f"k{i % 2}") for i in range(20))]
    with open("labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([*table, ("class 1/9.png", "k0")])
    images = list_images(photos, photos.parent / "labels.csv")
    assert "1 lines name an image of an earlier line" in caplog.text
    assert images.class_names == ("k0", "k1")
    assert images.paths == [path for path, _ in table[1:]]
    with open("labels.txt", "w") as file:
        file.writelines(f"{path} {label[1]}\n" for path, label in table[1:])
    other = list_images(photos, photos.parent / "labels.txt")
    assert other.paths == images.paths
    np.testing.assert_array_equal(other.labels, images.labels)
    assert other.class_names == ("0", "1")


def test_a_model_of_ones_own_is_trained(photos, linear):
    audit = cleaning.audit(photos, model=linear, **QUICK)
    assert audit.suspicious.doubts.shape == (20,)
    (photos / "third").mkdir()
    with pytest.raises(ValueError, match="`model` must have an output for each of the 3 classes"):
        cleaning.audit(photos, "other", model=linear, **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "nowhere"}, "`root` must be a folder"),
        ({"labels": "nowhere.csv"}, "nowhere.csv"),
        ({"network": "vgg"}, "`network` must be 'small_cnn'"),
        ({"network": "small_cnn", "model": "m.keras"}, "Only one of `network` and `model`"),
        ({"model": "nowhere.keras"}, "`model` must be a file"),
        ({"threshold": -1}, "`threshold` must be a number"),
        ({"learning_rate": 0}, "`learning_rate` must be a number"),
        ({"folds": 21}, "`folds` must be at most the number of samples"),
        ({"root": "photos/class 0"}, "`root` must hold a folder for each class"),
    ],
)
def test_bad_arguments_are_named(photos, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        cleaning.audit(**{"root": photos, **QUICK, **options})
    assert not (photos.parent / "audit" / "training").exists()


def test_another_audit_does_not_continue(photos, monkeypatch):
    monkeypatch.setattr(MODULE, "out_of_fold", kill)
    with pytest.raises(Killed):
        cleaning.audit(photos, **QUICK)
    with pytest.raises(ValueError, match="begun with other image_size; delete it"):
        cleaning.audit(photos, **{**QUICK, "image_size": 9})
    (photos / "class 0" / "1.png").unlink()
    with pytest.raises(ValueError, match="begun with other images"):
        cleaning.audit(photos, **QUICK)


def test_a_folder_that_cannot_be_written_is_named(photos):
    (photos.parent / "audit").write_text("a file")
    with pytest.raises(OSError, match=r"audit"):
        cleaning.audit(photos, **QUICK)


def test_a_full_disk_leaves_nothing_half_written(found, tmp_path, monkeypatch):
    folder, _ = found
    shutil.copytree(folder / "audit", tmp_path / "audit")
    (tmp_path / "audit" / "suspicious.csv").unlink()
    before = {path.name for path in (tmp_path / "audit").iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match=r"No space left on device: .*suspicious.csv"):
        cleaning.audit(folder / "photos", tmp_path / "audit", **FOUND)
    assert {path.name for path in (tmp_path / "audit").iterdir()} == before


def test_the_callback_writes_the_same_files(tmp_path):
    y = np.arange(60) % 3
    x = np.eye(3, dtype="float32")[y]
    layer = keras.layers.Dense(3, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    audit = cleaning.AuditLabels(
        x, y, tmp_path, paths=[f"{i} x" for i in range(60)], from_logits=True
    )
    model.fit(x, y, epochs=1, callbacks=[audit], verbose=0)
    assert audit.results.noise.rate < 0.2
    assert "optimistic" in json.loads((tmp_path / "noise.json").read_text())["note"]
    with pytest.raises(ValueError, match="`paths` must have a name for each of the 60 samples"):
        cleaning.AuditLabels(x, y, tmp_path, paths=["a"])
    with pytest.raises(ValueError, match="`labels` must be given for an array `x`, and"):
        cleaning.AuditLabels(x, output=tmp_path)


def test_the_callback_with_a_pipeline_of_files(found, tmp_path):
    folder, audit = found
    root = tmp_path / "photos"
    shutil.copytree(folder / "photos", root)
    (root / "class 1" / "3.png").write_bytes(b"damaged")
    options = {"image_size": 8, "batch_size": 4, "bad_images": tmp_path / "bad.csv"}
    train = image_folder.pipeline(root, "train", augment=False, **options)
    fixed = image_folder.pipeline(root, "train", augment=False, shuffle=False, **options)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    shades = np.array([0, 120, 255]) / 255  # each image gets the class of the nearest shade
    model.layers[-1].set_weights([np.tile(20 * shades, (3, 1)), -30 * shades**2])
    model.compile(keras.optimizers.SGD(1e-6), keras_noisy.MAE(from_logits=True))
    callback = cleaning.AuditLabels(fixed, output=tmp_path / "out", root=root, from_logits=True)
    model.fit(train.dataset, shuffle=False, epochs=1, callbacks=[callback], verbose=0)
    with open(tmp_path / "out" / "suspicious.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    wrong = {f"class {i}/0.png": f"class {i}" for i in range(3)}
    assert wrong.keys() <= rows.keys() <= {*audit.paths}
    assert {path: rows[path]["label"] for path in wrong} == wrong
    assert len(fixed.paths) == 29
    assert "class 1/0.png" in (tmp_path / "out" / "report.html").read_text()
