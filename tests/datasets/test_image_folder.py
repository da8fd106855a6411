"""A folder for each class: labels and splits of the images."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encode, photograph

import keras_noisy
from keras_noisy.datasets import check_images, image_folder, image_list, read_bad_images
from keras_noisy.datasets._image_files.checking import survey_folder
from keras_noisy.datasets._image_files.folders import read_folder
from keras_noisy.datasets._image_files.layouts import find_odd_layout

pytestmark = pytest.mark.backend_free

CLASSES = ("ant", "bee", "cat")
PER_CLASS = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Returns a folder of images, each of which has a unique grey value."""
    root = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(CLASSES):
        (root / name / "more").mkdir(parents=True)
        for i in range(PER_CLASS):
            number = label * PER_CLASS + i
            place = root / name / ("more" if i % 4 == 0 else "") / f"{i:02}.png"
            place.write_bytes(encode(np.full((8, 8, 3), number, "uint8"), "PNG"))
    (root / "ant" / "notes.txt").write_text("neither an image nor named as one")
    (root / ".cache").mkdir()
    (root / "list.csv").write_text("a file beside the folders")
    return root


@pytest.fixture
def build(photos, tmp_path):
    def build(*split, root=photos, **options):
        given = {"image_size": 8, "bad_images": tmp_path / "bad.csv"}
        return image_folder.pipeline(root, *split, **{**given, **options})

    return build


def read(pipeline):
    """Returns the grey values and labels of the images in an epoch, in order."""
    batches = list(pipeline.dataset.as_numpy_iterator())
    numbers = np.concatenate([x[:, 0, 0, 0] for x, _ in batches])
    return numbers.tolist(), np.concatenate([y for _, y in batches]).tolist()


def test_all_images_with_the_labels_of_their_folders(build):
    test = build("test")
    assert test.class_names == CLASSES
    assert (test.num_classes, test.num_samples) == (3, 120)
    numbers, labels = read(test)
    assert sorted(numbers) == list(range(120))
    assert labels == sorted(labels) == [n // PER_CLASS for n in numbers]


def test_training_images_are_shuffled_and_those_to_measure_with_are_not(build):
    train, again = read(build(augment=False)), read(build("train", augment=False))
    assert train == again
    assert train[0] != read(build("test"))[0]
    assert sorted(train[0]) == list(range(120))
    assert train[1] == [n // PER_CLASS for n in train[0]]
    augmented = read(build())
    assert augmented[1] == train[1]
    assert augmented[0] != train[0]  # colours are augmented


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_validation_is_what_training_does_not_have(build, share):
    held_out, labels = read(build("validation", validation_split=share, seed=1))
    kept, _ = read(build("train", validation_split=share, augment=False, seed=2))
    assert sorted(held_out + kept) == list(range(120))
    # Four standard deviations of the binomial distribution.
    assert abs(len(held_out) - 120 * share) < 4 * np.sqrt(120 * share * (1 - share))
    assert labels == [n // PER_CLASS for n in held_out]
    assert held_out == read(build("validation", validation_split=share))[0]


def test_an_image_stays_in_its_split_when_others_come_and_go(build, photos, tmp_path):
    share = {"validation_split": 0.3}
    before = set(read(build("validation", **share))[0])
    fewer = tmp_path / "photos"
    for path in photos.rglob("*.png"):
        if "cat" not in path.parts or path.stem < "20":
            copy = fewer / path.relative_to(photos)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    after = set(read(build("validation", root=fewer, **share))[0])
    assert after == before - set(range(100, 120))


def test_list_classes(photos, tmp_path):
    assert image_folder.list_classes(photos) == CLASSES
    assert image_folder.list_classes(str(photos)) == CLASSES
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder\. Received: root='.*no'"):
        image_folder.list_classes(tmp_path / "no")
    with pytest.raises(ValueError, match=r"`root` must hold a folder for each class.*\['more'\]"):
        image_folder.list_classes(photos / "ant")


def test_order_of_the_classes_can_be_given(build):
    numbers, labels = read(build("test", class_names=("cat", "ant")))
    assert labels == [0] * PER_CLASS + [1] * PER_CLASS
    assert numbers[0] // PER_CLASS == 2


def test_noise_is_for_the_images_of_the_split(build):
    matrix = keras_noisy.noise.symmetric(3, rate=0.6)
    share = {"validation_split": 0.2}
    options = {"shuffle": False, "augment": False, "keep_clean": True}
    data = build("train", noise=matrix, seed=5, batch_size=120, **options, **share)
    [(_, labels)] = data.dataset.as_numpy_iterator()
    expected = keras_noisy.noise.corrupt(labels["clean"], matrix, seed=5)
    np.testing.assert_array_equal(labels["noisy"], expected)
    assert 0.4 < np.mean(labels["noisy"] != labels["clean"]) < 0.8


def test_damaged_files_are_left_out(build, photos, tmp_path):
    root = tmp_path / "photos"
    for name in ("ant", "bee"):
        (root / name).mkdir(parents=True)
        for i in range(5):
            (root / name / f"{i}.jpg").write_bytes(encode(photograph(i)))
    (root / "bee" / "3.jpg").write_text("<html>Not found</html>")
    data = build("train", root=root, max_bad_share=0.1)
    assert len(read(data)[0]) == 9
    assert [image.path for image in read_bad_images(tmp_path / "bad.csv")] == ["bee/3.jpg"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_paths_are_in_the_order_of_an_unshuffled_epoch(split, build, photos, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(photos, root)
    (root / "bee" / "05.png").write_bytes(b"damaged")
    options = {"root": root, "augment": False, "shuffle": False, "batch_size": 16}
    pipeline = build(split, **options)
    assert len(pipeline.paths) == pipeline.num_samples == 3 * PER_CLASS
    for _ in range(2):
        numbers, labels = read(pipeline)
        assert len(pipeline.paths) == 3 * PER_CLASS - 1
        assert [CLASSES[label] for label in labels] == [path[:3] for path in pipeline.paths]
        assert [number % PER_CLASS for number in numbers] == [
            int(Path(path).stem) for path in pipeline.paths
        ]
        pipeline = build(split, **options)  # knows the damaged image
        assert pipeline.num_samples == 3 * PER_CLASS - 1
    assert pipeline.take(2).paths == pipeline.paths[:32]
    assert build(split, **options, worker=0, num_workers=2).paths is None


def test_fit(build):
    model = keras_noisy.models.small_cnn(3, input_shape=(8, 8, 3))
    model.compile("sgd", keras_noisy.MAE(logit_bias="auto", from_logits=True))
    options = {"validation_split": 0.2, "batch_size": 16}
    train, val = build("train", **options), build("validation", **options)
    history = model.fit(
        train.dataset, shuffle=False, epochs=2, validation_data=val.dataset, verbose=0
    )
    assert np.isfinite(history.history["val_loss"]).all()
    assert keras.ops.shape(model(next(iter(val.dataset))[0]))[-1] == 3


@pytest.mark.parametrize("share", [1.0, -0.1, "10%", True, None, float("nan")])
def test_share_is_checked(build, share):
    expected = "`validation_split` must be a number in [0, 1). Received: "
    with pytest.raises(ValueError, match=f"^{re.escape(expected + f'validation_split={share!r}')}"):
        build("train", validation_split=share)


def test_validation_needs_a_share(build):
    with pytest.raises(ValueError, match=r"`validation_split` must be above 0"):
        build("validation")


def test_split_is_checked(build):
    with pytest.raises(
        ValueError, match=r"`split` must be 'train', 'validation' or 'test'\. Received: split='val'"
    ):
        build("val")


def test_folder_is_checked(build, photos, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder\. Received: root='.*no'"):
        build(root=tmp_path / "no")
    with pytest.raises(ValueError, match=r"`root` must hold a folder for each class.*\['more'\]"):
        build(root=photos / "ant")
    for name in CLASSES:
        (tmp_path / "empty" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"`root` must hold images .*none for split='train'"):
        build(root=tmp_path / "empty")


@pytest.mark.parametrize("names", ["cat", (), ("cat",), ("cat", "cat")])
def test_class_names_are_checked(build, names):
    expected = re.escape(f"Received: class_names={names!r}")
    with pytest.raises(ValueError, match=f"^`class_names` must be the names .*{expected}$"):
        build(class_names=names)


@pytest.mark.parametrize(
    "names", [("cat", "./cat/"), ("cat", ""), ("cat", "."), ("cat", "../x"), ("a", "a/b"), ("a", 1)]
)
def test_class_names_are_distinct_folders_in_root(build, names):
    with pytest.raises(ValueError, match=r"^`class_names` must be the names of two"):
        build(class_names=names)


def test_class_names_are_normalised(build):
    share = {"validation_split": 0.5}
    expected = read(build("validation", **share))
    data = build("validation", class_names=("ant/", "./bee", "cat//"), **share)
    assert data.class_names == CLASSES
    assert read(data) == expected


def test_a_class_without_a_folder_is_empty(build, caplog):
    data = build("test", class_names=("cat", "dog", "ant"))
    assert np.bincount(read(data)[1]).tolist() == [PER_CLASS, 0, PER_CLASS]
    assert data.skipped["class without an image"] == ["dog"]
    assert len(data.skipped["in no class folder"]) == PER_CLASS
    assert "1 x class without an image (dog)" in caplog.text


def write(root, *paths):
    """Writes grey images."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encode(np.full((8, 8, 3), 9, "uint8"), "PNG"))


def test_what_is_no_image_is_skipped_and_said(build, tmp_path, caplog):
    root = tmp_path / "photos"
    write(root, "cat/1.png", "cat/deep/2.png", "dog/1.png", "elsewhere/1.png", "elsewhere/2.png")
    hidden = ["cat/._1.png", "cat/deep/.ipynb_checkpoints/2.png", "__MACOSX/cat/1.png"]
    hidden += ["cat/@eaDir/1.png", "dog/Thumbs.db", "dog/.DS_Store", "lost+found/1.png"]
    write(root, *hidden, "cat/notes.txt", "1.png")
    (root / "bird").mkdir()
    (root / "cat" / "broken.png").symlink_to(root / "nowhere")
    (root / "cat" / "self.png").symlink_to(root / "cat" / "self.png")
    (root / "dog" / "2.png").symlink_to(root / "dog" / "1.png")
    (root / "dog" / "more").symlink_to(root / "elsewhere")
    (root / "owl").symlink_to(root / "elsewhere")
    os.mkfifo(root / "cat" / "pipe.png")  # would block whoever reads it
    data = build("test", root=root, class_names=("bird", "cat", "dog", "owl"))
    assert np.bincount(read(data)[1]).tolist() == [0, 2, 2, 2]
    assert data.skipped == {
        "hidden or system file": sorted(hidden),
        "other format": ["cat/notes.txt"],
        "broken link": ["cat/broken.png", "cat/self.png"],
        "link to a folder": ["dog/more/"],
        "not a regular file": ["cat/pipe.png"],
        "in no class folder": ["1.png", "elsewhere/1.png", "elsewhere/2.png"],
        "class without an image": ["bird"],
    }
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{root} (test): 6 images are used. Skipped: ")
    for part in ("7 x hidden or system file (", "2 x broken link (cat/broken.png, cat/self.png)"):
        assert part in record.getMessage()
    assert image_folder.list_classes(root) == ("bird", "cat", "dog", "elsewhere", "owl")
    assert data.take(1).skipped == data.skipped


# `b` is no class.
TREES = st.recursive(
    st.sampled_from(["file", "link", "broken", "folder link"]),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                "a.jpg",
                "B.PNG",
                "._a.jpg",
                "notes.txt",
                "a",
                "b",
                ".b",
                "@eaDir",
                "Thumbs.db",
                "\udcff",
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "__MACOSX", "1.jpg"]), TREES))
def test_used_and_skipped_files_are_all(tree):
    def plant(path, content):
        """Creates files, links and folders."""
        if isinstance(content, dict):
            path.mkdir(exist_ok=True)
            for name, inner in content.items():
                plant(path / name, inner)
        elif content == "file" or (content == "folder link" and path.parent == root):
            path.touch()
        else:
            path.symlink_to({"link": file, "broken": root / "x"}.get(content, root))

    with tempfile.TemporaryDirectory() as folder:
        root, file = Path(folder) / "photos", Path(folder) / "target"
        file.touch()
        plant(root, tree)
        found = read_folder(root, ("a", "c"))
        there = [
            os.path.relpath(os.path.join(parent, name), root) + ("/" if name in folders else "")
            for parent, folders, files in os.walk(root)
            for name in files + [name for name in folders if Path(parent, name).is_symlink()]
        ]
    used = list(map(os.fsdecode, found.paths))
    skipped = [path for paths in found.skipped.values() for path in paths]
    assert sorted(used + skipped) == sorted(there)
    hidden = [path for path in there if re.search(r"(^|/)(\.|@eaDir|Thumbs\.db|__MACOSX)", path)]
    assert sorted(found.skipped.get("hidden or system file", [])) == sorted(hidden)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["train/a/1", "train/b/1", "val/a/1"], "are those of splits. Pass root='.*/train'"),
        (["Aves/1/1", "Aves/2/1", "Fungi/3/1", "Fungi/4/1"], r"pass class_names=\('Aves/1', "),
        (["a/1", "b/1", "c/a/1", "c/b/1"], r"perhaps a copy.* Pass class_names=\('a', 'b'\)"),
        (["2/1", "10/1", "empty/"], r"are numbers.*: 10, 2\. .* pass class_names=\('2', '10'\)"),
        (["Cat/1", "cat/1"], "The folders Cat, cat in .* Merge them"),
        (["train/1", "bus/1"], None),
        (["1/1", "2/1", "3/images/1"], None),
    ],
    ids=["splits", "folders only", "copy", "numbers", "case", "trains", "nothing odd"],
)
def test_odd_layouts(tmp_path, paths, words):
    write(tmp_path, *(f"{path}.png" for path in paths))
    names = image_folder.list_classes(tmp_path)
    _, _, warnings = survey_folder(tmp_path)
    assert len(warnings) == (words is not None)
    assert all(re.search(words, warning) for warning in warnings)
    # Whoever passes the names knows them.
    assert find_odd_layout(tmp_path, names, (), is_default=False) == []


def test_odd_layouts_and_classes_without_training_images_are_logged(build, tmp_path, caplog):
    root = tmp_path / "photos"
    write(root, *(f"{name}/1.png" for name in range(1, 11)))
    parts = [build(split, root=root, validation_split=0.5) for split in ("train", "validation")]
    empty = [set(part.skipped["class without an image"]) for part in parts]
    assert sorted(map(int, empty[0] | empty[1])) == list(range(1, 11))
    assert not empty[0] & empty[1]
    assert (
        caplog.text.count("are numbers, but labels follow their alphabetical order: 1, 10, ") == 2
    )
    line = f"{root} (train): {10 - len(empty[0])} images are used. Skipped: {len(empty[0])} x class"
    assert line in caplog.text


def test_one_level_too_high(build, tmp_path):
    write(tmp_path / "photos", "all/cat/1.png", "all/dog/1.png")
    with pytest.raises(
        ValueError, match=r"folders \['all'\]\. 'all' holds \['cat', 'dog'\]: is it"
    ):
        build(root=tmp_path / "photos")


def test_bad_images_of_another_folder_and_repaired_ones(tmp_path, monkeypatch, caplog):
    """The default list of bad images is the same file for all folders, too."""
    monkeypatch.chdir(tmp_path)
    for root in ("photos", "checked"):
        write(Path(root), *(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(10)))
    Path("photos/cat/1.png").write_text("<html>")
    Path("photos/cat/2.png").write_text("<html>")

    def count(root):
        return len(read(image_folder.pipeline(root, "test", image_size=8))[1])

    assert [count("photos"), count("checked"), count(tmp_path / "photos")] == [18, 20, 18]
    write(Path("photos"), "cat/1.png")
    known = image_folder.pipeline("photos", "test", image_size=8)
    assert known.skipped == {"bad image": ["cat/2.png"]}
    assert (known.num_samples, count("photos")) == (19, 19)
    assert "photos (test): 19 images are used. Skipped: 1 x bad image (cat/2.png)" in caplog.text
    assert check_images("checked", verbose=0) == []
    assert [image.path for image in read_bad_images("bad_images.csv", "photos")] == ["cat/2.png"]
    assert read_bad_images("bad_images.csv", "checked") == []
    # A list of an earlier version, which holds for every folder.
    Path("bad_images.csv").write_text("path,reason\ndog/3.png,empty\n")
    assert [count("photos"), count("checked")] == [18, 19]
    assert [image.path for image in read_bad_images("bad_images.csv", "checked")] == ["dog/3.png"]


def test_oversampled_lines_and_absolute_paths(tmp_path, caplog):
    write(tmp_path / "photos", *(f"{i}.png" for i in range(5)))
    (tmp_path / "photos" / "4.png").write_text("<html>")
    lines = ["0.png 0", "1.png 0", *["2.png 1", "4.png 1"] * 3, f"{tmp_path}/photos/3.png 1"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    options = {"image_size": 8, "bad_images": tmp_path / "bad.csv", "is_training": False}
    for max_bad_files in (1, 0):  # a bad image counts once, and then it is known
        data = image_list.pipeline(
            tmp_path / "photos", tmp_path / "list.txt", 2, max_bad_files=max_bad_files, **options
        )
        assert read(data)[1] == [0, 0, 1, 1, 1, 1]
    assert [image.path for image in read_bad_images(tmp_path / "bad.csv")] == ["4.png"]
