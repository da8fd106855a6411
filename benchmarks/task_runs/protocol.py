"""The trainings of the benchmark: optimizers, learning rates, and which runs there are."""

import itertools
import json
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from optimizer import OPTIMIZERS as COMMON

from task_runs.task import Task

# The learning rate of a run replaces theirs.
OPTIMIZERS = {name: COMMON[name] for name in ("sgd", "adamw", "lion")}
# Learning rates among which cross-entropy chooses.
GRIDS = {
    "sgd": (0.01, 0.03, 0.1, 0.3),
    "adamw": (3e-4, 1e-3, 3e-3, 1e-2),
    "lion": (3e-5, 1e-4, 3e-4, 1e-3),
}
RATES = Path(__file__).with_name("learning_rates.json")
SIMILAR = 0.003  # accuracies that differ by no more count as equal
RATE_SEED = 1000  # differs from the seeds that are compared

# Test accuracies of cross-entropy on correct labels, by task, optimizer and learning rate.
Rates = Mapping[str, Mapping[str, Mapping[str, float]]]


class Run(NamedTuple):
    """A training.

    Attributes:
        task: Name of the task.
        optimizer: Name of the optimizer.
        noise: Name of the noise.
        loss: Name of the loss.
        seed: Seed of the network, the noise and the order of batches.
        learning_rate: Learning rate of the first step, which decays along half a cosine.
    """

    task: str
    optimizer: str
    noise: str
    loss: str
    seed: int
    learning_rate: float

    def path(self, results: Path) -> Path:
        """Returns the file of the record."""
        loss = re.sub(r"[^\w.=+()-]+", "_", self.loss)
        optimizer = f"{self.optimizer}-{self.learning_rate:g}"
        return results / self.task / optimizer / self.noise / f"{loss}-{self.seed}.json"

    def __str__(self) -> str:
        return f"{self.task}, {self.optimizer}, {self.noise}, {self.loss}, seed {self.seed}"


def read_rates(path: Path = RATES) -> Rates:
    """Reads the accuracies by which learning rates are chosen."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def choose_rate(rates: Rates, task: str, optimizer: str) -> float | None:
    """Chooses the learning rate of a task and optimizer; None if some have not been tried.

    It is the median of those whose accuracy is within 0.3 points of the highest one, and the lower
    one of two: differences that small are chance, and would often choose an end of the grid.
    """
    found = rates.get(task, {}).get(optimizer, {})
    accuracies = {rate: found.get(f"{rate:g}") for rate in GRIDS[optimizer]}
    if None in accuracies.values():
        return None
    least = max(accuracies.values()) - SIMILAR
    return statistics.median_low(rate for rate in accuracies if accuracies[rate] >= least)


def list_runs(
    tasks: Iterable[Task],
    optimizers: Sequence[str],
    noises: Sequence[str],
    losses: Sequence[str],
    seeds: Sequence[int],
    rates: Rates,
) -> Iterator[Run]:
    """Lists the runs, seed by seed, so that an unfinished table has all losses.

    Tasks and optimizers without a learning rate are left out.
    """
    for seed, task in itertools.product(seeds, tasks):
        measured = [noise for noise in task.noises if noise in noises]
        for optimizer, noise, loss in itertools.product(optimizers, measured, losses):
            if (rate := choose_rate(rates, task.name, optimizer)) is not None:
                yield Run(task.name, optimizer, noise, loss, seed, rate)


def list_rate_runs(tasks: Iterable[Task], optimizers: Sequence[str]) -> Iterator[Run]:
    """Lists the runs by which learning rates are chosen."""
    for task, optimizer in itertools.product(tasks, optimizers):
        for rate in GRIDS[optimizer]:
            yield Run(task.name, optimizer, "none", "CE", RATE_SEED, rate)


def read_record(run: Run, task: Task, results: Path) -> dict[str, Any] | None:
    """Reads the record of a run; None if there is none or if it had another length."""
    path = run.path(results)
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    is_same = (record["epochs"], record["batch_size"]) == (task.epochs, task.batch_size)
    return record if is_same else None
