"""Train a classifier on noisy labels, as a configuration says.

    python recipes/train.py
    python recipes/train.py --config recipes/protocols/cifar100.yaml --loss.name gce
    python recipes/train.py --help

Writes to the folder `results`: `configuration.yaml`; `log.csv`, a row for each epoch;
`results.json`; `learning_curves.png`; `model.keras`, for prediction; and a checkpoint until the
training is done. After an interruption at any time, the same command continues after the last
finished epoch, and its results are those of an uninterrupted training.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
from configuration import Configuration, read_configuration
from folder import claim_folder, lock_folder, read_log, read_record, truncate_log
from model import build_loss, build_model
from records import write_json
from task import Task, load_task

import keras_noisy
from keras_noisy.training import (
    Checkpoint,
    Devices,
    LabelNoiseMonitor,
    suitable_precision,
    use_devices,
    without_distribution,
)

MONITORED_SAMPLES = 2000  # training images on which memorisation is measured


def main(arguments: list[str] | None = None) -> None:
    """Runs the training of the command line."""
    configuration = read_configuration("train.py", __doc__, arguments, check=build_loss)
    with ExitStack() as stack:
        try:
            claim_folder(configuration)
            stack.enter_context(lock_folder(configuration))
        except (ValueError, OSError) as error:
            sys.exit(f"train.py: error: {error}")
        try:
            record = train(configuration)
        except FileNotFoundError as error:  # data are missing; the message says what to do
            sys.exit(f"train.py: error: {error}")
    if not record:  # only the first of several processes has a record
        return
    shown = {key: value for key, value in record.items() if isinstance(value, float)}
    print(", ".join(f"{key} {value:.4g}" for key, value in shown.items()))
    print(f"Wrote results.json, log.csv and learning_curves.png to {configuration.results}{os.sep}")


def train(configuration: Configuration) -> dict[str, Any]:
    """Trains to the end, from the last finished epoch on.

    Returns:
        The record of the training, which is only read if the training is done already. Of several
        processes, only the first one returns it; the others return an empty dictionary.
    """
    folder = Path(configuration.results)
    if (folder / "results.json").exists():
        return read_record(folder)
    devices = set_up(configuration)
    is_first = devices.process == 0
    checkpoint = Checkpoint(folder / "checkpoint", save=is_first)
    task = load_task(configuration, devices, first_epoch=checkpoint.epochs)
    with devices.scope():
        model = build_model(configuration, task, devices)
    done = checkpoint.restore(model)
    callbacks = build_callbacks(configuration, task, devices, done)
    callbacks.append(checkpoint)  # the last one, so that an epoch is saved after it is logged
    print_summary(configuration, task, devices, done)
    with explain_lost_processes(devices, checkpoint):
        model.fit(
            task.train,
            epochs=configuration.epochs,
            initial_epoch=done,
            shuffle=False,  # the batches are shuffled already
            validation_data=task.test,
            callbacks=callbacks,
            verbose=choose_verbosity(configuration) if is_first else 0,
        )
        accuracies = {
            name: model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
            for name, test in task.tests.items()
        }
    if is_first:
        write_results(configuration, task, devices, model, accuracies)
        shutil.rmtree(checkpoint.folder, ignore_errors=True)
    return read_record(folder) if is_first else {}


def set_up(configuration: Configuration) -> Devices:
    """Sets up devices, precision and seed, before the first computation."""
    if configuration.deterministic:
        enable_determinism()
    hardware = configuration.devices
    devices = use_devices(
        hardware.count,
        hardware.class_shards,
        hardware.coordinator,
        hardware.num_processes,
        hardware.process,
    )
    is_chosen = configuration.precision != "auto"
    precision = configuration.precision if is_chosen else suitable_precision()
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(configuration.seed)
    return devices


def enable_determinism() -> None:
    """Makes the backend use deterministic operations only."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
    elif backend == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def build_callbacks(
    configuration: Configuration, task: Task, devices: Devices, done: int
) -> list[keras.callbacks.Callback]:
    """Builds the callbacks that measure and log each epoch, after `done` epochs."""
    callbacks: list[keras.callbacks.Callback] = []
    if task.monitored is not None and devices.num_processes == 1:
        callbacks.append(LabelNoiseMonitor(task.monitored, max_samples=MONITORED_SAMPLES))
    callbacks.append(EpochTimer())
    if devices.process == 0:
        folder = Path(configuration.results)
        truncate_log(folder / "log.csv", done)
        callbacks.append(keras.callbacks.CSVLogger(folder / "log.csv", append=done > 0))
        if configuration.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    return callbacks


class EpochTimer(keras.callbacks.Callback):
    """Adds the seconds that each epoch took, with its validation, to the logs."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["seconds"] = time.perf_counter() - self.start


@contextmanager
def explain_lost_processes(devices: Devices, checkpoint: Checkpoint) -> Iterator[None]:
    """Exits with instructions, without waiting, if one of several processes fails."""
    try:
        yield
    except Exception as error:
        if devices.num_processes == 1:
            raise
        print(
            f"train.py: error: process {devices.process} of {devices.num_processes} can't go on: "
            "another one died or can't be reached, or this one failed "
            f"({' '.join(str(error).split())}). Start all of them again with the same commands: "
            f"{checkpoint.epochs} epochs are done.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)  # a regular exit would wait for the other processes


def print_summary(configuration: Configuration, task: Task, devices: Devices, done: int) -> None:
    """Prints what is trained on what, from the first process."""
    if devices.process or configuration.progress == "none":
        return
    loss = configuration.loss
    print(
        f"{task.num_classes} classes, {task.steps} batches per epoch, "
        f"{format_noise(configuration)}; "
        f"{loss.name}, logit bias {loss.logit_bias}; "
        f"{keras.backend.backend()}, {devices.count} device(s), {keras.config.dtype_policy().name}"
        + (f"; goes on after {done} epochs" if done else ""),
        flush=True,
    )


def format_noise(configuration: Configuration) -> str:
    """Formats model and rate of the noise."""
    model, rate = configuration.noise.model, configuration.noise.rate
    return "no noise added" if model == "none" else f"{model} noise {rate:.0%}"


def choose_verbosity(configuration: Configuration) -> int:
    """Returns the argument `verbose` of `fit`."""
    automatic = "bar" if sys.stdout.isatty() else "lines"
    chosen = automatic if configuration.progress == "auto" else configuration.progress
    return {"none": 0, "bar": 1, "lines": 2}[chosen]


def write_results(
    configuration: Configuration,
    task: Task,
    devices: Devices,
    model: keras.Model,
    accuracies: dict[str, float],
) -> None:
    """Writes the outcome; `results.json` comes last, as it marks the training as done."""
    folder = Path(configuration.results)
    history = read_log(folder / "log.csv")
    draw_learning_curves(configuration, history).savefig(folder / "learning_curves.png")
    with without_distribution():
        model.save(folder / "model.keras")
    record: dict[str, Any] = {
        **summarise_history(history, accuracies),
        "configuration": configuration.outcome_settings(),
        "classes": task.num_classes,
        "steps_per_epoch": task.steps,
        "backend": keras.backend.backend(),
        "devices": devices.count,
        "precision": keras.config.dtype_policy().name,
        "versions": {"keras": keras.__version__, "keras_noisy": keras_noisy.__version__},
        "history": history,
    }
    write_json(folder / "results.json", record)


def draw_learning_curves(configuration: Configuration, history: dict[str, list[float]]) -> Any:
    """Draws the learning curves; returns the figure."""
    shown = {
        "test accuracy": history["val_accuracy"],
        "accuracy on noisy training labels": history["accuracy"],
        "wrong labels memorised": history.get("memorised", []),
    }
    loss = configuration.loss
    title = f"{configuration.data.name}, {loss.name}"
    title += f" with logit bias {loss.logit_bias}" if loss.logit_bias is not None else ""
    title += f", {format_noise(configuration)}"
    return keras_noisy.plots.learning_curves(
        {name: values for name, values in shown.items() if values}, "share", title
    )


def summarise_history(
    history: dict[str, list[float]], accuracies: dict[str, float]
) -> dict[str, float]:
    """Summarises a training in a few numbers.

    Args:
        history: Values of all epochs, by name.
        accuracies: Accuracies on further test sets, by name of the test set.
    """
    last = {name: values[-1] for name, values in history.items()}
    return {
        "test_accuracy": last["val_accuracy"],
        "best_test_accuracy": max(history["val_accuracy"]),
        **{f"{name}_accuracy": value for name, value in accuracies.items()},
        **{name: last[name] for name in ("val_top5", "memorised", "recognised") if name in last},
        "seconds": sum(history["seconds"]),
    }


if __name__ == "__main__":
    main()
