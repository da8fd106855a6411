"""Mocked data sets of TensorFlow Datasets: random images and labels in their formats."""

import re
import sys
from collections import Counter

import keras
import numpy as np
import pytest

import keras_noisy
from keras_noisy.datasets import tfds

pytestmark = pytest.mark.backend_free

tf = pytest.importorskip("tensorflow")
library = pytest.importorskip("tensorflow_datasets")

N = 31
PHOTOGRAPHS = {"image_size": 8, "batch_size": 8}


@pytest.fixture
def no_network(monkeypatch):
    """Makes all downloads of TensorFlow Datasets fail."""

    def download_and_prepare(self, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(library.core.DatasetBuilder, "download_and_prepare", download_and_prepare)


@pytest.fixture(autouse=True)
def mock(request):
    if "no_network" in request.fixturenames:
        yield
        return
    with library.testing.mock_data(num_examples=N):
        yield


def from_the_mock(name, key, split="train"):
    """Reads a feature of all samples, in order, without the code under test."""
    dataset = library.builder(name).as_dataset(split=split, shuffle_files=False)
    return np.array([sample[key] for sample in dataset.as_numpy_iterator()])


def labels(dataset, key=None):
    batches = [y if key is None else y[key] for _, y in dataset.as_numpy_iterator()]
    return np.concatenate(batches) if batches else np.zeros(0, "int32")


def pixels(dataset):
    return np.concatenate([x for x, _ in dataset.as_numpy_iterator()])


# Images of one size


@pytest.mark.parametrize(
    ("name", "label_key", "num_classes"),
    [
        ("cifar10_n", "worse_label", 10),
        ("cifar10_n", "random_label3", 10),
        ("cifar100_n", "noise_label", 100),
    ],
)
def test_human_labels(name, label_key, num_classes):
    noisy, clean = from_the_mock(name, label_key), from_the_mock(name, "label")
    assert noisy.tolist() != clean.tolist()
    given = {"label_key": label_key, "batch_size": 8}
    train = tfds.pipeline(name, **given)
    assert (train.num_classes, train.num_samples, train.steps) == (num_classes, N, 4)
    assert len(train.class_names) == num_classes
    assert train.element_spec[0].shape.as_list() == [None, 32, 32, 3]
    both = tfds.pipeline(name, **given, keep_clean=True)
    order = np.random.default_rng([0, 0]).permutation(N)
    assert labels(train.dataset).tolist() == noisy[order].tolist()
    assert labels(both.dataset, "clean").tolist() == clean[order].tolist()


def test_images_belong_to_their_labels():
    images, noisy = (from_the_mock("cifar10_n", key) for key in ("image", "worse_label"))
    dataset = tfds.pipeline("cifar10_n", label_key="worse_label", augment=False).dataset
    order = np.random.default_rng([0, 0]).permutation(N)
    ((x, y),) = dataset.as_numpy_iterator()
    np.testing.assert_array_equal(x, images[order])
    np.testing.assert_array_equal(y, noisy[order])


@pytest.mark.parametrize(
    ("name", "label_key"),
    [("cifar10_n", "worse_label"), ("cifar100_n", "noise_label"), ("cifar10", "label")],
)
def test_small_photographs_are_augmented_as_those_of_keras(name, label_key):
    train, test = (
        tfds.pipeline(name, label_key=label_key, is_training=flag, shuffle=False).dataset
        for flag in (True, False)
    )
    images = from_the_mock(name, "image")
    np.testing.assert_array_equal(pixels(test), images)
    moved = pixels(train)
    assert moved.dtype == np.uint8
    assert (moved != images).any(axis=(1, 2, 3)).mean() > 0.9


def test_other_images_are_not_augmented():
    dataset = tfds.pipeline("fashion_mnist", shuffle=False).dataset
    np.testing.assert_array_equal(pixels(dataset), from_the_mock("fashion_mnist", "image"))


def test_split_says_whether_images_are_for_training():
    clean = from_the_mock("mnist", "label", "test")
    assert labels(tfds.pipeline("mnist", "test").dataset).tolist() == clean.tolist()
    shuffled = tfds.pipeline("mnist", "test", is_training=True).dataset
    assert labels(shuffled).tolist() != clean.tolist()
    assert labels(tfds.pipeline("mnist", "train[:50%]").dataset).tolist() != clean.tolist()


# Photographs, which are read from the disk


def streamed(name="food101", **options):
    return tfds.pipeline(name, **{**PHOTOGRAPHS, **options})


@pytest.mark.parametrize(
    ("name", "split", "num_classes"),
    [("food101", "train", 101), ("controlled_noisy_web_labels", "train_00", 100)],
)
def test_photographs(name, split, num_classes):
    train = streamed(name, split=split)
    assert (train.num_classes, train.num_samples, train.steps) == (num_classes, N, 4)
    assert train.dataset.cardinality() == 4  # otherwise Keras warns that the data ran out
    image, label = train.element_spec
    assert (image.shape.as_list(), image.dtype) == ([None, 8, 8, 3], tf.uint8)
    assert (label.shape.as_list(), label.dtype) == ([None], tf.int32)
    expected = from_the_mock(name, "label", split)
    epochs = [labels(train.dataset) for _ in range(2)]
    for found in epochs:
        assert Counter(found.tolist()) == Counter(expected.tolist())
    assert len({tuple(order) for order in [*epochs, expected]}) == 3
    in_order = streamed(name, split=split, is_training=False).dataset
    for _ in range(2):
        assert labels(in_order).tolist() == expected.tolist()


MATRIX = keras_noisy.noise.symmetric(101, rate=0.5)


@pytest.mark.parametrize("noise", ["matrix", "labels"])
def test_noise_follows_the_photographs(noise):
    clean = from_the_mock("food101", "label")
    noisy = keras_noisy.noise.corrupt(clean, MATRIX, seed=4)
    assert 0.2 < np.mean(noisy != clean) < 0.8
    given = {"noise": MATRIX if noise == "matrix" else noisy, "seed": 4}
    assert labels(streamed(**given, shuffle=False).dataset).tolist() == noisy.tolist()
    pairs = Counter(zip(clean.tolist(), noisy.tolist(), strict=True))
    for share in ({}, {"first_epoch": 3}):
        batches = list(streamed(**given, **share, keep_clean=True).dataset.as_numpy_iterator())
        found = [
            np.concatenate([y[key] for _, y in batches]).tolist() for key in ("clean", "noisy")
        ]
        assert Counter(zip(*found, strict=True)) == pairs


def test_order_is_a_function_of_seed_and_epoch():
    """Neither the global seed of TensorFlow nor the sum of seed and epoch decides."""
    orders = {}
    for global_seed in (0, 1):
        keras.utils.set_random_seed(global_seed)
        for seed in (0, 1):
            dataset = streamed(seed=seed).dataset
            for epoch in range(3):
                orders.setdefault((seed, epoch), set()).add(tuple(labels(dataset)))
    assert all(len(found) == 1 for found in orders.values())
    assert len(set.union(*orders.values())) == 6


def test_first_epoch_goes_on_where_an_interrupted_training_was():
    uninterrupted = streamed().dataset
    for epoch in range(3):
        resumed = streamed(first_epoch=epoch).dataset
        for (x, y), (other_x, other_y) in zip(uninterrupted, resumed, strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)


def test_workers_share_an_epoch():
    """Workers get equal numbers of samples in training, and all samples in evaluation."""
    num_workers = 4
    clean = from_the_mock("food101", "label")
    for is_training in (True, False):
        parts = [
            streamed(is_training=is_training, worker=worker, num_workers=num_workers)
            for worker in range(num_workers)
        ]
        found = [labels(part.dataset) for part in parts]
        assert [len(part) for part in found] == [part.num_samples for part in parts]
        counts = Counter(np.concatenate(found).tolist())
        assert counts <= Counter(clean.tolist())
        if is_training:
            assert {len(part) for part in found} == {N // num_workers}
        else:
            assert counts == Counter(clean.tolist())


def test_photographs_are_cut_anew_in_each_epoch():
    dataset = streamed(shuffle=False).dataset
    first, second = pixels(dataset), pixels(dataset)
    assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9
    evaluation = streamed(is_training=False).dataset
    np.testing.assert_array_equal(pixels(evaluation), pixels(evaluation))


def test_colours_change_unless_they_are_not_to():
    plain = streamed(shuffle=False, colour_jitter=False).dataset
    assert not np.array_equal(pixels(plain), pixels(streamed(shuffle=False).dataset))


# Messages


@pytest.mark.parametrize("argument", ["label_key", "image_key"])
def test_unknown_features(argument):
    allowed = f"`{argument}` must be a feature of food101, one of ['image', 'label']. "
    with pytest.raises(ValueError, match=re.escape(f"{allowed}Received: {argument}='worse_label'")):
        streamed(**{argument: "worse_label"})


@pytest.mark.parametrize(
    ("name", "argument", "key", "expected"),
    [
        ("imagenet2012", "label_key", "file_name", "one class for each image, one of ['label']. "),
        ("celeb_a", "label_key", "attributes", "one class for each image, one of []. "),
        ("coco", "label_key", "objects", "one class for each image, one of []. "),
        ("imagenet2012", "image_key", "file_name", "images, one of ['image']. "),
    ],
)
def test_features_of_other_kinds(name, argument, key, expected):
    start = (
        f"`{argument}` must be a feature of {name} with {expected}Received: {argument}={key!r}, "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(start)}which is [A-Z]"):
        tfds.pipeline(name, image_size=8, **{argument: key})


@pytest.mark.parametrize("options", [{}, {"image_size": 8}])
@pytest.mark.parametrize(("size", "expected"), [(0, "have samples"), (3, "have labels")])
def test_splits_without_samples_or_labels(options, size, expected):
    def as_dataset(self, **kwargs):
        images = tf.fill([size], "") if options else tf.zeros([size, 28, 28, 1], tf.uint8)
        features = {"image": images, "label": tf.fill([size], tf.constant(-1, tf.int64))}
        return tf.data.Dataset.from_tensor_slices(features)

    start = f"^`split` must {expected}\\. Received: split='test' of mnist"
    with (
        library.testing.mock_data(as_dataset_fn=as_dataset),
        pytest.raises(ValueError, match=start),
    ):
        tfds.pipeline("mnist", "test", **options)


def test_photographs_need_a_size():
    with pytest.raises(ValueError, match=r"^`image_size` must be an integer for food101, .*=None$"):
        tfds.pipeline("food101")


def test_splits_and_switches_are_checked():
    with pytest.raises(
        ValueError, match=r"`split` must be the name of a split\. Received: split=3"
    ):
        tfds.pipeline("food101", 3)
    with pytest.raises(ValueError, match="`colour_jitter` must be True or False"):
        tfds.pipeline("food101", image_size=8, colour_jitter="no")


@pytest.mark.parametrize("size", [0, -3, 2.5, "224", True])
def test_size_is_checked(size):
    expected = f"`image_size` must be an integer of at least 1. Received: image_size={size!r}"
    with pytest.raises(ValueError, match=re.escape(expected)):
        tfds.pipeline("food101", image_size=size)


@pytest.mark.parametrize(
    "noise", [np.eye(100), np.eye(102), np.zeros(N - 1, "int64"), np.full(N, 101), np.zeros(N)]
)
@pytest.mark.parametrize("name", ["food101", "cifar10_n"])
def test_noise_of_another_form_is_refused(name, noise):
    options = PHOTOGRAPHS if name == "food101" else {"label_key": "worse_label"}
    with pytest.raises(ValueError, match=r"^`noise` must be a transition matrix of "):
        tfds.pipeline(name, noise=noise, **options)


def test_missing_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[datasets\]"'):
        tfds.pipeline("mnist")


@pytest.mark.parametrize(
    ("name", "options"),
    [("cifar10_n:1.0.4", {"label_key": "worse_label"}), ("food101", {"image_size": 8})],
)
def test_missing_data_comes_with_instructions(name, options, no_network, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        tfds.pipeline(name, data_dir=tmp_path, **options)
    message = str(error.value)
    folder = tmp_path / name.split(":")[0]
    assert re.match(
        rf"{folder.name}/\S+ is not in {folder}/\S+ and could not be made there ", message
    )
    assert "(ConnectionError: no route to host)" in message
    command = f'import tensorflow_datasets as tfds; tfds.load("{name}", data_dir="{tmp_path}")'
    assert f"run\n  python -c '{command}'\n" in message
    assert "It downloads an unknown amount from https://" in message


def test_command_for_the_default_folder_names_none(no_network, monkeypatch, tmp_path):
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'tfds\.load\("mnist"\)'):
        tfds.pipeline("mnist")
