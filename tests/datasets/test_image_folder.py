"""A folder for each class: labels and splits of the images."""

import re

import keras
import numpy as np
import pytest
from pictures import encode, photograph

import keras_noisy
from keras_noisy.datasets import image_folder, read_bad_images

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


def test_class_names_are_folders(build):
    with pytest.raises(FileNotFoundError, match=r"`class_names` must be folders.*'dog'"):
        build(class_names=("cat", "dog"))
