"""Emoji as different vendors draw them."""

import json
from pathlib import Path

import numpy as np

from task_runs.task import Data, find_file

PACKAGES = (
    *(f"emoji-datasource-{vendor}-16" for vendor in ("apple", "google", "twitter", "facebook")),
    "emoji-datasource-google-3",  # the drawings before 2018, which are others
    "emoji-datasource-emojione-4",
)
# The folders with the pictures of 64 x 64 pixels.
PICTURES = [f"{package}/package/img/{package.split('-')[2]}/64" for package in PACKAGES]
LIST = f"{PACKAGES[0]}/package/emoji.json"
LEFT_OUT = ("Flags", "Symbols", "Component")  # all vendors draw them alike
COPIES = 4
PIXELS = 32
MAX_SHIFT, MAX_DEGREES = 8, 20  # an eighth of the picture, as for CIFAR


def find(folder: Path) -> list[Path]:
    """Finds the folders with the pictures of the vendors."""
    return [find_file(folder, pictures) for pictures in PICTURES]


def load(folder: Path) -> Data:
    """Reads the emoji that all six vendors have.

    The test picture of an emoji is that of one vendor, which is drawn at random. The training
    pictures are four copies of those of the other five, which are shifted, flipped and rotated at
    random, as the literature does for CIFAR-100.
    """
    emoji = json.loads(find_file(folder, LIST).read_text(encoding="utf-8"))
    folders = find(folder)
    random = np.random.default_rng(0)
    x, x_test = [], []
    for each in emoji:
        found = [find_picture(pictures, each) for pictures in folders]
        paths = [path for path in found if path is not None]
        if each["category"] in LEFT_OUT or len(paths) < len(folders):
            continue
        test = random.integers(len(paths))
        for index, path in enumerate(paths):
            if index == test:
                x_test.append(read_picture(path))
            else:
                x.extend(read_picture(path, random) for _ in range(COPIES))
    labels = np.arange(len(x_test), dtype="int32")
    copies = COPIES * (len(folders) - 1)
    return Data(np.stack(x), labels.repeat(copies), np.stack(x_test), labels, len(labels))


def find_picture(folder: Path, emoji: dict) -> Path | None:
    """Finds the picture of an emoji, which earlier versions call by another name."""
    names = [emoji["image"], f"{(emoji['non_qualified'] or '').lower()}.png"]
    names.append(emoji["image"].replace("-fe0f", ""))
    return next((folder / name for name in names if (folder / name).exists()), None)


def read_picture(path: Path, random: np.random.Generator | None = None) -> np.ndarray:
    """Reads a picture on a white ground, as 32 x 32 pixels; augments it if `random` is given."""
    from PIL import Image

    with Image.open(path) as file:
        picture = file.convert("RGBA")
    canvas = Image.new("RGBA", picture.size, "white")
    canvas.alpha_composite(picture)
    picture = canvas.convert("RGB")
    if random is not None:
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture = picture.rotate(
            random.uniform(-MAX_DEGREES, MAX_DEGREES),
            Image.Resampling.BILINEAR,
            translate=tuple(random.integers(-MAX_SHIFT, MAX_SHIFT + 1, 2).tolist()),
            fillcolor="white",
        )
    return np.asarray(picture.resize((PIXELS, PIXELS), Image.Resampling.BOX))
