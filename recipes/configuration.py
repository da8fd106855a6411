"""What a training is made of: one typed configuration, filled by the command line and by YAML files."""

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
    PositiveFloat,
    PositiveInt,
    restricted_number_type,
)

ManyClasses = restricted_number_type("ManyClasses", int, (">=", 2))
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])


@dataclass
class Data:
    """Data: what is learnt

    Args:
        name: Data set. "glyphs" are drawn; the others are read, and what is missing is said.
        classes: Number of classes of "glyphs" (2 to 2000) and of "image_list".
        images: Training images of each class of "glyphs".
        folder: Folder of "webvision", "image_folder" and "image_list"; data_dir of "tfds".
        subset: Training images of "webvision".
        ilsvrc12: Folder of the validation images of ILSVRC 2012, a second test set for "webvision".
        test_folder: Folder of the test images of "image_folder". null holds some of the training images out.
        validation_split: Share of them that is held out.
        train_list: File with a line "path label" for each training image of "image_list".
        test_list: The same for the test images.
        tfds_name: Name of the data set in the catalogue of TensorFlow Datasets.
        train_split: Its split to train on.
        test_split: Its split to test on.
        label_key: Its feature that holds the labels to train on.
        image_size: Height and width of photographs, which come in all sizes. null for "tfds" with small images.
        augment: Whether training images are changed at random, as the literature does for the data set.
        bad_images: CSV file of bad image files, as keras-noisy check-images writes it; more are added. null for
            one in the results.
        max_bad_share: Share of the image files that may turn out to be bad.
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
    classes: ManyClasses = 100  # type: ignore[valid-type]
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


@dataclass
class Noise:
    """Noise: wrong training labels, made from right ones

    Args:
        model: Which. "asymmetric" is what the literature does for the data set, "index_block" what it does for
            CIFAR-100; "pair_flip" takes the next class; "instance_dependent" needs images in memory.
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
        name: A loss of the package such as "gce", or a combination of the literature such as "nce+agce".
        arguments: Its hyperparameters, such as {q: 0.7}.
        published_for: Data set whose published hyperparameters it gets. null for the loss's defaults, and for
            a combination those of the data set that has about as many classes.
        logit_bias: "annealed" falls to 0 in training, "auto" is constant, "adaptive" is less for a sample that the
            network is sure of; or a number; or null for none.
        weight_penalty: L1 penalty of all weights, for "anl-ce".
    """

    name: str = "mae"
    arguments: dict[str, float | int | str] = field(default_factory=dict)
    published_for: Literal["mnist", "cifar10", "cifar100", "webvision"] | None = None
    logit_bias: float | Literal["annealed", "auto", "adaptive"] | None = "annealed"
    weight_penalty: NonNegativeFloat = 0.0


@dataclass
class Network:
    """Network

    Args:
        name: Which. "cifar_resnet…" begin without reducing the image, "resnet…" with reducing it by 4.
        library: Where the blocks of "resnet…" come from.
        arguments: More of the network's own, such as {hidden_units: 192} for "small_cnn".
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
class Optimizer:
    """Optimizer

    Args:
        name: Which.
        learning_rate: That of the first step, or after the warm-up.
        schedule: "cosine" falls to 0 at the last step; "exponential" is multiplied by decay after each epoch.
        decay: For the exponential schedule.
        warmup_epochs: Epochs in which the rate rises from 0.
        momentum: Of SGD.
        nesterov: Whether SGD looks ahead.
        weight_decay: As Keras counts it. That of PyTorch's SGD with momentum m is 1 - m times as large.
        clip_norm: Largest norm of the gradient of one weight; null for no limit.
        clip_global_norm: Largest norm of all gradients together; null for no limit.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: PositiveFloat = 0.1
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    decay: PositiveFloat = 0.97
    warmup_epochs: NonNegativeInt = 0
    momentum: ClosedUnitInterval = 0.9
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 1e-4
    clip_norm: PositiveFloat | None = 5.0
    clip_global_norm: PositiveFloat | None = None


@dataclass
class Hardware:
    """Devices: one, or several that share each batch

    Args:
        count: Devices of this machine; null for all GPUs, or one processor. Without a GPU, more than 1 cuts the
            processor into as many.
        class_shards: In how many parts the last layer is cut by classes, one for a device (JAX).
        coordinator: Address host:port of the first process (JAX).
        num_processes: Processes that train together, one for each machine (JAX).
        process: Which of them this is, counted from 0.
    """

    count: PositiveInt | None = None
    class_shards: PositiveInt = 1
    coordinator: str | None = None
    num_processes: PositiveInt = 1
    process: NonNegativeInt = 0


@dataclass
class Configuration:
    """Training

    Args:
        data: Data.
        noise: Noise.
        loss: Loss.
        network: Network.
        optimizer: Optimizer.
        devices: Devices.
        epochs: Passes over the training images.
        batch_size: Images in a batch, over all devices.
        steps_per_epoch: Batches in an epoch, to try things out; null for all.
        seed: Of the network, the noise, the order and the augmentation.
        precision: What to compute in; "auto" is mixed precision on a GPU that is made for it, else float32.
        jit: Whether to compile with XLA; "auto" is what suits the backend and the machine.
        deterministic: Whether the same seed gives the same weights, bit by bit, at the price of speed.
        tensorboard: Whether to write logs for TensorBoard, too.
        progress: A bar, a line an epoch, or none; "auto" is a bar on a terminal and lines elsewhere.
        results: Folder to write to. A training that was interrupted goes on there.
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

    def decides(self) -> dict[str, Any]:
        """What the outcome depends on: all but where it is computed, how it is shown, and the folder."""
        content = dataclasses.asdict(self)
        for name in ("devices", "tensorboard", "progress", "results"):
            del content[name]
        return content


class HelpFormatter(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Leaves the lines of a description as they are."""


class Parser(jsonargparse.ArgumentParser):
    """The command line of a dataclass, whose errors are one line."""

    settings: type

    @classmethod
    @functools.cache  # a table reads a thousand configurations
    def of(cls, settings: type, program: str, documentation: str | None) -> Parser:
        parser = cls(
            prog=program,
            usage=f"{program} [--config FILE] [--SETTING VALUE ...]",
            description=documentation,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        parser.settings = settings
        parser.add_argument(
            "--config", action="config", help="YAML file of settings; what follows it replaces them"
        )
        parser.add_class_arguments(settings)
        return parser

    def read(self, arguments: list[str] | None) -> Any:
        """What is set on the command line; exits with a message if that can't be."""
        found = vars(self.instantiate(self.parse_args(arguments)))
        return plain(self.settings(**{name: found[name] for name in found if name != "config"}))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


def plain(value: Any) -> Any:
    """The same, of plain numbers: the types that check them are foreign to Keras and to YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (each.name for each in dataclasses.fields(value))
        return type(value)(**{name: plain(getattr(value, name)) for name in names})
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    for kind in (int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind(value)
    return value


def read(
    program: str,
    documentation: str | None,
    arguments: list[str] | None,
    check: Callable[[Configuration], Any] = lambda configuration: None,
) -> Configuration:
    """The configuration of a command line; exits with a message if it is none.

    What else may be wrong with it, `check` says by a ValueError.
    """
    parser = Parser.of(Configuration, program, documentation)
    configuration = parser.read(arguments)
    if wrong := problem(configuration):
        parser.error(wrong)
    try:
        check(configuration)
    except ValueError as error:
        parser.error(str(error))
    return configuration


def problem(configuration: Configuration) -> str | None:
    """What is wrong with settings that are right one by one; None if nothing is."""
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
