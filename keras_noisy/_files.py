"""Writes files that are complete whenever they exist, even if the process is killed."""

import os
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: str) -> None:
    """Writes a text file that is never seen half-written.

    The text goes to a temporary file in the same folder, which is then renamed to `path`. Readers
    see the previous file or the new one, also if the process is killed while it writes. Several
    processes may write the same file: the last one wins.

    Args:
        path: Path of the file. Its folder is created if it is missing; an existing file is
            replaced.
        content: Text of the file, written as UTF-8.

    Raises:
        OSError: If the file can't be written, for example because the disk is full. The error names
            the file, and the temporary file is removed.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_noisy.training import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "run" / "results.json"
    ...     write_atomically(path, '{"test_accuracy": 0.71}')
    ...     path.read_text()
    '{"test_accuracy": 0.71}'
    """
    path = Path(path)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(content, encoding="utf-8")
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        # Errors of a full disk name no file, and others name the temporary one.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
