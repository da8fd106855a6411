"""Lists of image files and their labels, as WebVision has them: a line for each, `path label`."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_classes

# How the names of images end.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_BOM = b"\xef\xbb\xbf"  # what some editors on Windows begin a file with


class BadImage(NamedTuple):
    """An image that can't be trained on.

    Attributes:
        path: That of the image, as the list has it; or `list:line`, for a line that names none.
        reason: Why not, in words.
    """

    path: str
    reason: str


class FileList(NamedTuple):
    """Images and their labels.

    Attributes:
        paths: Bytes, relative to the folder of the images.
        labels: `int32` array of the same length.
        bad: Lines of the list that can't be used.
    """

    paths: list[bytes]
    labels: NDArray[np.int32]
    bad: list[BadImage]


def read_file_list(path: str | os.PathLike, num_classes: int, prefix: str = "") -> FileList:
    """Reads a list of images and labels; what is wrong with it is told, and left out.

    A line is a path and, after white space, the label; the path may hold spaces itself. Windows line ends,
    empty lines and a byte-order mark don't matter. A line without a label, with a label outside
    [0, num_classes), or with a path that an earlier line has, is left out.

    Args:
        path: The list.
        num_classes: Number of classes, at least 2.
        prefix: What to put before each path, such as `"val_images_256/"`.

    Returns:
        A `FileList`, in the order of the lines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no usable line, or if `num_classes` is out of its range.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_noisy.datasets import read_file_list
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "list.txt"
    ...     _ = file.write_text("google/q1/a cat.jpg 3\\ngoogle/q1/dog.jpg 1200\\n")
    ...     found = read_file_list(file, num_classes=1000)
    >>> found.paths, found.labels.tolist()
    ([b'google/q1/a cat.jpg'], [3])
    >>> found.bad[0].reason
    'google/q1/dog.jpg: label 1200 is not in [0, 1000)'
    """
    num_classes = check_classes("num_classes", num_classes)
    label_of: dict[bytes, int] = {}
    bad: list[BadImage] = []

    def leave_out(number: int, name: bytes, reason: str) -> None:
        where = f"{os.fspath(path)}:{number}"
        bad.append(BadImage(where, f"{name.decode(errors='replace')}: {reason}"))

    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix(_BOM).strip()
            if not line:
                continue
            name, *words = line.rsplit(maxsplit=1)
            if not words or not words[0].removeprefix(b"-").isdigit():
                leave_out(number, line, "no label")
            elif not 0 <= (label := int(words[0])) < num_classes:
                leave_out(number, name, f"label {label} is not in [0, {num_classes})")
            elif name in label_of:
                leave_out(number, name, f"again, with label {label}; {label_of[name]} came first")
            else:
                label_of[name] = label
    if not label_of:
        raise ValueError(
            f"`path` must be a list with a line `path label` for each image. Received: {os.fspath(path)}, "
            f"{len(bad)} lines, none of them usable"
        )
    labels = np.fromiter(label_of.values(), "int32", len(label_of))
    start = prefix.encode()
    return FileList([start + name for name in label_of], labels, bad)


def images_in(folder: Path) -> list[str]:
    """The files at any depth that are images by their names: sorted paths below the folder, with `/`."""
    found = (
        os.path.relpath(os.path.join(above, name), folder).replace(os.sep, "/")
        for above, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    )
    return sorted(found)
