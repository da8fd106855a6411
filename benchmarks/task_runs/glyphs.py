"""Printed characters, which are drawn locally."""

from pathlib import Path

from keras_noisy import datasets
from task_runs.task import Data


def load(num_classes: int, train_per_class: int, test_per_class: int = 10) -> Data:
    """Draws images of characters, 28 x 28 pixels."""
    train, test = datasets.glyphs.load_data(
        num_classes, train_per_class, test_per_class=test_per_class, verbose=0
    )
    return Data(*train, *test, num_classes)


def load_100(folder: Path) -> Data:
    """Draws 96 training images of each of 100 characters."""
    return load(100, 96, 20)


def load_1000(folder: Path) -> Data:
    """Draws 28 training images of each of 1000 characters."""
    return load(1000, 28)


def load_smoke(folder: Path) -> Data:
    """Draws 10 training images of each of 20 characters."""
    return load(20, 10)
