"""One training, and its record."""

import functools
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
from filelock import FileLock, Timeout
from optimizer import build_optimizer
from records import replace_non_finite, write_json

import keras_noisy
from keras_noisy.training import LabelNoiseMonitor
from task_runs.losses import Setting, compile_model
from task_runs.noise import corrupt
from task_runs.protocol import OPTIMIZERS, Run, read_record
from task_runs.task import Data, Task


class Job(NamedTuple):
    """A run with all that a process needs for it.

    Attributes:
        run: The run.
        task: Its task.
        data: Folder with the files of the tasks.
        results: Folder of the records.
    """

    run: Run
    task: Task
    data: Path
    results: Path


@functools.lru_cache(maxsize=1)  # successive runs have the same task
def load(task: Task, folder: Path) -> Data:
    """Loads the data of a task."""
    return task.load(folder)


def do(job: Job) -> str:
    """Trains and writes the record, unless it exists; returns a summary in a few words."""
    run, task, data, results = job
    path = run.path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.stem}.lock")
    try:
        # The operating system releases the lock when this process ends, however it ends.
        with FileLock(lock, timeout=0):
            record = read_record(run, task, results)
            if record is None:
                record = replace_non_finite(train(run, task, data))
                write_json(path, record)
            lock.unlink(missing_ok=True)
    except Timeout:
        return "another process trains it"
    return summarise(record)


def summarise(record: Mapping[str, Any]) -> str:
    """Summarises a record in a few words."""
    accuracy, memorised = record["test_accuracy"], record["memorised"]
    parts = ["outputs NaN" if accuracy is None else f"test {accuracy:.1%}"]
    parts += [] if memorised is None else [f"memorised {memorised:.1%}"]
    return ", ".join([*parts, f"{record['seconds']:.0f} s"])


def train(run: Run, task: Task, folder: Path) -> dict[str, Any]:
    """Trains a network; returns the record."""
    data = load(task, folder)
    noisy_labels = corrupt(run.noise, data, run.seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(run.seed)
    batches = task.batches(folder, data, noisy_labels, task.batch_size, run.seed)
    settings = replace(OPTIMIZERS[run.optimizer], learning_rate=run.learning_rate)
    setting = Setting(data.num_classes, task.epochs * batches.steps, run.noise)
    model = compile_model(
        task.network(data),
        build_optimizer(settings, task.epochs, batches.steps),
        run.loss,
        setting,
    )
    start = time.perf_counter()
    # The batches are shuffled already.
    history = model.fit(batches.dataset, epochs=task.epochs, shuffle=False, verbose=0).history
    seconds = time.perf_counter() - start
    wrong = float((noisy_labels != data.labels).mean())
    monitor = LabelNoiseMonitor(
        (data.x, noisy_labels, data.labels) if wrong else None,
        (data.x_test, data.test_labels),
        batch_size=1000,
    )
    monitor.set_model(model)
    measured: dict[str, float] = {}
    monitor.on_epoch_end(task.epochs - 1, measured)
    return {
        **run._asdict(),
        "epochs": task.epochs,
        "batch_size": task.batch_size,
        "num_classes": data.num_classes,
        "samples": len(data.x),
        "steps": setting.steps,
        "wrong_labels": wrong,
        "test_accuracy": measured["test_accuracy"],
        "memorised": measured.get("memorised"),
        "recognised": measured.get("recognised"),
        "train_accuracy": history["accuracy"][-1],
        "train_loss": history["loss"][-1],
        "seconds": round(seconds, 2),
        "backend": keras.backend.backend(),
        "versions": {"keras": keras.__version__, "keras_noisy": keras_noisy.__version__},
    }
