"""Writes files that are complete whenever they exist, even if the process is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: str | os.PathLike[str], content: str) -> None:
    """Writes a text file that is never seen half-written.

    The text goes to a temporary file in the same folder, which is then renamed to `path`. Readers
    see the previous file or the new one, also if the process is killed while it writes. Several
    processes may write the same file: the last one wins.

    Args:
        path: Path of the file. Its folder is created if it is missing; an existing file is
            replaced.
        content: Text of the file, written as UTF-8. Bytes of file names that are no UTF-8 are
            written as they were.

    Raises:
        OSError: If the file can't be written. The previous file is left as it was.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_noisy.training import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "run" / "results.json"
    ...     write_atomically(path, '{"test_accuracy": 0.71}')
    ...     path.read_text()
    '{"test_accuracy": 0.71}'
    """
    with open_atomically(path) as file:
        file.write(content.encode("utf-8", errors="surrogateescape"))


@contextmanager
def open_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a binary file for writing that appears under its name when it is complete.

    Raises:
        OSError: If it can't be written, for example because the disk is full. It names the file.
    """
    path = Path(path)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = f"can't be written: {error.strerror or error}"
        raise OSError(error.errno or 0, reason, os.fspath(path)) from error  # of a fitting subclass
