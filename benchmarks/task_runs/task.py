"""What a classification task consists of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_noisy.datasets import ShuffledBatches

# Names of noise models with their rate, as `task_runs.noise.corrupt` reads them.
NOISES = ("none", "symmetric-0.4", "symmetric-0.6", "pair-0.3", "instance-0.4")


class MissingData(Exception):
    """The files of a task are not on this machine. The message says how to get them."""


class Data(NamedTuple):
    """The arrays of a task, with correct labels.

    Attributes:
        x: Training samples.
        labels: Their classes, integers.
        x_test: Test samples.
        test_labels: Their classes.
        num_classes: Number of classes.
    """

    x: np.ndarray
    labels: np.ndarray
    x_test: np.ndarray
    test_labels: np.ndarray
    num_classes: int


class Batches(NamedTuple):
    """The training samples as `fit` gets them.

    Attributes:
        dataset: First argument of `fit`, which shuffles by itself.
        steps: Number of batches in an epoch.
    """

    dataset: Any
    steps: int


def shuffle_batches(
    folder: Path, data: Data, noisy_labels: np.ndarray, batch_size: int, seed: int
) -> Batches:
    """Returns batches of the training arrays in a new order in each epoch."""
    batches = ShuffledBatches(data.x, noisy_labels, batch_size, seed=seed)
    return Batches(batches, len(batches))


def need_nothing(folder: Path) -> None:
    """Finds the files of tasks that are drawn, which have none."""


@dataclass(frozen=True)
class Task:
    """A classification task.

    Attributes:
        name: Name of the task.
        title: What readers of the report see.
        load: Loads the data. Its argument is the folder with the files of all tasks.
        network: Builds the network, which returns logits, for the data.
        epochs: Number of passes over the training samples.
        seconds: Approximate duration of a training on one core.
        find: Finds the files of `load`; raises `MissingData` if there are none.
        batch_size: Number of samples in a batch.
        noises: Names of the noises that are measured.
        batches: Makes the batches from the folder of `load`, the data, the noisy labels, the batch
            size and a seed.
        packages: Names of the packages with its files, as in `task_runs.fetch`.
    """

    name: str
    title: str
    load: Callable[[Path], Data]
    network: Callable[[Data], keras.Model]
    epochs: int
    seconds: float
    find: Callable[[Path], Any] = need_nothing
    batch_size: int = 128
    noises: tuple[str, ...] = NOISES
    batches: Callable[[Path, Data, np.ndarray, int, int], Batches] = shuffle_batches
    packages: tuple[str, ...] = ()


def find_file(folder: Path, path: str) -> Path:
    """Returns the path of a file that `tasks.py fetch` gets.

    Raises:
        MissingData: If there is no such file.
    """
    if not (folder / path).exists():
        raise MissingData(f"{folder / path} is missing; run `python benchmarks/tasks.py fetch`")
    return folder / path
