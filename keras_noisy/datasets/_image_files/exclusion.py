"""The reasons for which files and lines are skipped, and the line of the log that counts them."""

import logging
from collections.abc import Mapping, Sequence

_LOG = logging.getLogger("keras_noisy")

# By reason, the files, folders (ending in `/`) or lines that are skipped.
Skipped = dict[str, list[str]]

HIDDEN = "hidden or system file"
OTHER_FORMAT = "other format"
FOLDER_LINK = "link to a folder"
BROKEN_LINK = "broken link"
SPECIAL = "not a regular file"
UNREADABLE = "unreadable folder"
NO_CLASS = "in no class folder"
NO_LABEL = "no label"
OUT_OF_RANGE = "label out of range"
CONTRADICTION = "repeated with another label"
BAD = "bad image"
EMPTY_CLASS = "class without an image"

# Names that belong to file systems, operating systems and programs, in lower case.
_SYSTEM_NAMES = frozenset(
    {
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "__macosx",
        "__pycache__",
        "desktop.ini",
        "ehthumbs.db",
        "icon\r",
        "lost+found",
        "network trash folder",
        "recycler",
        "system volume information",
        "temporary items",
        "thumbs.db",
        "~snapshot",
    }
)


def is_hidden(name: str) -> bool:
    """Returns whether the name of a file or folder marks it as hidden or as the system's."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def format_skipped(skipped: Mapping[str, Sequence[str]], most: int = 3) -> str:
    """Formats a count and the first few entries for each reason."""
    parts = []
    for reason, entries in skipped.items():
        shown = ", ".join(entries[:most]) + (", …" if len(entries) > most else "")
        parts.append(f"{len(entries)} x {reason} ({shown})")
    return "; ".join(parts)


def log_skipped(source: str, num_used: int, skipped: Mapping[str, Sequence[str]]) -> None:
    """Logs a warning that counts what is skipped, if anything is."""
    if skipped:
        _LOG.warning(
            "%s: %d images are used. Skipped: %s. `Pipeline.skipped` has the full list.",
            source,
            num_used,
            format_skipped(skipped),
        )
