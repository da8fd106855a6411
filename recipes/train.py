"""Train one classifier on noisy labels, from one configuration.

    python recipes/train.py
    python recipes/train.py --config recipes/protocols/cifar100.yaml --loss.name gce --loss.logit_bias null
    python recipes/train.py --help

Writes to the folder `results`: `configuration.yaml`; `log.csv`, a row an epoch; `results.json`;
`learning_curves.png`; `model.keras`, to predict with; and, until the end, a checkpoint. Killed at any moment, the same command goes on after the
last epoch that was finished, and ends where it would have ended.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import keras
from configuration import Configuration, read
from folder import alone_in, claim, forget_rows, read_log, read_record
from model import build, loss_of
from records import write_json
from task import Task, load

import keras_noisy
from keras_noisy.training import (
    Checkpoint,
    Devices,
    LabelNoiseMonitor,
    suitable_precision,
    use_devices,
    without_distribution,
)

MONITORED = 2000  # training images that are looked at for what is memorised


def main(arguments: list[str] | None = None) -> None:
    configuration = read("train.py", __doc__, arguments, check=loss_of)  # before anything heavy
    with ExitStack() as stack:
        try:
            claim(configuration)
            stack.enter_context(alone_in(configuration))
        except (ValueError, OSError) as error:
            sys.exit(f"train.py: error: {error}")
        try:
            record = train(configuration)
        except FileNotFoundError as error:  # data; it says what to do
            sys.exit(f"train.py: error: {error}")
    if not record:  # of several processes, the first one has it
        return
    shown = {key: value for key, value in record.items() if isinstance(value, float)}
    print(", ".join(f"{key} {value:.4g}" for key, value in shown.items()))
    print(f"Wrote results.json, log.csv and learning_curves.png to {configuration.results}{os.sep}")


def train(configuration: Configuration) -> dict[str, Any]:
    """Trains to the end, from wherever it was interrupted; a training that is done is read."""
    folder = Path(configuration.results)
    if (folder / "results.json").exists():
        return read_record(folder)
    devices = set_up(configuration)
    is_first = devices.process == 0
    checkpoint = Checkpoint(folder / "checkpoint", save=is_first)
    task = load(configuration, devices, first_epoch=checkpoint.epochs)
    with devices.scope():
        model = build(configuration, task, devices)
    done = checkpoint.restore(model)
    callbacks = callbacks_of(configuration, task, devices, done)
    callbacks.append(checkpoint)  # the last one: when it has saved, all is written
    show(configuration, task, devices, done)
    with explaining(devices, checkpoint):
        model.fit(
            task.train,
            epochs=configuration.epochs,
            initial_epoch=done,
            shuffle=False,  # done already
            validation_data=task.test,
            callbacks=callbacks,
            verbose=verbosity(configuration) if is_first else 0,
        )
        accuracies = {
            name: model.evaluate(test, verbose=0, return_dict=True)["accuracy"]
            for name, test in task.tests.items()
        }
    if is_first:
        finish(configuration, task, devices, model, accuracies)
        shutil.rmtree(checkpoint.folder, ignore_errors=True)
    return read_record(folder) if is_first else {}


def set_up(configuration: Configuration) -> Devices:
    """Devices, numbers and seeds, before the first computation."""
    if configuration.deterministic:
        be_deterministic()
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


def be_deterministic() -> None:
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


def callbacks_of(
    configuration: Configuration, task: Task, devices: Devices, done: int
) -> list[keras.callbacks.Callback]:
    """What looks at each epoch and writes it down, after so many that are done."""
    callbacks: list[keras.callbacks.Callback] = []
    if task.monitored is not None and devices.num_processes == 1:
        callbacks.append(LabelNoiseMonitor(task.monitored, max_samples=MONITORED))
    callbacks.append(Seconds())
    if devices.process == 0:
        folder = Path(configuration.results)
        forget_rows(folder / "log.csv", done)
        callbacks.append(keras.callbacks.CSVLogger(folder / "log.csv", append=done > 0))
        if configuration.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    return callbacks


class Seconds(keras.callbacks.Callback):
    """Writes to the logs how long each epoch took, with its tests."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["seconds"] = time.perf_counter() - self.start


@contextmanager
def explaining(devices: Devices, checkpoint: Checkpoint) -> Iterator[None]:
    """Of several processes: says what to do when one of the others is gone, and doesn't wait for it."""
    try:
        yield
    except Exception as error:
        if devices.num_processes == 1:
            raise
        print(
            f"train.py: error: process {devices.process} of {devices.num_processes} can't go on: another one "
            f"died or can't be reached, or this one failed ({' '.join(str(error).split())}). Start all of them "
            f"again with the same commands: {checkpoint.epochs} epochs are done.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)  # an orderly exit would wait for the others


def show(configuration: Configuration, task: Task, devices: Devices, done: int) -> None:
    if devices.process or configuration.progress == "none":
        return
    loss = configuration.loss
    print(
        f"{task.num_classes} classes, {task.steps} batches an epoch, {noise_of(configuration)}; "
        f"{loss.name}, logit bias {loss.logit_bias}; "
        f"{keras.backend.backend()}, {devices.count} device(s), {keras.config.dtype_policy().name}"
        + (f"; goes on after {done} epochs" if done else ""),
        flush=True,
    )


def noise_of(configuration: Configuration) -> str:
    model, rate = configuration.noise.model, configuration.noise.rate
    return "no noise added" if model == "none" else f"{model} noise {rate:.0%}"


def verbosity(configuration: Configuration) -> int:
    automatic = "bar" if sys.stdout.isatty() else "lines"
    chosen = automatic if configuration.progress == "auto" else configuration.progress
    return {"none": 0, "bar": 1, "lines": 2}[chosen]


def finish(
    configuration: Configuration,
    task: Task,
    devices: Devices,
    model: keras.Model,
    accuracies: dict[str, float],
) -> None:
    """Writes the outcome; `results.json` last, which says that all is done."""
    folder = Path(configuration.results)
    history = read_log(folder / "log.csv")
    draw(configuration, history).savefig(folder / "learning_curves.png")
    with without_distribution():
        model.save(folder / "model.keras")
    record: dict[str, Any] = {
        **outcome_of(history, accuracies),
        "configuration": configuration.decides(),
        "classes": task.num_classes,
        "steps_per_epoch": task.steps,
        "backend": keras.backend.backend(),
        "devices": devices.count,
        "precision": keras.config.dtype_policy().name,
        "versions": {"keras": keras.__version__, "keras_noisy": keras_noisy.__version__},
        "history": history,
    }
    write_json(folder / "results.json", record)


def draw(configuration: Configuration, history: dict[str, list[float]]) -> Any:
    """The learning curves, as a figure."""
    shown = {
        "test accuracy": history["val_accuracy"],
        "accuracy on noisy training labels": history["accuracy"],
        "wrong labels memorised": history.get("memorised", []),
    }
    loss = configuration.loss
    title = f"{configuration.data.name}, {loss.name}"
    title += f" with logit bias {loss.logit_bias}" if loss.logit_bias is not None else ""
    title += f", {noise_of(configuration)}"
    return keras_noisy.plots.learning_curves(
        {name: values for name, values in shown.items() if values}, "share", title
    )


def outcome_of(history: dict[str, list[float]], accuracies: dict[str, float]) -> dict[str, float]:
    """What a training comes to, in a few numbers; `accuracies` are those of more test sets."""
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
