"""Brings paths of images to one form, so that they can be compared."""

import os
from collections.abc import Sequence


def normalise(path: bytes) -> bytes:
    """Removes `./` and repeated or final slashes; keeps `..`, which may follow a link."""
    if b"//" not in path and b"./" not in path:
        return path
    parts = b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))
    return (b"/" * path.startswith(b"/") + parts) or path


def list_forms(root: str | os.PathLike) -> tuple[bytes, ...]:
    """Returns the beginnings that absolute paths below `root` may have."""
    forms = (os.path.abspath(root), os.path.realpath(root))
    return tuple(dict.fromkeys(os.fsencode(form).rstrip(b"/") + b"/" for form in forms))


def make_relative(path: bytes, root_forms: Sequence[bytes]) -> bytes | None:
    """Returns a path relative to a folder, or `None` if it is absolute and not below the folder.

    Args:
        path: The path, normalised; a relative one is returned unchanged.
        root_forms: The folder, from `list_forms`.
    """
    if not os.path.isabs(path):
        return path
    for form in root_forms:
        if path.startswith(form):
            return path[len(form) :]
    parent, name = os.path.split(path)
    path = os.path.realpath(parent) + b"/" + name
    return path[len(root_forms[-1]) :] if path.startswith(root_forms[-1]) else None
