"""The folder of a training: whose it is, and what has been written to it."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from configuration import Configuration
from filelock import FileLock, Timeout

from keras_noisy.training import write_atomically


def claim(configuration: Configuration) -> None:
    """Makes the folder that of this configuration.

    Raises:
        ValueError: If it is that of another one.
    """
    folder = Path(configuration.results)
    path = folder / "configuration.yaml"
    content = configuration.decides()
    # What failed before its first epoch holds no folder.
    if path.exists() and any((folder / name).exists() for name in ("log.csv", "results.json")):
        other = yaml.safe_load(path.read_text(encoding="utf-8"))
        if other != content:
            raise ValueError(
                f"results: {configuration.results} has a training with other settings, "
                f"{differences(other, content)}. Choose another folder, or delete that one"
            )
    elif configuration.devices.process == 0:
        write_atomically(path, yaml.safe_dump(content, sort_keys=False))


@contextmanager
def alone_in(configuration: Configuration) -> Iterator[None]:
    """Keeps other trainings out of the folder; the system forgets it when this process ends, however it does.

    Raises:
        BlockingIOError: If another process trains there.
    """
    if configuration.devices.process:
        yield
        return
    try:
        with FileLock(Path(configuration.results) / "lock", timeout=0):
            yield
    except Timeout:
        raise BlockingIOError(f"another process trains in {configuration.results}") from None


def differences(old: Any, new: Any, path: str = "") -> str:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{path} {old} (now {new})"
    found = [
        differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]
    return ", ".join(found)


def forget_rows(log: Path, epochs: int) -> None:
    """Leaves the rows of so many epochs: those after them were not finished."""
    if log.exists():
        write_atomically(log, "".join(log.read_text().splitlines(keepends=True)[: epochs + 1]))


def read_log(log: Path) -> dict[str, list[float]]:
    """The columns of a log, from their names to their values, epoch by epoch."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) for row in rows]
        for name in (rows[0] if rows else {})
        if name != "epoch"
    }


def read_record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))
