"""Compare losses: every loss with every noise and seed, over one or more protocols.

    python recipes/table.py --config recipes/grids/leaderboard.yaml
    python recipes/table.py --config recipes/grids/leaderboard.yaml --protocols '[glyphs_100]' --seeds '[0]'

Trainings that are done are not repeated, and those that were interrupted go on: the same command goes on where
it was stopped, and several may share a folder. Writes to the folder `results`: each training's own folder;
`table.md`, mean ± standard error over the seeds; `table.csv`, a row a training; and a picture for each protocol.
"""

import csv
import io
import itertools
import json
import math
import multiprocessing
import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import train
import yaml
from configuration import Configuration, Loss, Noise, Parser, read
from folder import alone_in, claim, read_record
from jsonargparse.typing import PositiveInt
from model import loss_of

from keras_noisy.plots import MAX_NOISES, compare_losses
from keras_noisy.training import write_atomically

HERE = Path(__file__).parent
COLUMNS = ("test_accuracy", "best_test_accuracy", "memorised", "recognised", "seconds")


@dataclass
class Grid:
    """A table of trainings

    Args:
        protocols: Names of files in recipes/protocols.
        losses: By the name that the table gives it, a loss, as recipes/train.py has it.
        noises: By the name that the table gives it, a noise, as recipes/train.py has it.
        seeds: One training each.
        settings: Arguments of recipes/train.py for all trainings, such as [--epochs=2].
        workers: Trainings at a time, each in a process of its own.
        gpus: Numbers of GPUs, which the workers take in turn. null lets the backend choose.
        results: Folder to write to.
        dry_run: Whether to say what there is to do, and no more.
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
    """One training of the table."""

    protocol: str
    noise: str
    loss: str
    seed: int

    def folder(self, results: str) -> Path:
        words = (self.protocol, self.noise, self.loss, f"seed {self.seed}")
        return Path(results).joinpath(*(re.sub(r"[^\w.=+()%-]+", "_", word) for word in words))

    def __str__(self) -> str:
        return f"{self.protocol}, {self.noise}, {self.loss}, seed {self.seed}"


def main(arguments: list[str] | None = None) -> int:
    parser = Parser.of(Grid, "table.py", __doc__)
    grid = parser.read(arguments)
    if wrong := problem(grid):
        parser.error(wrong)
    cells = {cell: configuration_of(grid, cell) for cell in cells_of(grid)}
    waiting = [cell for cell, configuration in cells.items() if record_of(configuration) is None]
    print(f"{len(cells)} trainings, {len(cells) - len(waiting)} of them done", flush=True)
    if grid.dry_run:
        print("\n".join(map(str, waiting)))
        return 0
    failed = run(grid, {cell: cells[cell] for cell in waiting})
    report(grid, cells)
    for cell, message in failed.items():
        print(f"table.py: error: {cell}: {message}", file=sys.stderr)
    return 1 if failed else 0


def problem(grid: Grid) -> str | None:
    """What is wrong with settings that are right one by one; None if nothing is."""
    for name in ("protocols", "losses", "noises", "seeds"):
        if not getattr(grid, name):
            return f"{name} must have at least one entry"
    if len(grid.noises) > MAX_NOISES:
        return f"noises must be at most {MAX_NOISES}. Received: {len(grid.noises)}"
    known = sorted(path.stem for path in (HERE / "protocols").glob("*.yaml"))
    if unknown := [name for name in grid.protocols if name not in known]:
        return f"protocols must be among {known}. Received: {unknown}"
    return None


def cells_of(grid: Grid) -> Iterator[Cell]:
    """All trainings, seed by seed: an early table has all losses."""
    for seed in grid.seeds:
        for names in itertools.product(grid.protocols, grid.noises, grid.losses):
            yield Cell(*names, seed)


def configuration_of(grid: Grid, cell: Cell) -> Configuration:
    """The configuration of a training, read as recipes/train.py reads it."""
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
            loss_of(configuration)
        except ValueError as error:
            raise ValueError(f"losses, {cell.loss}: {error}") from error

    return read("table.py", None, arguments, check)


def record_of(configuration: Configuration) -> dict[str, Any] | None:
    """What a training left behind; None if it is not done, or is one with other settings."""
    folder = Path(configuration.results)
    if not (folder / "results.json").exists():
        return None
    record = read_record(folder)
    return record if record["configuration"] == configuration.decides() else None


def run(grid: Grid, cells: dict[Cell, Configuration]) -> dict[Cell, str]:
    """Trains what is to be trained; returns what failed, and why."""
    if not cells:
        return {}
    # What one process has compiled, all others take, and later ones.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(grid.results).resolve() / ".jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    context = multiprocessing.get_context("spawn")
    failed: dict[Cell, str] = {}
    start = time.perf_counter()
    with ProcessPoolExecutor(
        grid.workers, context, begin_work, (context.Value("i", 0), grid.workers, grid.gpus)
    ) as pool:
        futures = {pool.submit(work, cells[cell]): cell for cell in cells}
        try:
            for count, future in enumerate(as_completed(futures), 1):
                cell = futures[future]
                minutes = (time.perf_counter() - start) / count * (len(cells) - count) / 60
                try:
                    outcome = f"test accuracy {future.result():.1%}"
                except Exception as error:
                    outcome = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    failed[cell] = outcome
                print(
                    f"[{count}/{len(cells)}] {cell}: {outcome}; about {minutes:.0f} min left",
                    flush=True,
                )
        except BaseException:  # Ctrl-C; the pool would train all the others first
            for process in multiprocessing.active_children():
                process.kill()
            raise
    return failed


def begin_work(counter: Any, workers: int, gpus: Sequence[int] | None) -> None:
    """Gives a new process its device, and lets it end with the one that began it."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpus[number % len(gpus)])
    if workers > max(len(gpus or []), 1):  # several share a device: none may take all of its memory
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def work(configuration: Configuration) -> float:
    """Trains in a process of the pool; returns the test accuracy."""
    keras.utils.clear_session()
    claim(configuration)
    with alone_in(configuration):
        return float(train.train(configuration)["test_accuracy"])


def report(grid: Grid, cells: dict[Cell, Configuration]) -> None:
    """Writes and prints what is there; what was not trained stays blank."""
    found = {cell: record_of(configuration) for cell, configuration in cells.items()}
    records = {cell: record for cell, record in found.items() if record is not None}
    folder = Path(grid.results)
    write_atomically(folder / "table.csv", as_csv(records))
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
        text += f"## {protocol}\n\n{as_markdown(accuracies, published.get(protocol, {}))}\n"
        if any(values for by_noise in accuracies.values() for values in by_noise.values()):
            figure = compare_losses(accuracies, protocol)
            figure.savefig(folder / f"{protocol}.png")
    text += (
        "Test accuracy in per cent after the last epoch, mean ± standard error over the seeds "
        f"{', '.join(map(str, grid.seeds))}; the best mean of a column in bold.\n"
    )
    write_atomically(folder / "table.md", text)
    print(f"\n{text}\nWrote table.md, table.csv and the pictures to {grid.results}{os.sep}")


def as_csv(records: dict[Cell, dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["protocol", "noise", "loss", "seed", *COLUMNS])
    for cell, record in records.items():
        values = [record.get(name) for name in COLUMNS]
        writer.writerow([cell.protocol, cell.noise, cell.loss, cell.seed, *values])
    return file.getvalue()


def as_markdown(
    accuracies: dict[str, dict[str, list[float]]], published: dict[str, dict[str, float]]
) -> str:
    """A row a loss, a column a noise; in brackets what others published for it."""
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
            text = mean_and_error(row[noise])
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


def mean_and_error(values: Sequence[float]) -> str:
    """Mean ± standard error of shares, in per cent; nothing of nothing."""
    if not values:
        return ""
    text = f"{100 * statistics.fmean(values):.1f}"
    if len(values) == 1:
        return text
    return f"{text} ± {100 * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    sys.exit(main())
