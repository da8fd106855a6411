"""Compare losses: train every loss with every noise and seed, for one or more protocols.

    python recipes/table.py --config recipes/grids/leaderboard.yaml
    python recipes/table.py --config recipes/grids/leaderboard.yaml --seeds '[0]'

The same command continues where it was stopped: finished trainings are not repeated, and
interrupted ones continue. Several processes may share a results folder. Writes to the folder
`results`: a folder for each training; `table.md`, mean ± standard error over the seeds;
`table.csv`, a row for each training; and a picture for each protocol.
"""

import csv
import io
import itertools
import json
import math
import os
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import train
import yaml
from configuration import Configuration, Loss, Noise, Parser, read_configuration
from folder import claim_folder, lock_folder, read_record
from jsonargparse.typing import PositiveInt
from model import build_loss
from processes import run_in_processes

from keras_noisy.plots import MAX_NOISES, compare_losses
from keras_noisy.training import write_atomically

HERE = Path(__file__).parent
COLUMNS = ("test_accuracy", "best_test_accuracy", "memorised", "recognised", "seconds")


@dataclass
class Grid:
    """Table of trainings

    Args:
        protocols: Names of the files in recipes/protocols.
        losses: Settings of each loss, as in recipes/train.py, by its name in the table.
        noises: Settings of each noise, as in recipes/train.py, by its name in the table.
        seeds: Seeds; each is a training of its own.
        settings: Arguments of recipes/train.py for all trainings, such as [--epochs=2].
        workers: Number of trainings at a time, each in a process of its own.
        gpus: Indices of GPUs, which the workers use in turn. null lets the backend choose.
        results: Folder to write to.
        dry_run: Whether to only list the trainings that are not done.
    """

    protocols: list[str]
    losses: dict[str, Loss]
    noises: dict[str, Noise]
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    settings: list[str] = field(default_factory=list)
    workers: PositiveInt = 1
    gpus: list[int] | None = None
    results: str = "results/table"
    dry_run: bool = False


@dataclass(frozen=True)
class Cell:
    """A training of the table."""

    protocol: str
    noise: str
    loss: str
    seed: int

    def folder(self, results: str) -> Path:
        """Returns the folder of the training, below that of the table."""
        words = (self.protocol, self.noise, self.loss, f"seed {self.seed}")
        return Path(results).joinpath(*(re.sub(r"[^\w.=+()%-]+", "_", word) for word in words))

    def __str__(self) -> str:
        return f"{self.protocol}, {self.noise}, {self.loss}, seed {self.seed}"


def main(arguments: list[str] | None = None) -> int:
    """Trains what is not done and reports on all; returns 1 if a training failed, else 0."""
    parser = Parser.for_dataclass(Grid, "table.py", __doc__)
    grid = parser.read(arguments)
    if problem := find_problem(grid):
        parser.error(problem)
    cells = {cell: configure(grid, cell) for cell in list_cells(grid)}
    waiting = [cell for cell, configuration in cells.items() if find_record(configuration) is None]
    print(f"{len(cells)} trainings, {len(cells) - len(waiting)} of them done", flush=True)
    if grid.dry_run:
        print("\n".join(map(str, waiting)))
        return 0
    jobs = {cell: cells[cell] for cell in waiting}
    failed = run_in_processes(train_cell, jobs, Path(grid.results), grid.workers, grid.gpus)
    write_report(grid, cells)
    for cell, message in failed.items():
        print(f"table.py: error: {cell}: {message}", file=sys.stderr)
    return 1 if failed else 0


def find_problem(grid: Grid) -> str | None:
    """Describes settings that do not fit together; returns None if all do."""
    for name in ("protocols", "losses", "noises", "seeds"):
        if not getattr(grid, name):
            return f"{name} must have at least one entry"
    if len(grid.noises) > MAX_NOISES:
        return f"noises must be at most {MAX_NOISES}. Received: {len(grid.noises)}"
    known = sorted(path.stem for path in (HERE / "protocols").glob("*.yaml"))
    if unknown := [name for name in grid.protocols if name not in known]:
        return f"protocols must be among {known}. Received: {unknown}"
    return None


def list_cells(grid: Grid) -> Iterator[Cell]:
    """Lists all trainings, seed by seed, so that an unfinished table has all losses."""
    for seed in grid.seeds:
        for names in itertools.product(grid.protocols, grid.noises, grid.losses):
            yield Cell(*names, seed)


def configure(grid: Grid, cell: Cell) -> Configuration:
    """Returns the configuration of a training, read as recipes/train.py reads it."""
    arguments = [
        f"--config={HERE / 'protocols' / cell.protocol}.yaml",
        *grid.settings,
        f"--loss={json.dumps(vars(grid.losses[cell.loss]))}",
        f"--noise={json.dumps(vars(grid.noises[cell.noise]))}",
        f"--seed={cell.seed}",
        f"--results={cell.folder(grid.results)}",
        "--progress=none",
    ]

    def check(configuration: Configuration) -> None:
        try:
            build_loss(configuration)
        except ValueError as error:
            raise ValueError(f"losses, {cell.loss}: {error}") from error

    return read_configuration("table.py", None, arguments, check)


def find_record(configuration: Configuration) -> dict[str, Any] | None:
    """Returns the record of a training; None if it is not done or had other settings."""
    folder = Path(configuration.results)
    if not (folder / "results.json").exists():
        return None
    record = read_record(folder)
    return record if record["configuration"] == configuration.outcome_settings() else None


def train_cell(configuration: Configuration) -> str:
    """Trains in a process of the pool; returns the test accuracy as text."""
    keras.utils.clear_session()
    claim_folder(configuration)
    with lock_folder(configuration):
        return f"test accuracy {train.train(configuration)['test_accuracy']:.1%}"


def write_report(grid: Grid, cells: dict[Cell, Configuration]) -> None:
    """Writes the tables and pictures; cells without a finished training stay blank."""
    found = {cell: find_record(configuration) for cell, configuration in cells.items()}
    records = {cell: record for cell, record in found.items() if record is not None}
    folder = Path(grid.results)
    write_atomically(folder / "table.csv", format_csv(records))
    published = yaml.safe_load((HERE / "grids" / "published.yaml").read_text(encoding="utf-8"))
    text = ""
    for protocol in grid.protocols:
        accuracies = {
            loss: {
                noise: [
                    record["test_accuracy"]
                    for cell, record in records.items()
                    if (cell.protocol, cell.noise, cell.loss) == (protocol, noise, loss)
                ]
                for noise in grid.noises
            }
            for loss in grid.losses
        }
        text += f"## {protocol}\n\n{format_markdown(accuracies, published.get(protocol, {}))}\n"
        if any(values for by_noise in accuracies.values() for values in by_noise.values()):
            figure = compare_losses(accuracies, protocol)
            figure.savefig(folder / f"{protocol}.png")
    text += (
        "Test accuracy in per cent after the last epoch, mean ± standard error over the seeds "
        f"{', '.join(map(str, grid.seeds))}; the best mean of a column in bold.\n"
    )
    write_atomically(folder / "table.md", text)
    print(f"\n{text}\nWrote table.md, table.csv and the pictures to {grid.results}{os.sep}")


def format_csv(records: dict[Cell, dict[str, Any]]) -> str:
    """Formats the records as CSV, a row for each training."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["protocol", "noise", "loss", "seed", *COLUMNS])
    for cell, record in records.items():
        values = [record.get(name) for name in COLUMNS]
        writer.writerow([cell.protocol, cell.noise, cell.loss, cell.seed, *values])
    return file.getvalue()


def format_markdown(
    accuracies: dict[str, dict[str, list[float]]], published: dict[str, dict[str, float]]
) -> str:
    """Formats accuracies as a table in Markdown, with published ones in brackets.

    Args:
        accuracies: Accuracies of all seeds, by loss (a row) and noise (a column).
        published: Published accuracies in per cent, by noise and loss, and their `source`.
    """
    noises = list(next(iter(accuracies.values())))
    best = {
        noise: max(
            (statistics.fmean(row[noise]) for row in accuracies.values() if row[noise]),
            default=None,
        )
        for noise in noises
    }
    lines = [["loss", *noises], ["---"] * (1 + len(noises))]
    for loss, row in accuracies.items():
        texts = []
        for noise in noises:
            text = format_mean(row[noise])
            if row[noise] and statistics.fmean(row[noise]) == best[noise]:
                text = f"**{text}**"
            if (figure := published.get(noise, {}).get(loss)) is not None:
                text = f"{text} ({figure:.2f})".strip()
            texts.append(text)
        lines.append([loss, *texts])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if any(set(published.get(noise, {})) & set(accuracies) for noise in noises):
        text += f"\nIn brackets: {published['source']}.\n"
    return text


def format_mean(values: Sequence[float]) -> str:
    """Formats the mean ± standard error of shares in per cent; no shares give an empty string."""
    if not values:
        return ""
    text = f"{100 * statistics.fmean(values):.1f}"
    if len(values) == 1:
        return text
    return f"{text} ± {100 * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    sys.exit(main())
