"""Image files that can't be trained on: why, and the list that training and `check-images` keep."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_noisy.datasets.file_list import BadImage
from keras_noisy.datasets.image_decoding import decode_whole
from keras_noisy.datasets.pipeline import require_tf

_COLUMNS = ("path", "reason")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF")


def inspect_image(path: str | os.PathLike) -> str | None:
    """What is wrong with an image file.

    Args:
        path: The file.

    Returns:
        A short reason, or `None` if all of it can be decoded: a JPEG, greyscale and CMYK ones included, a
        PNG, a GIF, a BMP or a WebP, whatever its name says.

    Raises:
        ImportError: If TensorFlow is not installed.

    Example:

    >>> from keras_noisy.datasets import inspect_image
    >>> inspect_image("no_such_folder/image.jpg")
    'missing'
    """
    tf = require_tf()
    try:
        contents = Path(path).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    if not contents:
        return "empty"
    if contents[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    if not contents.startswith(_MAGIC):
        return "not an image"
    try:
        image = decode_whole(contents)
    except tf.errors.InvalidArgumentError:
        return "truncated or damaged"
    return None if min(image.shape[:2]) > 0 else "an image without pixels"


def read_bad_images(path: str | os.PathLike) -> list[BadImage]:
    """Reads a list of bad images, as `check-images` and trainings write it; none if it is not there.

    Args:
        path: A CSV file with the columns `path` and `reason`.

    Returns:
        List of `BadImage`, each once.

    Raises:
        ValueError: If the file is of another kind.

    Example:

    >>> from keras_noisy.datasets import read_bad_images
    >>> read_bad_images("no_such_list.csv")
    []
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return []
    if not rows:  # a process was killed before it had written anything
        return []
    if tuple(rows[0]) != _COLUMNS:
        raise ValueError(
            f"`path` must be a CSV file with the columns {', '.join(_COLUMNS)}. Received: "
            f"{os.fspath(path)}, which begins with {rows[0]}"
        )
    # A process that was killed may have left half a line; two that began the list, two headers.
    images = (row for row in rows if len(row) == len(_COLUMNS) and tuple(row) != _COLUMNS)
    return list(dict.fromkeys(BadImage(*row) for row in images))


def append_bad_images(path: str | os.PathLike, images: Iterable[BadImage]) -> None:
    """Adds images to a list, which it begins if there is none; nothing is written for no images."""
    images = list(images)
    if not images:
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text)
    with open(path, "a+b") as file:
        if file.tell() == 0:
            writer.writerow(_COLUMNS)
        else:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a line that somebody wrote, or half a line
                text.write("\r\n")
        writer.writerows(images)
        # All at once: a process that is killed leaves no half of it, others may write to the same list.
        file.write(text.getvalue().encode(errors="surrogateescape"))


def shown(images: Sequence[BadImage], most: int = 3) -> str:
    """A few of them, for a message."""
    lines = [f"{image.path} ({image.reason})" for image in images[:most]]
    return "; ".join(lines) + ("; …" if len(images) > most else "")
