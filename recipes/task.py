"""The data of a training: batches of images with noisy labels, and their properties."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration import Configuration

from keras_noisy import datasets, noise
from keras_noisy.training import Devices

IN_MEMORY = {
    "fashion_mnist": datasets.fashion_mnist,
    "cifar10": datasets.cifar10,
    "cifar100": datasets.cifar100,
}


@dataclass
class Task:
    """The data that `fit` gets, and their properties.

    Attributes:
        train: Batches of training images with noisy labels.
        test: Batches of test images with the labels of the data set.
        tests: Further test sets, by name.
        steps: Number of batches in an epoch.
        num_classes: Number of classes.
        shape: Shape of an image.
        monitored: Training images with noisy and true labels, for `LabelNoiseMonitor`; None if the
            true labels are not known.
    """

    train: Any
    test: Any
    tests: dict[str, Any]
    steps: int
    num_classes: int
    shape: tuple[int, ...]
    monitored: Any


def load_task(configuration: Configuration, devices: Devices, first_epoch: int) -> Task:
    """Loads the data of a training; the order of batches begins with that of `first_epoch`."""
    options = devices.batch_options(configuration.batch_size)
    if configuration.data.name == "glyphs":
        task = load_glyphs(configuration, options, first_epoch)
    else:
        task = load_pipelines(configuration, options, first_epoch)
    shards = configuration.devices.class_shards
    if task.num_classes % shards:
        raise ValueError(
            f"`devices.class_shards` must divide the number of classes, {task.num_classes}. "
            f"Received: {shards}"
        )
    return task


def load_glyphs(configuration: Configuration, options: dict[str, Any], first_epoch: int) -> Task:
    """Loads images of glyphs, as arrays."""
    data = configuration.data
    (x, labels), (x_test, test_labels) = datasets.glyphs.load_data(
        data.classes, data.images, test_per_class=10, verbose=0
    )
    noisy = corrupt_labels(configuration, x, labels, data.classes)
    used = slice(None)
    if configuration.steps_per_epoch is not None:
        used = slice(configuration.steps_per_epoch * configuration.batch_size)
    train = datasets.ShuffledBatches(
        x[used], noisy[used], seed=configuration.seed, first_epoch=first_epoch, **options
    )
    test = datasets.ShuffledBatches(x_test, test_labels, shuffle=False, **options)
    monitored = None if noisy is labels else (x, noisy, labels)
    return Task(train, test, {}, len(train), data.classes, x.shape[1:], monitored)


def load_pipelines(configuration: Configuration, options: dict[str, Any], first_epoch: int) -> Task:
    """Loads all other data sets, as pipelines of tf.data."""
    data = configuration.data
    source, splits = choose_source(configuration)
    labels: Any = None
    if data.name in IN_MEMORY and configuration.noise.model != "none":
        x, labels = IN_MEMORY[data.name].load_data()[0]
        labels = corrupt_labels(
            configuration, x, labels.ravel(), 100 if data.name == "cifar100" else 10
        )
    elif configuration.noise.model != "none":
        labels = transition_matrix(configuration, source(splits[0]).num_classes)
    shared: dict[str, Any] = {"seed": configuration.seed, "noise": labels}
    train = source(splits[0], augment=data.augment, first_epoch=first_epoch, **shared, **options)
    tests = {name: source(name, **options).dataset for name in splits[1:]}
    monitored = None
    if labels is not None or data.tfds_name in ("cifar10_n", "cifar100_n"):
        unchanged = {"shuffle": False, "augment": False, "keep_clean": True}
        monitored = source(splits[0], batch_size=256, **unchanged, **shared).dataset
    shape = tuple(train.element_spec[0].shape[1:])
    test = tests.pop(splits[1])
    if configuration.steps_per_epoch is not None:
        train = train.take(configuration.steps_per_epoch)
    return Task(train.dataset, test, tests, train.steps, train.num_classes, shape, monitored)


def choose_source(configuration: Configuration) -> tuple[Callable[..., Any], list[str]]:
    """Chooses the data set.

    Returns:
        A function from the name of a split, and options, to a pipeline; and the names of the
        splits, the first one for training and the others for tests.
    """
    data = configuration.data
    photographs: dict[str, Any] = {
        "image_size": data.image_size,
        "max_bad_share": data.max_bad_share,
        "max_bad_files": data.max_bad_files,
        "bad_images": data.bad_images or Path(configuration.results) / "bad_images.csv",
    }
    if data.name in IN_MEMORY:
        return IN_MEMORY[data.name].pipeline, ["train", "test"]
    folder = data.folder or ""
    if data.name == "tfds":
        train, test = data.train_split, data.test_split

        def read_tfds(split: str, **options: Any) -> datasets.Pipeline:
            options |= {"image_size": data.image_size, "data_dir": data.folder}
            options |= {"label_key": data.label_key} if split == train else {}
            name = data.tfds_name or ""
            return datasets.tfds.pipeline(name, split, is_training=split == train, **options)

        return read_tfds, [train, test]
    if data.name == "image_folder":
        names = datasets.image_folder.list_classes(folder)

        def read_folder(split: str, **options: Any) -> datasets.Pipeline:
            root = (data.test_folder or "") if split == "test" else folder
            share = 0.0 if data.test_folder else data.validation_split
            options |= {**photographs, "validation_split": share, "class_names": names}
            return datasets.image_folder.pipeline(root, split, **options)

        return read_folder, ["train", "test" if data.test_folder else "validation"]
    if data.name == "image_list":
        lists = {"train": data.train_list or "", "test": data.test_list or ""}

        def read_list(split: str, **options: Any) -> datasets.Pipeline:
            options |= {**photographs, "is_training": split == "train"}
            return datasets.image_list.pipeline(folder, lists[split], data.classes, **options)

        return read_list, ["train", "test"]

    def read_webvision(split: str, **options: Any) -> datasets.Pipeline:
        options |= {**photographs, "ilsvrc12": data.ilsvrc12}
        return datasets.webvision.pipeline(folder, split, data.subset, **options)

    return read_webvision, ["train", "val", *(["ilsvrc12"] if data.ilsvrc12 else [])]


def corrupt_labels(configuration: Configuration, x: Any, labels: Any, num_classes: int) -> Any:
    """Returns the labels to train on, which are the given ones if there is no noise."""
    rate, seed = configuration.noise.rate, configuration.seed
    if configuration.noise.model == "none" or rate == 0.0:
        return labels
    if configuration.noise.model == "instance_dependent":
        pixels = x.reshape(*x.shape[:3], -1).astype("float32")
        pixels -= pixels.mean(axis=(0, 1, 2))
        pixels /= pixels.std(axis=(0, 1, 2))
        return noise.instance_dependent(pixels, labels, num_classes, rate, seed=seed)
    return noise.corrupt(labels, transition_matrix(configuration, num_classes), seed=seed)


def transition_matrix(configuration: Configuration, num_classes: int) -> Any:
    """Returns the transition matrix of the configured noise."""
    rate = configuration.noise.rate
    if configuration.noise.model == "symmetric":
        return noise.symmetric(num_classes, rate)
    if configuration.noise.model == "pair_flip":
        return noise.pair_flip(num_classes, rate)
    if configuration.noise.model == "index_block":
        return noise.index_block(rate)
    return noise.asymmetric(configuration.data.name, rate)
