"""The data sets that Keras downloads: read from files in the official formats, or missing."""

import gzip
import io
import pickle
import re
import struct
import tarfile
import urllib.error

import keras
import numpy as np
import pytest

from keras_noisy.datasets import (
    augmentation,
    cifar10,
    cifar100,
    fashion_mnist,
    glyphs,
    normalisation,
)
from keras_noisy.datasets._downloads import Download, load_or_explain
from keras_noisy.datasets._pipeline.seeded_augmentation import DATASETS, seeded_augmentation
from keras_noisy.datasets.augmentation import STATISTICS

pytestmark = pytest.mark.backend_free

tf = pytest.importorskip("tensorflow")

FASHION = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CIFAR = "https://www.cs.toronto.edu/~kriz/"
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


# Files of the official formats


def colours(start, n):
    """Returns a colour for each image that encodes its number."""
    number = np.arange(start, start + n)
    return np.stack([number % 256, number // 256, 255 - number % 256], axis=1).astype("uint8")


def batch_of_cifar(start, n, labels):
    """Returns a batch as in the archive: rows of 1,024 red, then green, then blue values."""
    return {
        b"data": np.repeat(colours(start, n), 1024, axis=1),
        **{key: values.tolist() for key, values in labels.items()},
        b"filenames": [b"image.png"] * n,
        b"batch_label": b"batch",
    }


def write_archive(path, contents):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in contents.items():
            data = pickle.dumps(content)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_cifar10(path):
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    write_archive(
        path,
        {
            f"cifar-10-batches-py/{name}": batch_of_cifar(
                10_000 * i, 10_000, {b"labels": (np.arange(10_000) + i) % 10}
            )
            for i, name in enumerate(names)
        },
    )


def write_cifar100(path):
    write_archive(
        path,
        {
            f"cifar-100-python/{name}": batch_of_cifar(
                start,
                n,
                {b"fine_labels": np.arange(n) % 100, b"coarse_labels": np.arange(n) % 20},
            )
            for name, start, n in (("train", 0, 50_000), ("test", 50_000, 10_000))
        },
    )


def write_fashion_mnist(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, n in (("train", 60_000), ("t10k", 10_000)):
        pixels = np.repeat(np.arange(n) % 251, 28 * 28).astype("uint8")
        files = {
            f"{name}-images-idx3-ubyte.gz": struct.pack(">IIII", 2051, n, 28, 28)
            + pixels.tobytes(),
            f"{name}-labels-idx1-ubyte.gz": struct.pack(">II", 2049, n)
            + (np.arange(n) % 10).astype("uint8").tobytes(),
        }
        for file, content in files.items():
            (folder / file).write_bytes(gzip.compress(content, 1))


def use_home(monkeypatch, path):
    """Sets the Keras home folder, which Keras reads on import, and messages when raised."""
    monkeypatch.setenv("KERAS_HOME", str(path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(path))


def block_network(monkeypatch, error):
    def urlretrieve(url, *args):
        raise error

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Returns a Keras home folder with all three data sets; turns off the checks of hashes."""
    path = tmp_path_factory.mktemp("keras")
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, path)
        block_network(patch, urllib.error.URLError("blocked"))
        patch.setattr("keras.src.utils.file_utils.validate_file", lambda *args, **kwargs: True)
        write_cifar10(path / "datasets" / "cifar-10-batches-py-target_archive")
        write_cifar100(path / "datasets" / "cifar-100-python-target_archive")
        write_fashion_mnist(path / "datasets" / "fashion-mnist")
        yield path


def first_batch(pipeline):
    return next(pipeline.dataset.as_numpy_iterator())


@pytest.mark.parametrize(
    ("module", "dtype"), [(cifar10, np.uint8), (cifar100, np.integer)], ids=["cifar10", "cifar100"]
)
def test_cifar(home, module, dtype):
    (x_train, y_train), (x_test, y_test) = module.load_data()
    assert (x_train.shape, x_test.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert (y_train.shape, y_test.shape) == ((50_000, 1), (10_000, 1))
    assert x_train.dtype == x_test.dtype == np.uint8
    assert np.issubdtype(y_train.dtype, dtype)
    num_classes = 10 if module is cifar10 else 100
    # Colours are in the right channels, and labels belong to their images.
    np.testing.assert_array_equal(x_train[:, 5, 7], colours(0, 50_000))
    np.testing.assert_array_equal(x_test[:, 31, 0], colours(50_000, 10_000))
    within = np.arange(50_000) % 10_000 + np.arange(50_000) // 10_000
    expected = within % 10 if module is cifar10 else np.arange(50_000) % 100
    np.testing.assert_array_equal(y_train[:, 0], expected)

    train = module.pipeline("train", seed=3)
    assert (train.num_classes, train.num_samples, train.steps) == (num_classes, 50_000, 391)
    assert train.element_spec[0].shape.as_list() == [None, 32, 32, 3]
    x, y = first_batch(train)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((128, 32, 32, 3), np.uint8, (128,), np.int32)
    numbers = np.random.default_rng([3, 0]).permutation(50_000)[:128]
    np.testing.assert_array_equal(y, expected[numbers])
    # The middle always shows the colour, and a black first row, a shift down.
    np.testing.assert_array_equal(x[:, 15, 15], colours(0, 50_000)[numbers])
    assert (x[:, 0] == 0).all(axis=2).any(axis=1).mean() > 0.3

    test = module.pipeline("test", batch_size=10_000)
    assert (test.num_samples, test.steps) == (10_000, 1)
    assert test.class_names == (CIFAR10_CLASSES if module is cifar10 else None)
    x, y = first_batch(test)
    np.testing.assert_array_equal(x, x_test)
    np.testing.assert_array_equal(y, y_test[:, 0])


def test_fashion_mnist(home):
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert (x_train.shape, x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (y_train.shape, y_test.shape) == ((60_000,), (10_000,))
    train = fashion_mnist.pipeline("train", noise=(y_train + 1) % 10, keep_clean=True)
    assert (train.num_classes, train.num_samples, train.steps) == (10, 60_000, 469)
    assert train.class_names[0] == "T-shirt/top"
    x, y = first_batch(train)
    numbers = np.random.default_rng([0, 0]).permutation(60_000)[:128]
    np.testing.assert_array_equal(
        x, np.broadcast_to(numbers[:, None, None, None] % 251, (128, 28, 28, 1))
    )
    np.testing.assert_array_equal(y["clean"], numbers % 10)
    np.testing.assert_array_equal(y["noisy"], (numbers + 1) % 10)
    x, y = first_batch(fashion_mnist.pipeline("test", batch_size=10_000))
    np.testing.assert_array_equal(x[..., 0], x_test)
    np.testing.assert_array_equal(y, y_test)


def test_glyphs(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (x_train, y_train), (x_test, y_test) = glyphs.load_data(5, 6, 3, verbose=0)
    for split, x_all, y_all in (("train", x_train, y_train), ("test", x_test, y_test)):
        pipeline = glyphs.pipeline(split, 5, 6, 3, shuffle=False)
        assert pipeline.class_names == tuple(glyphs.class_names(5))
        x, y = first_batch(pipeline)
        np.testing.assert_array_equal(x[..., 0], x_all)
        np.testing.assert_array_equal(y, y_all)
    shuffled = first_batch(glyphs.pipeline("train", 5, 6, 3))
    assert not np.array_equal(shuffled[1], y_train)
    assert sorted(image.tobytes() for image in shuffled[0]) == sorted(
        image.tobytes() for image in x_train
    )


@pytest.mark.parametrize("module", [cifar10, cifar100, fashion_mnist, glyphs])
def test_splits_and_options_are_checked_before_anything_is_loaded(module, monkeypatch):
    monkeypatch.setattr(module, "load_data", lambda *args, **kwargs: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=r"`split` must be 'train' or 'test'\. Received: split="):
        module.pipeline("val")
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        module.pipeline("train", batch_size=0)


# Missing files


def instructions(module):
    """Returns the message about a missing data set, and its files by URL."""
    with pytest.raises(FileNotFoundError) as error:
        module.load_data()
    message = str(error.value)
    return message, dict(re.findall(r"^  (https\S+)\n    to (\S+)$", message, re.MULTILINE))


@pytest.mark.parametrize(
    ("module", "name", "size", "origins"),
    [
        (cifar10, "CIFAR-10", "170 MB", [CIFAR + "cifar-10-python.tar.gz"]),
        (cifar100, "CIFAR-100", "169 MB", [CIFAR + "cifar-100-python.tar.gz"]),
        (
            fashion_mnist,
            "Fashion-MNIST",
            "31 MB",
            [
                f"{FASHION}{split}-{part}-ubyte.gz"
                for split in ("train", "t10k")
                for part in ("labels-idx1", "images-idx3")
            ],
        ),
    ],
    ids=["cifar10", "cifar100", "fashion_mnist"],
)
def test_missing_data_comes_with_instructions_that_work(
    module, name, size, origins, home, tmp_path, monkeypatch
):
    use_home(monkeypatch, tmp_path)
    message, target_of = instructions(module)
    assert message.startswith(f"{name} is not on this machine and could not be downloaded (")
    assert "blocked" in message
    assert f"fetch ({size} in all)\n" in message
    assert list(target_of) == origins
    for target in target_of.values():  # follow the instructions
        source = home / "datasets" / target.split("/datasets/")[1]
        (tmp_path / target).parent.mkdir(exist_ok=True)
        (tmp_path / target).hardlink_to(source)
    (x, _), _ = module.load_data()
    assert len(x) in (50_000, 60_000)


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route"),
        urllib.error.HTTPError("https://x", 404, "Not Found", None, None),
        ConnectionResetError("reset"),
        TimeoutError("timed out"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_failure_of_the_network_is_explained(error, tmp_path, monkeypatch):
    use_home(monkeypatch, tmp_path)
    block_network(monkeypatch, error)
    for pipeline in (cifar10.pipeline, cifar100.pipeline, fashion_mnist.pipeline):
        with pytest.raises(FileNotFoundError, match="Where there is a network, fetch"):
            pipeline("train")


def test_default_home_is_told_as_one_writes_it(tmp_path, monkeypatch):
    use_home(monkeypatch, tmp_path)
    block_network(monkeypatch, urllib.error.URLError("blocked"))
    monkeypatch.delenv("KERAS_HOME")
    _, target_of = instructions(cifar10)
    assert list(target_of.values()) == ["~/.keras/datasets/cifar-10-batches-py-target_archive"]


def test_other_errors_are_not_about_the_network():
    def load():
        raise ValueError("damaged archive")

    with pytest.raises(ValueError, match=r"^damaged archive$"):
        load_or_explain(load, Download("X", {}, "1 MB"))


# Normalisation


@pytest.mark.parametrize("dataset", sorted(STATISTICS))
def test_normalisation(dataset):
    mean, std = (np.array(values) for values in STATISTICS[dataset])
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, len(mean)), "uint8")
    expected = (pixels / 255 - mean) / std
    layer = normalisation(dataset)
    found = keras.ops.convert_to_numpy(layer(pixels))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(pixels)), found)


def test_statistics_are_those_of_the_literature():
    assert STATISTICS["cifar10"] == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    assert STATISTICS["cifar100"] == ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


@pytest.mark.parametrize("function", [normalisation, augmentation])
def test_data_sets_are_checked(function):
    with pytest.raises(
        ValueError, match=r"^`dataset` must be 'cifar10', .* or '\w+'\. Received: dataset='mnist'$"
    ):
        function("mnist")


# Augmentation, by layers and in pipelines


def by_layer(dataset):
    layer = augmentation(dataset, seed=1)
    return lambda x: keras.ops.convert_to_numpy(layer(x))


def by_layer_in_tf_data(dataset):
    layer = augmentation(dataset, seed=1)

    def augmented(x):
        (batch,) = tf.data.Dataset.from_tensors(x).map(layer)
        return batch.numpy()

    return augmented


def by_pipeline(dataset):
    function = seeded_augmentation(dataset)
    return lambda x: function(tf.constant(x), tf.constant([1, 2], tf.int64)).numpy()


WAYS = pytest.mark.parametrize("way", [by_layer, by_layer_in_tf_data, by_pipeline])
COUNT = 4000


def blocks(values, rows, columns):
    """Returns images with a block of 2 x 2 pixels of each value."""
    x = np.zeros((COUNT, 32, 32, 3), "uint8")
    for value, row, column in zip(values, rows, columns, strict=True):
        x[:, row : row + 2, column : column + 2] = value
    return x


def centre(x):
    """Returns the mean row and column of the pixels that are not black."""
    weight = x.astype("float64").sum(axis=3)
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    row, column = np.arange(32)[:, None], np.arange(32)
    return (weight * row).sum(axis=(1, 2)), (weight * column).sum(axis=(1, 2))


@WAYS
def test_cifar10_is_shifted_and_flipped(way):
    # The upper block, which is brighter, is on the left unless the image is flipped.
    x = way("cifar10")(blocks((250, 100), (10, 20), (8, 22)))
    assert x.shape == (COUNT, 32, 32, 3)
    # Shifts are whole pixels, so that no values are interpolated.
    assert set(np.unique(x)) == {0, 100, 250}
    assert np.all((x == 250).sum(axis=(1, 2, 3)) == 12)
    assert np.all((x == 100).sum(axis=(1, 2, 3)) == 12)
    top, bright = (
        (x == 250).any(axis=(2, 3)).argmax(axis=1),
        (x == 250).any(axis=(1, 3)).argmax(axis=1),
    )
    dark = (x == 100).any(axis=(1, 3)).argmax(axis=1)
    flipped = bright > dark
    down = top - 10
    right = np.where(flipped, bright - (30 - 8), bright - 8)
    for shift in (down, right):
        values, counts = np.unique(shift, return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        # All shifts are equally frequent, within 5 standard deviations.
        np.testing.assert_allclose(counts, COUNT / 9, atol=5 * np.sqrt(COUNT * 8 / 81))
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / np.sqrt(COUNT)
    correlations = np.corrcoef([down, right, flipped])[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(COUNT)


@WAYS
def test_border_is_black(way):
    x = way("cifar10")(np.full((200, 32, 32, 3), 77, "uint8"))
    assert set(np.unique(x)) == {0, 77}
    rows, columns = (x == 77).any(axis=(2, 3)).sum(axis=1), (x == 77).any(axis=(1, 3)).sum(axis=1)
    assert {rows.min(), rows.max(), columns.min(), columns.max()} == {28, 32}
    assert np.all((x == 77).all(axis=3).sum(axis=(1, 2)) == rows * columns)


@WAYS
def test_cifar100_is_rotated_too(way):
    """Rotations are up to 20 degrees, and independent of flips."""
    # Both calls draw the same numbers.
    left, right = (centre(way("cifar100")(blocks((255,), (15,), (column,)))) for column in (6, 24))
    flipped = left[1] > right[1]
    angle = np.degrees(np.arctan((right[0] - left[0]) / (right[1] - left[1])))
    middle = (left[0] + right[0]) / 2 - 15.5
    assert np.abs(angle).max() < 20.5
    assert np.abs(np.quantile(angle, [0.05, 0.95])).min() > 17
    assert abs(angle.mean()) < 5 * 12 / np.sqrt(COUNT)
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / np.sqrt(COUNT)
    # The point between the blocks moves by the shift, rotated around the centre.
    assert -6 < middle.min() < -4
    assert 4 < middle.max() < 6
    correlations = np.corrcoef([middle, angle, flipped])[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(COUNT)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_seed_decides(dataset):
    x = blocks((250, 100), (10, 20), (8, 22))[:50]
    function = seeded_augmentation(dataset)
    seeds = [(0, 0), (0, 1), (1, 0)]
    images = [function(x, tf.constant(seed, tf.int64)).numpy() for seed in seeds]
    np.testing.assert_array_equal(images[0], function(x, tf.constant(seeds[0], tf.int64)))
    layers = [keras.ops.convert_to_numpy(augmentation(dataset, seed)(x)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(layers[0], layers[1])
    different = [*images, layers[0], layers[2]]
    assert len({image.tobytes() for image in different}) == 5


def test_no_augmentation_for_images_without_colours():
    assert DATASETS == ("cifar10", "cifar100", "fashion_mnist", "glyphs")
    for dataset in ("fashion_mnist", "glyphs"):
        assert augmentation(dataset) is None
        assert seeded_augmentation(dataset) is None
