"""Reads lists of image files and labels, as WebVision has them: a line `path label` for each."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_classes
from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.bad_images import BadImage
from keras_noisy.datasets._image_files.paths import list_forms, make_relative, normalise

_BOM = b"\xef\xbb\xbf"  # the byte-order mark that some editors on Windows write


class FileList(NamedTuple):
    """A list of image files and their labels.

    Attributes:
        paths: Bytes, relative to the folder of the images.
        labels: `int32` array of the same length.
        bad: Lines of the list that can't be used.
        skipped: What is not among `paths`, by reason: lines of a list, as `list:line`, or files in
            a folder, and folders, which end in `/`.
    """

    paths: list[bytes]
    labels: NDArray[np.int32]
    bad: list[BadImage]
    skipped: Mapping[str, Sequence[str]] = MappingProxyType({})


def read_file_list(
    path: str | os.PathLike,
    num_classes: int,
    prefix: str = "",
    root: str | os.PathLike | None = None,
) -> FileList:
    """Reads a list of images and labels; reports and skips the lines that can't be used.

    A line is a path and, after white space, the label; the path may contain spaces. Windows line
    ends, empty lines and a byte-order mark are accepted. A line is skipped if it has no label, if
    its label is outside [0, num_classes), or if an earlier line has the same path and another
    label. A line that is repeated counts as often as it is there. Paths are normalised: `./a.jpg`
    and `a.jpg` are the same.

    Args:
        path: The list.
        num_classes: Number of classes, at least 2.
        prefix: String to put before each path, such as `"val_images_256/"`. Defaults to `""`.
        root: Folder of the images; absolute paths below it become relative to it. Defaults to
            `None`: absolute paths are kept.

    Returns:
        A `FileList`, in the order of the lines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If no line can be used, if labels begin at 1 (none is 0, and `num_classes`
            occurs), if an absolute path is not below `root`, or if `num_classes` is out of its
            range.

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
    root_forms = None if root is None else list_forms(root)
    paths: list[bytes] = []
    labels: list[int] = []
    labels_by_path: dict[bytes, int] = {}
    bad: list[BadImage] = []
    skipped: exclusion.Skipped = {}
    labels_begin_at_1 = False

    def skip(number: int, name: bytes, reason: str, detail: str) -> None:
        line = f"{os.fspath(path)}:{number}"
        bad.append(BadImage(line, f"{name.decode(errors='replace')}: {detail}"))
        skipped.setdefault(reason, []).append(line)

    content = Path(path).read_bytes().removeprefix(_BOM)
    # Looked for once, because there may be millions of lines.
    has_odd_paths = b"./" in content or b"//" in content
    for number, line in enumerate(content.split(b"\n"), start=1):
        line = line.strip()
        if not line:
            continue
        name, *words = line.rsplit(maxsplit=1)
        if not words or not words[0].removeprefix(b"-").isdigit():
            skip(number, line, exclusion.NO_LABEL, "no label")
            continue
        label = int(words[0])
        if has_odd_paths:
            name = normalise(name)
        if root_forms is not None and (name[0] in b"/\\" or name[1:2] == b":"):
            relative = make_relative(name, root_forms)
            if relative is None:
                raise ValueError(
                    "Absolute paths in a list must lie below `root`. Received: "
                    f"{os.fsdecode(name)!r} in line {number} of {os.fspath(path)}, and "
                    f"root={os.fspath(root)!r}"  # type: ignore[arg-type]
                )
            name = relative
        if not 0 <= label < num_classes:
            labels_begin_at_1 |= label == num_classes
            detail = f"label {label} is not in [0, {num_classes})"
            skip(number, name, exclusion.OUT_OF_RANGE, detail)
        elif (first := labels_by_path.setdefault(name, label)) != label:
            detail = f"repeated with label {label}; the first line has label {first}"
            skip(number, name, exclusion.CONTRADICTION, detail)
        else:
            paths.append(name)
            labels.append(label)
    if not labels:
        raise ValueError(
            "`path` must be a list with a line `path label` for each image. Received: "
            f"{os.fspath(path)}, {len(bad)} lines, none of them usable"
        )
    if labels_begin_at_1 and 0 not in labels:
        raise ValueError(
            "Labels in a list must begin at 0. Received: "
            f"{os.fspath(path)}, whose labels begin at 1: none is 0, and {num_classes}, which is "
            "`num_classes`, occurs"
        )
    start = prefix.encode()
    paths = [start + name for name in paths] if prefix else paths
    return FileList(paths, np.array(labels, "int32"), bad, skipped)
