"""Reads and writes the list of bad images that training and `check-images` keep, a CSV file."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

_COLUMNS = ("path", "reason")


class BadImage(NamedTuple):
    """An image that can't be used for training.

    Attributes:
        path: Path of the image, as in the list; or `list:line`, for a line that can't be used.
        reason: Short description of what is wrong.
    """

    path: str
    reason: str


def read_bad_images(path: str | os.PathLike) -> list[BadImage]:
    """Reads a list of bad images, as `check-images` and trainings write it.

    Args:
        path: A CSV file with the columns `path` and `reason`.

    Returns:
        List of `BadImage` without duplicates; empty if there is no such file.

    Raises:
        ValueError: If the file has other columns.

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
    if not rows:  # a process was killed before it wrote anything
        return []
    if tuple(rows[0]) != _COLUMNS:
        raise ValueError(
            f"`path` must be a CSV file with the columns {', '.join(_COLUMNS)}. Received: "
            f"{os.fspath(path)}, which begins with {rows[0]}"
        )
    # A killed process may leave half a line; two processes that start a list, two headers.
    images = (row for row in rows if len(row) == len(_COLUMNS) and tuple(row) != _COLUMNS)
    return list(dict.fromkeys(BadImage(*row) for row in images))


def append_bad_images(path: str | os.PathLike, images: Iterable[BadImage]) -> None:
    """Appends images to a list, which is created if needed; writes nothing for no images."""
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
            if file.read(1) != b"\n":  # the last line is incomplete, or was written by hand
                text.write("\r\n")
        writer.writerows(images)
        # One write, because a process may be killed at any time and others may write as well.
        file.write(text.getvalue().encode(errors="surrogateescape"))


def format_bad_images(images: Sequence[BadImage], most: int = 3) -> str:
    """Formats the first few images for a message."""
    lines = [f"{image.path} ({image.reason})" for image in images[:most]]
    return "; ".join(lines) + ("; …" if len(images) > most else "")
