"""Reads lists of image files and labels, as WebVision has them: a line `path label` for each."""

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_classes
from keras_noisy.datasets._image_files.bad_images import BadImage

_BOM = b"\xef\xbb\xbf"  # the byte-order mark that some editors on Windows write


class FileList(NamedTuple):
    """A list of image files and their labels.

    Attributes:
        paths: Bytes, relative to the folder of the images.
        labels: `int32` array of the same length.
        bad: Lines of the list that can't be used.
    """

    paths: list[bytes]
    labels: NDArray[np.int32]
    bad: list[BadImage]


def read_file_list(path: str | os.PathLike, num_classes: int, prefix: str = "") -> FileList:
    """Reads a list of images and labels; reports and skips the lines that can't be used.

    A line is a path and, after white space, the label; the path may contain spaces. Windows line
    ends, empty lines and a byte-order mark are accepted. A line is skipped if it has no label, if
    its label is outside [0, num_classes), or if an earlier line has the same path.

    Args:
        path: The list.
        num_classes: Number of classes, at least 2.
        prefix: String to put before each path, such as `"val_images_256/"`. Defaults to `""`.

    Returns:
        A `FileList`, in the order of the lines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If no line can be used, or if `num_classes` is out of its range.

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
    labels_by_path: dict[bytes, int] = {}
    bad: list[BadImage] = []

    def skip(number: int, name: bytes, reason: str) -> None:
        line = f"{os.fspath(path)}:{number}"
        bad.append(BadImage(line, f"{name.decode(errors='replace')}: {reason}"))

    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix(_BOM).strip()
            if not line:
                continue
            name, *words = line.rsplit(maxsplit=1)
            if not words or not words[0].removeprefix(b"-").isdigit():
                skip(number, line, "no label")
            elif not 0 <= (label := int(words[0])) < num_classes:
                skip(number, name, f"label {label} is not in [0, {num_classes})")
            elif name in labels_by_path:
                first = labels_by_path[name]
                skip(number, name, f"repeated with label {label}; the first line has label {first}")
            else:
                labels_by_path[name] = label
    if not labels_by_path:
        raise ValueError(
            "`path` must be a list with a line `path label` for each image. Received: "
            f"{os.fspath(path)}, {len(bad)} lines, none of them usable"
        )
    labels = np.fromiter(labels_by_path.values(), "int32", len(labels_by_path))
    start = prefix.encode()
    return FileList([start + name for name in labels_by_path], labels, bad)
