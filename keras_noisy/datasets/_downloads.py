"""Downloads data sets through Keras, or explains how to get them by hand."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple


class Download(NamedTuple):
    """The files of a data set, for instructions to fetch them by hand.

    Attributes:
        name: Name of the data set.
        files: From the URL of each file to its path below `~/.keras/datasets`.
        size: Size of all files together.
    """

    name: str
    files: dict[str, str]
    size: str


def load_or_explain(load: Callable[[], Any], download: Download) -> Any:
    """Returns the result of `load`.

    Raises:
        FileNotFoundError: If the files are missing and can't be downloaded; the message says what
            to fetch by hand, where to put it and how large it is.
    """
    try:
        return load()
    except Exception as error:
        # Keras raises a plain Exception if a download fails.
        if "fetch failure" not in str(error) and not isinstance(error, OSError):
            raise
        home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
        lines = (
            f"  {origin}\n    to {os.path.join(home, 'datasets', target)}"
            for origin, target in download.files.items()
        )
        raise FileNotFoundError(
            f"{download.name} is not on this machine and could not be downloaded ({error}). Where "
            f"there is a network, fetch ({download.size} in all)\n" + "\n".join(lines)
        ) from error
