"""The images of an audit: their list is read from a folder or a file, and kept in a file."""

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from keras_noisy._files import write_atomically
from keras_noisy.cleaning._tables import format_csv, read_csv
from keras_noisy.datasets import image_folder, read_table
from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.file_list import FileList, read_file_list
from keras_noisy.datasets._image_files.folders import check_folder, read_folder

_LOG = logging.getLogger("keras_noisy")
_HEADER = ("image", "label")


class ImageList(NamedTuple):
    """Images, their labels, and the names of the classes.

    Attributes:
        paths: Paths relative to the folder of the images, each once.
        labels: Integer array of the same length.
        class_names: The names of the classes in the order of the labels.
    """

    paths: list[str]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def without(self, paths: Collection[str]) -> Self:
        """Returns the list without some of the images."""
        kept = [i for i, path in enumerate(self.paths) if path not in paths]
        return self._replace(paths=[self.paths[i] for i in kept], labels=self.labels[kept])


def list_images(root: Path, labels: Path | None) -> ImageList:
    """Returns the images in a folder, and their labels from their folders or from a file.

    The log says what is skipped: other files, and lines that name an image again.
    """
    check_folder("root", root)
    if labels is None:
        names = image_folder.list_classes(root)
        files = read_folder(root, names)
        exclusion.log_skipped(os.fspath(root), len(files.paths), files.skipped)
        return _from_file_list(files, names)
    if labels.suffix.lower() in (".csv", ".tsv"):
        table = read_table(labels, _HEADER)
        values, index = np.unique(table["label"].to_numpy(dtype=str), return_inverse=True)
        found = ImageList(list(table["image"]), index.astype(np.int64), tuple(values.tolist()))
    else:
        files = read_file_list(labels, num_classes=2**31 - 1, root=root)
        exclusion.log_skipped(os.fspath(labels), len(files.paths), files.skipped)
        found = _from_file_list(files, [str(i) for i in range(int(files.labels.max()) + 1)])
    if len(found.class_names) < 2:
        raise ValueError(
            "`labels` must have two classes or more. Received: "
            f"labels={os.fspath(labels)!r} with {list(found.class_names)}"
        )
    return _without_repetitions(found, labels)


def read_images(path: Path, class_names: Sequence[str]) -> ImageList:
    """Reads a list that `write_images` has written."""
    _, *rows = read_csv(path)
    index = {name: i for i, name in enumerate(class_names)}
    labels = np.array([index[label] for _, label in rows], np.int64)
    return ImageList([path for path, _ in rows], labels, tuple(class_names))


def write_images(path: Path, images: ImageList) -> None:
    """Writes a list as a table of paths and class names, which `audit(labels=…)` reads, too."""
    names = (images.class_names[label] for label in images.labels)
    write_atomically(path, format_csv([_HEADER, *zip(images.paths, names, strict=True)]))


def _from_file_list(files: FileList, class_names: Sequence[str]) -> ImageList:
    paths = [os.fsdecode(path) for path in files.paths]
    return ImageList(paths, files.labels.astype(np.int64), tuple(class_names))


def _without_repetitions(images: ImageList, source: Path) -> ImageList:
    """Returns the list with each image once: it must not be trained with and judged."""
    first = dict(zip(reversed(images.paths), reversed(range(len(images.paths))), strict=True))
    kept = sorted(first.values())
    if repeated := len(images.paths) - len(kept):
        _LOG.warning(
            "%s: %d lines name an image of an earlier line and are skipped.", source, repeated
        )
    return images._replace(paths=[images.paths[i] for i in kept], labels=images.labels[kept])
