"""The results folder of a training: which training it belongs to, and what it contains."""

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


def claim_folder(configuration: Configuration) -> None:
    """Writes the configuration to its results folder, which belongs to it from then on.

    Raises:
        ValueError: If the folder belongs to a training with other settings.
    """
    folder = Path(configuration.results)
    path = folder / "configuration.yaml"
    settings = configuration.outcome_settings()
    # A training that failed before its first epoch does not claim the folder.
    if path.exists() and any((folder / name).exists() for name in ("log.csv", "results.json")):
        others = yaml.safe_load(path.read_text(encoding="utf-8"))
        if others != settings:
            raise ValueError(
                f"results: {configuration.results} has a training with other settings, "
                f"{format_differences(others, settings)}. Choose another folder, or delete that one"
            )
    elif configuration.devices.is_first:
        write_atomically(path, yaml.safe_dump(settings, sort_keys=False))


@contextmanager
def lock_folder(configuration: Configuration) -> Iterator[None]:
    """Keeps other trainings out of the results folder.

    The operating system releases the lock when this process ends, however it ends.

    Raises:
        BlockingIOError: If another process trains in the folder.
    """
    if not configuration.devices.is_first:
        yield
        return
    try:
        with FileLock(Path(configuration.results) / "lock", timeout=0):
            yield
    except Timeout:
        raise BlockingIOError(f"another process trains in {configuration.results}") from None


def format_differences(old: Any, new: Any, path: str = "") -> str:
    """Lists the settings that differ, with their old and new values."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{path} {old} (now {new})"
    differences = [
        format_differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]
    return ", ".join(differences)


def truncate_log(log: Path, epochs: int) -> None:
    """Removes the rows of a log after the given number of epochs, which were not finished."""
    if log.exists():
        write_atomically(log, "".join(log.read_text().splitlines(keepends=True)[: epochs + 1]))


def read_log(log: Path) -> dict[str, list[float]]:
    """Reads a log: the values of all epochs, by the name of the column."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) for row in rows]
        for name in (rows[0] if rows else {})
        if name != "epoch"
    }


def read_record(folder: Path) -> dict[str, Any]:
    """Reads the record of a finished training."""
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))
