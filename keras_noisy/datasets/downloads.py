"""The data sets that Keras downloads, and what to do where it can't."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple


class Download(NamedTuple):
    """What to say to somebody who has to fetch a data set by hand.

    Attributes:
        name: The data set.
        files: Where each file comes from, and where under `~/.keras/datasets` it goes.
        size: Of all of it.
    """

    name: str
    files: dict[str, str]
    size: str


def load_or_explain(load: Callable[[], Any], download: Download) -> Any:
    """What `load` returns.

    Raises:
        FileNotFoundError: If the files are not there and can't be fetched; with what to fetch by hand,
            where to put it and how large it is.
    """
    try:
        return load()
    except Exception as error:  # Keras raises a plain one
        if "fetch failure" not in str(error) and not isinstance(error, OSError):
            raise
        home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
        lines = (
            f"  {origin}\n    to {os.path.join(home, 'datasets', target)}"
            for origin, target in download.files.items()
        )
        raise FileNotFoundError(
            f"{download.name} is not on this machine and could not be downloaded ({error}). Where there "
            f"is a network, fetch ({download.size} in all)\n" + "\n".join(lines)
        ) from error
