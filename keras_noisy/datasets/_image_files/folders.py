"""Finds image files in folders, and says why it skips the others."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.exclusion import Skipped, is_hidden
from keras_noisy.datasets._image_files.file_list import FileList
from keras_noisy.datasets._image_files.formats import explain_name


def check_folder(argument: str, folder: Path) -> None:
    """Raises a FileNotFoundError unless `folder` is an existing folder."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must be a folder. Received: {argument}={os.fspath(folder)!r}"
        )


class Found(NamedTuple):
    """The content of a folder.

    Attributes:
        images: Sorted paths of the images, relative to the folder and with `/`.
        skipped: All other files by reason, and the folders that were not read, which end in `/`.
    """

    images: list[str]
    skipped: Skipped


def find_images(root: Path, class_names: Iterable[str] = ()) -> Found:
    """Finds the images in a folder at any depth.

    A file counts as an image if its name has the suffix of a format that can be decoded. Hidden and
    system files and folders are skipped, and so are links to folders, except for those that lie in
    `root` itself.

    Args:
        root: The folder.
        class_names: Paths of folders that are read even if they are hidden or links.
    """
    wanted = {
        "/".join(parts[:depth])
        for parts in (name.split("/") for name in class_names)
        for depth in range(1, len(parts) + 1)
    }
    images: list[str] = []
    skipped: Skipped = {}
    folders = [("", False)]
    while folders:
        parent, in_hidden = folders.pop()
        try:
            entries = sorted(os.scandir(root / parent), key=lambda entry: entry.name)
        except OSError:
            if not parent:
                raise
            why = exclusion.HIDDEN if in_hidden else exclusion.UNREADABLE
            skipped.setdefault(why, []).append(parent)
            continue
        for entry in entries:
            path = parent + entry.name
            hidden = in_hidden or (is_hidden(entry.name) and path not in wanted)
            if os.path.isdir(entry):
                follows_link = path in wanted or (not parent and not hidden)
                if follows_link or not entry.is_symlink():
                    folders.append((path + "/", hidden))
                    continue
                path += "/"
            if reason := _find_reason(entry, hidden):
                skipped.setdefault(reason, []).append(path)
            else:
                images.append(path)
    return Found(sorted(images), {reason: sorted(paths) for reason, paths in skipped.items()})


def _find_reason(entry: os.DirEntry, hidden: bool) -> str | None:
    """Returns why a file, or a link that is not followed, is skipped; `None` for an image."""
    if hidden:
        return exclusion.HIDDEN
    # Unlike the methods of the entry, these do not raise for a link to itself.
    if os.path.isdir(entry):
        return exclusion.FOLDER_LINK
    if not os.path.isfile(entry):
        is_broken = entry.is_symlink() and not os.path.exists(entry.path)
        return exclusion.BROKEN_LINK if is_broken else exclusion.SPECIAL
    return explain_name(entry.name, exclusion.OTHER_FORMAT)


def list_folders(root: Path) -> list[str]:
    """Returns the sorted names of the folders in a folder that are not hidden."""
    return sorted(
        each.name for each in root.iterdir() if each.is_dir() and not is_hidden(each.name)
    )


def read_folder(root: Path, class_names: Sequence[str], found: Found | None = None) -> FileList:
    """Reads a folder with a folder for each class.

    Args:
        root: The folder.
        class_names: Paths of the folders of the classes, relative to `root`, in the order of the
            labels; none lies in another. Those that do not exist have no images.
        found: The content of the folder, from `find_images`. Defaults to `None`: it is read.

    Returns:
        A `FileList`, class by class. What is skipped contains the images in no class folder.
    """
    found = found or find_images(root, class_names)
    by_class: dict[str, list[str]] = {name: [] for name in class_names}
    depths = sorted({name.count("/") + 1 for name in class_names})
    skipped = dict(found.skipped)
    for path in found.images:
        parts = path.split("/")
        names = ("/".join(parts[:depth]) for depth in depths if depth < len(parts))
        name = next((name for name in names if name in by_class), None)
        if name is None:
            skipped.setdefault(exclusion.NO_CLASS, []).append(path)
        else:
            by_class[name].append(path)
    counts = [len(paths) for paths in by_class.values()]
    return FileList(
        [os.fsencode(path) for paths in by_class.values() for path in paths],
        np.repeat(np.arange(len(class_names), dtype="int32"), counts),
        [],
        skipped,
    )
