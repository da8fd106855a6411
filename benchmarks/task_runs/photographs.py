"""Drawn photographs in a folder for each class, read and augmented by our own pipeline."""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_noisy.datasets import image_folder
from task_runs.task import Batches, Data, MissingData

PER_CLASS = 30
SIZE = 96  # of the files
PIXELS = 48  # of the images that the network gets
# Corners of the outlines, in a square from -1 to 1.
CIRCLE = [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)]
STAR = [
    ((0.4 + 0.6 * (k % 2)) * np.sin(k * np.pi / 5), (0.4 + 0.6 * (k % 2)) * np.cos(k * np.pi / 5))
    for k in range(10)
]
CROSS = [(-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3), (0.3, 1), (-0.3, 1)]
CROSS += [(-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3)]
OUTLINES: dict[str, Sequence[tuple[float, float]]] = {
    "circle": CIRCLE,
    "cross": CROSS,
    "square": [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
    "star": STAR,
    "triangle": [(-0.9, 0.7), (0.9, 0.7), (0, -0.9)],
}
# Whether a pixel of the outline is painted, from its coordinates.
FILLS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "dotted": lambda x, y: (x % 16 < 9) & (y % 16 < 9),
    "flat": lambda x, y: np.ones_like(x, bool),
    "lying": lambda x, y: y % 16 < 8,
    "standing": lambda x, y: x % 16 < 8,
}


def find(folder: Path) -> None:
    """Checks that TensorFlow is there, which reads the files on every backend."""
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingData("the pipeline of image files needs TensorFlow, which is not installed")


def load(folder: Path) -> Data:
    """Draws the photographs if they are not there yet; returns them without augmentation."""
    root = draw_all(folder)
    (x, labels), (x_test, test_labels) = (read(root / split) for split in ("train", "test"))
    return Data(x, labels, x_test, test_labels, len(OUTLINES) * len(FILLS))


def read(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads all images in the order of their classes and paths."""
    batches = list(make_pipeline(root, "test", batch_size=100).dataset.as_numpy_iterator())
    x, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return x, labels


def make_pipeline(root: Path, split: str, **options: Any) -> Any:
    """Returns the pipeline of a folder."""
    bad_images = root.parent / "bad_images.csv"
    return image_folder.pipeline(root, split, image_size=PIXELS, bad_images=bad_images, **options)


def make_batches(
    folder: Path, data: Data, noisy_labels: np.ndarray, batch_size: int, seed: int
) -> Batches:
    """Returns batches with the default augmentation."""
    train = make_pipeline(
        draw_all(folder) / "train", "train", batch_size=batch_size, noise=noisy_labels, seed=seed
    )
    return Batches(train.dataset, train.steps)


def draw_all(folder: Path) -> Path:
    """Draws all files, unless they exist; returns their folder."""
    root = folder / "photographs"
    if not root.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            draw_files(Path(temporary) / "photographs")
            try:
                os.rename(Path(temporary) / "photographs", root)
            except OSError:  # another process was faster
                if not root.exists():
                    raise
    return root


def draw_files(root: Path) -> None:
    """Draws 30 training and 30 test photographs of each class."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for outline in OUTLINES:
            for fill in FILLS:
                place = root / split / f"{outline} {fill}"
                place.mkdir(parents=True)
                for number in range(PER_CLASS):
                    picture = draw(OUTLINES[outline], FILLS[fill], random)
                    picture.save(place / f"{number:02d}.jpg", quality=85)


def draw(
    outline: Sequence[tuple[float, float]],
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray],
    random: np.random.Generator,
) -> Any:
    """Draws a shape of any colour, size, place and direction before colours that vary slowly."""
    from PIL import Image, ImageDraw

    colours = random.integers(80, 176, (4, 4, 3), "uint8")
    ground = np.asarray(Image.fromarray(colours).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    angle = random.uniform(-0.3, 0.3)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    radius = random.uniform(0.32, 0.48) * SIZE
    centre = random.uniform(radius, SIZE - radius, 2)
    corners = np.asarray(outline) @ turn * radius + centre
    mask = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners.tolist()], fill=255)
    y, x = np.indices((SIZE, SIZE))
    across, down = np.tensordot(turn, np.stack([x - centre[0], y - centre[1]]), axes=1)
    painted = (np.asarray(mask) > 0) & fill(across + SIZE, down + SIZE)
    colour = np.where(random.random(3) < 0.5, 0, 255)  # differs from the ground
    pixels = np.where(painted[..., np.newaxis], colour, ground)
    pixels = pixels + random.normal(0, 12, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))
