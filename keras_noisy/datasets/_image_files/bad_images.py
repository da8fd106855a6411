"""Reads and writes the list of bad images that training and `check-images` keep, a CSV file.

Each entry belongs to the folder of its images, and holds for the file as it was. It does not hold
for an image of the same name in another folder, or for a file that has been repaired.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class BadImage(NamedTuple):
    """An image that can't be used for training.

    Attributes:
        path: Path of the image, as in the list; or `list:line`, for a line that can't be used.
        reason: Short description of what is wrong.
    """

    path: str
    reason: str


class Row(NamedTuple):
    """A row of the CSV file.

    Attributes:
        path: As in `BadImage`.
        reason: As in `BadImage`.
        root: Folder of the images, or empty: the row holds for every folder.
        size: Size of the file in bytes, or empty if there was none.
        modified: Time of the last change of the file in nanoseconds, or empty.
    """

    path: str
    reason: str
    root: str = ""
    size: str = ""
    modified: str = ""

    def holds_for(self, root: str) -> bool:
        """Returns whether the row is about a file in `root` that has not changed since."""
        return not self.root or (
            self.root == root and (self.size, self.modified) == _sign(root, self.path)
        )


_COLUMNS = Row._fields
_OLD_COLUMNS = BadImage._fields  # lists of earlier versions, and lists written by hand


def read_bad_images(
    path: str | os.PathLike, root: str | os.PathLike | None = None
) -> list[BadImage]:
    """Reads a list of bad images, as `check-images` and trainings write it.

    Args:
        path: A CSV file with the columns `path`, `reason`, `root`, `size` and `modified`, or with
            the first two of them only.
        root: Folder of the images. Only the images in this folder that have not changed since they
            were listed are returned; a row without a `root` holds for every folder and is never
            out of date. Defaults to `None`: all rows.

    Returns:
        List of `BadImage` without duplicates; empty if there is no such file.

    Raises:
        ValueError: If the file has other columns.

    Example:

    >>> from keras_noisy.datasets import read_bad_images
    >>> read_bad_images("no_such_list.csv")
    []
    """
    rows = read_rows(path)
    if root is not None:
        real_root = os.path.realpath(root)
        # Of several rows about a file, the last one counts.
        latest = {(row.root, row.path): row for row in rows if row.root in ("", real_root)}
        rows = [row for row in latest.values() if row.holds_for(real_root)]
    return list(dict.fromkeys(BadImage(row.path, row.reason) for row in rows))


def read_rows(path: str | os.PathLike) -> list[Row]:
    """Reads the rows of a list; see `read_bad_images`."""
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            rows = [tuple(row) for row in csv.reader(file)]
    except FileNotFoundError:
        return []
    headers = (_COLUMNS, _OLD_COLUMNS)
    if rows and rows[0] not in headers:
        raise ValueError(
            f"`path` must be a CSV file with the columns {', '.join(_COLUMNS)}. Received: "
            f"{os.fspath(path)}, which begins with {list(rows[0])}"
        )
    # A killed process may leave half a line; two processes that start a list, two headers.
    return [Row(*row) for row in rows if len(row) in map(len, headers) and row not in headers]


def append_bad_images(
    path: str | os.PathLike, images: Iterable[BadImage], root: str | os.PathLike | None = None
) -> None:
    """Appends images in the folder `root` to a list; writes nothing for no images.

    The list is created if needed. If `root` is `None`, the entries hold for every folder.
    """
    if root is None:
        append_rows(path, [Row(*image) for image in images])
        return
    real_root = os.path.realpath(root)
    append_rows(path, [Row(*image, real_root, *_sign(real_root, image.path)) for image in images])


def append_rows(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Appends rows to a list, which is created if needed; writes nothing for no rows."""
    if not rows:
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
            file.seek(0)
            if file.readline().rstrip().endswith(",".join(_OLD_COLUMNS).encode()):
                writer.writerow(_COLUMNS)
        writer.writerows(rows)
        # One write, because a process may be killed at any time and others may write as well.
        file.write(text.getvalue().encode(errors="surrogateescape"))


def format_bad_images(images: Sequence[BadImage], most: int = 3) -> str:
    """Formats the first few images for a message."""
    lines = [f"{image.path} ({image.reason})" for image in images[:most]]
    return "; ".join(lines) + ("; …" if len(images) > most else "")


def _sign(root: str, path: str) -> tuple[str, str]:
    """Returns the size of a file and the time of its last change; empty if there is no file."""
    try:
        status = os.stat(os.path.join(root, path))
    except (OSError, ValueError):
        return "", ""
    # The second one is later than the first if the file became readable, for example.
    return str(status.st_size), str(max(status.st_mtime_ns, status.st_ctime_ns))
