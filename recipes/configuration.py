"""The configuration of a training, read from the command line and from YAML files."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import jsonargparse
from jsonargparse.typing import (
    ClosedUnitInterval,
    NonNegativeFloat,
    NonNegativeInt,
    OpenUnitInterval,
    PositiveInt,
    restricted_number_type,
)
from optimizer import Optimizer

ClassCount = restricted_number_type("ClassCount", int, (">=", 2))
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])

# The docstrings below are the command line's help, and their first lines are its headings.


@dataclass
class Data:
    """Data

    Args:
        name: Name of the data set. "glyphs" are drawn; the others are read, and an error says what
            is missing.
        classes: Number of classes of "glyphs" (2 to 2000) and of "image_list".
        images: Number of training images per class of "glyphs".
        folder: Folder of "webvision", "image_folder" and "image_list"; data_dir of "tfds".
        subset: Training images of "webvision".
        ilsvrc12: Folder of the validation images of ILSVRC 2012, a second test set for "webvision".
        test_folder: Folder of the test images of "image_folder". null holds out some of the
            training images instead.
        validation_split: Share of the training images of "image_folder" that is held out.
        train_list: File with a line "path label" for each training image of "image_list".
        test_list: File with a line "path label" for each test image of "image_list".
        tfds_name: Name of the data set in the catalogue of TensorFlow Datasets.
        train_split: Split of "tfds" to train on.
        test_split: Split of "tfds" to test on.
        label_key: Feature of "tfds" that holds the training labels.
        image_size: Height and width to which photographs are brought. null keeps those of "tfds",
            for data sets of small images.
        augment: Whether to augment training images, as the literature does for the data set.
        bad_images: CSV file that lists bad image files, as keras-noisy check-images writes it;
            newly found ones are added. null for a file in the results folder.
        max_bad_share: Maximum share of bad image files.
        max_bad_files: Number of bad image files that is allowed even if it is more than
            max_bad_share, unless it is more than half of all.
    """

    name: Literal[
        "glyphs",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "tfds",
        "image_folder",
        "image_list",
        "webvision",
    ] = "glyphs"
    classes: ClassCount = 100  # type: ignore[valid-type]
    images: PositiveInt = 60
    folder: str | None = None
    subset: Literal["mini", "google", "flickr", "all"] = "mini"
    ilsvrc12: str | None = None
    test_folder: str | None = None
    validation_split: OpenUnitInterval = 0.1
    train_list: str | None = None
    test_list: str | None = None
    tfds_name: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    label_key: str = "label"
    image_size: PositiveInt | None = 224
    augment: bool = True
    bad_images: str | None = None
    max_bad_share: ClosedUnitInterval = 0.01
    max_bad_files: NonNegativeInt = 10


@dataclass
class Noise:
    """Label noise

    Args:
        model: Noise model. "asymmetric" is the one of the literature for the data set, and
            "index_block" the one for CIFAR-100; "pair_flip" replaces a label by the next class;
            "instance_dependent" needs images in memory.
        rate: Share of wrong labels.
    """

    model: Literal[
        "none", "symmetric", "pair_flip", "asymmetric", "index_block", "instance_dependent"
    ] = "symmetric"
    rate: ClosedUnitInterval = 0.4


@dataclass
class Loss:
    """Loss

    Args:
        name: Loss of the package, such as "gce"; combination of the literature, such as
            "nce+agce"; or a loss of your own, such as "my_module:PowerError", whose module is
            in the working folder or installed.
        arguments: Hyperparameters of the loss, such as {q: 0.7}.
        published_for: Data set whose published hyperparameters to use. null for the defaults of the
            loss; for a combination null means the data set with a similar number of classes.
        logit_bias: "classwise" falls for each class as it is learnt, "annealed" falls to 0 during
            the training, "auto" is constant, "adaptive" is smaller for samples of which the network
            is certain; or a number; or null for no bias.
        weight_penalty: L1 penalty of all weights, for "anl-ce", "anl-fl" and "jal-ce".
    """

    name: str = "mae"
    arguments: dict[str, float | int | str] = field(default_factory=dict)
    published_for: Literal["mnist", "cifar10", "cifar100", "webvision"] | None = None
    logit_bias: float | Literal["classwise", "annealed", "auto", "adaptive"] | None = "classwise"
    weight_penalty: NonNegativeFloat = 0.0


@dataclass
class Network:
    """Network

    Args:
        name: Name of the network. The first layers of "cifar_resnet…" keep the size of the image,
            those of "resnet…" divide it by 4.
        library: Library that provides the blocks of "resnet…".
        arguments: Further arguments of the network, such as {hidden_units: 192} for "small_cnn".
    """

    name: Literal[
        "small_cnn",
        "mlp1024",
        "cnn8",
        "cifar_resnet18",
        "cifar_resnet34",
        "cifar_resnet50",
        "resnet18",
        "resnet34",
        "resnet50",
    ] = "small_cnn"
    library: Literal["keras_cv", "keras_hub"] = "keras_cv"
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass
class Hardware:
    """Devices

    Args:
        count: Number of devices of this process that share each batch; null for all GPUs, or for
            one CPU. Without a GPU, a number above 1 splits the CPU into as many devices. It is 1 on
            PyTorch, where torchrun starts a process for each device.
        class_shards: Number of parts into which the last layer is split by classes, each on a
            device of its own (JAX).
        coordinator: Address host:port of the first process (JAX, or PyTorch without torchrun).
        num_processes: Number of processes that train together (JAX, or PyTorch without torchrun).
        process: Index of this process, counted from 0.
    """

    count: PositiveInt | None = None
    class_shards: PositiveInt = 1
    coordinator: str | None = None
    num_processes: PositiveInt = 1
    process: NonNegativeInt = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, of those that torchrun starts, too."""
        return self.process == int(os.environ.get("RANK", "0")) == 0


@dataclass
class Configuration:
    """Training

    Args:
        data: Data.
        noise: Label noise.
        loss: Loss.
        network: Network.
        optimizer: Optimizer.
        devices: Devices.
        epochs: Number of passes over the training images.
        batch_size: Number of images in a batch, over all devices.
        steps_per_epoch: Number of batches in an epoch, for trials; null for all.
        seed: Seed of the network, the noise, the order of the images and the augmentation.
        precision: Dtype policy; "auto" is mixed precision on a GPU that supports it well, else
            float32.
        jit: Whether to compile with XLA; "auto" lets Keras choose for the backend and the machine.
        deterministic: Whether the same seed gives exactly the same weights, at the price of speed.
        tensorboard: Whether to also write logs for TensorBoard.
        progress: Progress bar, one line per epoch, or nothing; "auto" is a bar on a terminal and
            lines elsewhere.
        results: Folder to write to. An interrupted training continues there.
    """

    data: Data = field(default_factory=Data)
    noise: Noise = field(default_factory=Noise)
    loss: Loss = field(default_factory=Loss)
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)
    devices: Hardware = field(default_factory=Hardware)
    epochs: PositiveInt = 25
    batch_size: PositiveInt = 128
    steps_per_epoch: PositiveInt | None = None
    seed: Seed = 0  # type: ignore[valid-type]
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    jit: Literal["auto"] | bool = "auto"
    deterministic: bool = False
    tensorboard: bool = False
    progress: Literal["auto", "bar", "lines", "none"] = "auto"
    results: str = "results/train"

    def outcome_settings(self) -> dict[str, Any]:
        """Returns the settings that determine the outcome of the training.

        These are all but the devices, the kinds of output and the results folder.
        """
        settings = dataclasses.asdict(self)
        for name in ("devices", "tensorboard", "progress", "results"):
            del settings[name]
        return settings


class HelpFormatter(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Help formatter that keeps the line breaks of the description."""


class Parser(jsonargparse.ArgumentParser):
    """Parser that fills a dataclass from the command line, and whose errors are a single line."""

    settings: type

    @classmethod
    @functools.cache  # because a table reads a thousand configurations
    def for_dataclass(cls, settings: type, program: str, documentation: str | None) -> Parser:
        """Creates the parser of a dataclass, with an option for each field."""
        parser = cls(
            prog=program,
            usage=f"{program} [--config FILE] [--SETTING VALUE ...]",
            description=documentation,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        parser.settings = settings
        parser.add_argument(
            "--config", action="config", help="YAML file of settings; later arguments override them"
        )
        parser.add_class_arguments(settings)
        return parser

    def read(self, arguments: list[str] | None) -> Any:
        """Returns the dataclass filled from the command line; exits with a message on bad input."""
        found = vars(self.instantiate(self.parse_args(arguments)))
        settings = {name: found[name] for name in found if name != "config"}
        return to_plain_numbers(self.settings(**settings))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


def to_plain_numbers(value: Any) -> Any:
    """Converts all numbers in a value to `int` and `float`.

    The number types of jsonargparse check their range, but neither Keras nor YAML knows them.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (each.name for each in dataclasses.fields(value))
        return type(value)(**{name: to_plain_numbers(getattr(value, name)) for name in names})
    if isinstance(value, dict):
        return {key: to_plain_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [to_plain_numbers(each) for each in value]
    for kind in (int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind(value)
    return value


def read_configuration(
    program: str,
    documentation: str | None,
    arguments: list[str] | None,
    check: Callable[[Configuration], Any] = lambda configuration: None,
) -> Configuration:
    """Reads a configuration from the command line; exits with a message on bad input.

    Args:
        program: Name of the script.
        documentation: Docstring of the script, for its help.
        arguments: Arguments of the command line, or `None` for those of this process.
        check: Further check of the configuration, which raises a `ValueError`.
    """
    parser = Parser.for_dataclass(Configuration, program, documentation)
    configuration = parser.read(arguments)
    if problem := find_problem(configuration):
        parser.error(problem)
    try:
        check(configuration)
    except ValueError as error:
        parser.error(str(error))
    return configuration


def find_problem(configuration: Configuration) -> str | None:
    """Describes settings that do not fit together; returns None if all do."""
    data = configuration.data
    needed = {
        "webvision": ["folder", "image_size"],
        "image_folder": ["folder", "image_size"],
        "image_list": ["folder", "train_list", "test_list", "image_size"],
        "tfds": ["tfds_name"],
    }
    for name in needed.get(data.name, []):
        if getattr(data, name) is None:
            return f'data.{name} must be given for data.name "{data.name}". Received: null'
    if data.name == "glyphs" and data.classes > 2000:
        return f'data.classes must be from 2 to 2000 for "glyphs". Received: {data.classes}'
    small = ("fashion_mnist", "cifar10", "cifar100")
    if configuration.noise.model == "asymmetric" and data.name not in small:
        return f'noise.model "asymmetric" is not defined for "{data.name}"; there is "pair_flip"'
    if configuration.noise.model == "index_block" and data.name != "cifar100":
        return f'noise.model "index_block" is defined for "cifar100". Received: "{data.name}"'
    in_memory = ("glyphs", *small)
    if configuration.noise.model == "instance_dependent" and data.name not in in_memory:
        return f'noise.model "instance_dependent" needs images in memory. Received: "{data.name}"'
    results = Path(configuration.results)
    existing = next(
        path for path in (results, *results.absolute().parents) if os.path.lexists(path)
    )
    if not existing.is_dir():
        return f"results must be a folder. Received: {configuration.results}"
    return None
