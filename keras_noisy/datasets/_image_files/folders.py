"""Finds image files in folders."""

import os
from pathlib import Path

# The names of image files end so, in upper or lower case.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")


def check_folder(argument: str, folder: Path) -> None:
    """Raises a FileNotFoundError unless `folder` is an existing folder."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must be a folder. Received: {argument}={os.fspath(folder)!r}"
        )


def list_images(folder: Path) -> list[str]:
    """Returns the sorted paths, relative to `folder` and with `/`, of the images at any depth.

    A file counts as an image if its name has the suffix of one.
    """
    found = (
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    )
    return sorted(found)
