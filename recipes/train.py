"""Train one classifier on noisy labels, from one configuration.

    python recipes/train.py
    python recipes/train.py --config recipes/protocols/cifar100.yaml --loss.name gce --loss.logit_bias null
    python recipes/train.py --help

Writes to the folder `results`: `configuration.yaml`; `log.csv`, a row an epoch; `results.json`;
`learning_curves.png`; `model.keras`, to predict with; and, until the end, a checkpoint. Killed at any moment, the same command goes on after the
last epoch that was finished, and ends where it would have ended.
"""

import csv
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import keras
import yaml
from configuration import Configuration, read
from filelock import FileLock, Timeout
from records import write_json

import keras_noisy
from keras_noisy import datasets, models, noise
from keras_noisy.datasets.pipeline import expecting
from keras_noisy.files import write_whole
from keras_noisy.training import (
    Checkpoint,
    Devices,
    LabelNoiseMonitor,
    penalise_weights,
    suitable_precision,
    use_devices,
)
from keras_noisy.training.devices import this_process_alone

IN_MEMORY = {
    "fashion_mnist": datasets.fashion_mnist,
    "cifar10": datasets.cifar10,
    "cifar100": datasets.cifar100,
}
MONITORED = 2000  # training images that are looked at for what is memorised


@dataclass
class Task:
    """What is given to `fit`, and what is known of it.

    Attributes:
        train: Batches of training images with noisy labels.
        test: Batches of test images with the labels of the data set.
        tests: More test sets, by name.
        steps: Batches in an epoch.
        num_classes: Number of classes.
        shape: Shape of an image.
        monitored: Training images with noisy and true labels, for `LabelNoiseMonitor`, if true ones are known.
    """

    train: Any
    test: Any
    tests: dict[str, Any]
    steps: int
    num_classes: int
    shape: tuple[int, ...]
    monitored: Any


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
    log = folder / "log.csv"
    callbacks: list[keras.callbacks.Callback] = []
    if task.monitored is not None and devices.num_processes == 1:
        callbacks.append(LabelNoiseMonitor(task.monitored, max_samples=MONITORED))
    callbacks.append(Seconds())
    if is_first:
        forget_rows(log, done)
        callbacks.append(keras.callbacks.CSVLogger(log, append=done > 0))
        if configuration.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
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


def load(configuration: Configuration, devices: Devices, first_epoch: int) -> Task:
    """The data, from the epoch on that is next."""
    options = devices.batch_options(configuration.batch_size)
    if configuration.data.name == "glyphs":
        task = load_glyphs(configuration, options, first_epoch)
    else:
        task = load_pipelines(configuration, options, first_epoch)
    shards = configuration.devices.class_shards
    if task.num_classes % shards:
        raise ValueError(
            f"`devices.class_shards` must divide the number of classes, {task.num_classes}. "
            f"Received: {shards}"
        )
    return task


def load_glyphs(configuration: Configuration, options: dict[str, Any], first_epoch: int) -> Task:
    data = configuration.data
    (x, labels), (x_test, test_labels) = datasets.glyphs.load_data(
        data.classes, data.images, test_per_class=10, verbose=0
    )
    noisy = noisy_labels(configuration, x, labels, data.classes)
    some = slice(None)
    if configuration.steps_per_epoch is not None:
        some = slice(configuration.steps_per_epoch * configuration.batch_size)
    train = datasets.ShuffledBatches(
        x[some], noisy[some], seed=configuration.seed, first_epoch=first_epoch, **options
    )
    test = datasets.ShuffledBatches(x_test, test_labels, shuffle=False, **options)
    monitored = None if noisy is labels else (x, noisy, labels)
    return Task(train, test, {}, len(train), data.classes, x.shape[1:], monitored)


def load_pipelines(configuration: Configuration, options: dict[str, Any], first_epoch: int) -> Task:
    data = configuration.data
    source, splits = pipelines(configuration)
    labels: Any = None
    if data.name in IN_MEMORY and configuration.noise.model != "none":
        x, labels = IN_MEMORY[data.name].load_data()[0]
        labels = noisy_labels(
            configuration, x, labels.ravel(), 100 if data.name == "cifar100" else 10
        )
    elif configuration.noise.model != "none":
        labels = transition_matrix(configuration, source(splits[0]).num_classes)
    shared: dict[str, Any] = {"seed": configuration.seed, "noise": labels}
    train = source(splits[0], augment=data.augment, first_epoch=first_epoch, **shared, **options)
    tests = {name: source(name, **options).dataset for name in splits[1:]}
    monitored = None
    if labels is not None:
        as_it_is = {"shuffle": False, "augment": False, "keep_clean": True}
        monitored = source(splits[0], batch_size=256, **as_it_is, **shared).dataset
    shape = tuple(train.element_spec[0].shape[1:])
    test = tests.pop(splits[1])
    batches, steps = train.dataset, train.steps
    if configuration.steps_per_epoch is not None:
        steps = min(steps, configuration.steps_per_epoch)
        batches = expecting(batches.take(steps), lambda: steps)
    return Task(batches, test, tests, steps, train.num_classes, shape, monitored)


def pipelines(configuration: Configuration) -> tuple[Callable[..., Any], list[str]]:
    """From the name of a split and options to its pipeline; and the splits, for training and for tests."""
    data = configuration.data
    photographs: dict[str, Any] = {
        "image_size": data.image_size,
        "max_bad_share": data.max_bad_share,
        "bad_images": data.bad_images or Path(configuration.results) / "bad_images.csv",
    }
    if data.name in IN_MEMORY:
        return IN_MEMORY[data.name].pipeline, ["train", "test"]
    folder = data.folder or ""
    if data.name == "tfds":
        train, test = data.train_split, data.test_split

        def of_tfds(split: str, **options: Any) -> datasets.Pipeline:
            options |= {"image_size": data.image_size, "data_dir": data.folder}
            options |= {"label_key": data.label_key} if split == train else {}
            name = data.tfds_name or ""
            return datasets.tfds.pipeline(name, split, is_training=split == train, **options)

        return of_tfds, [train, test]
    if data.name == "image_list":
        lists = {"train": data.train_list or "", "test": data.test_list or ""}

        def of_list(split: str, **options: Any) -> datasets.Pipeline:
            options |= {**photographs, "is_training": split == "train"}
            return datasets.image_list.pipeline(folder, lists[split], data.classes, **options)

        return of_list, ["train", "test"]

    def of_webvision(split: str, **options: Any) -> datasets.Pipeline:
        options |= {**photographs, "ilsvrc12": data.ilsvrc12}
        return datasets.webvision.pipeline(folder, split, data.subset, **options)

    return of_webvision, ["train", "val", *(["ilsvrc12"] if data.ilsvrc12 else [])]


def noisy_labels(configuration: Configuration, x: Any, labels: Any, num_classes: int) -> Any:
    """The labels to train on; the given ones if there is no noise."""
    rate, seed = configuration.noise.rate, configuration.seed
    if configuration.noise.model == "none" or rate == 0.0:
        return labels
    if configuration.noise.model == "instance_dependent":
        pixels = x.reshape(*x.shape[:3], -1).astype("float32")
        pixels -= pixels.mean(axis=(0, 1, 2))
        pixels /= pixels.std(axis=(0, 1, 2))
        return noise.instance_dependent(pixels, labels, num_classes, rate, seed=seed)
    return noise.corrupt(labels, transition_matrix(configuration, num_classes), seed=seed)


def transition_matrix(configuration: Configuration, num_classes: int) -> Any:
    rate = configuration.noise.rate
    if configuration.noise.model == "symmetric":
        return noise.symmetric(num_classes, rate)
    if configuration.noise.model == "pair_flip":
        return noise.pair_flip(num_classes, rate)
    if configuration.noise.model == "index_block":
        return noise.index_block(rate)
    return noise.asymmetric(configuration.data.name, rate)


def build(configuration: Configuration, task: Task, devices: Devices) -> keras.Model:
    """The compiled model."""
    model = devices.prepare(network_of(configuration, task))
    steps = configuration.epochs * task.steps
    loss = loss_of(configuration)
    if configuration.loss.logit_bias == "annealed":
        bias = keras_noisy.LogitBias(training_steps=steps)
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    if configuration.loss.weight_penalty:
        penalise_weights(model, keras.regularizers.L1(configuration.loss.weight_penalty))
    metrics: list[keras.metrics.Metric] = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if configuration.data.name == "webvision":
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5"))
    # Weighted: where test batches are filled up, what fills them counts nothing.
    model.compile(
        optimizer_of(configuration, task.steps, steps),
        loss=loss,
        weighted_metrics=metrics,
        jit_compile=configuration.jit,
    )
    return model


def loss_of(configuration: Configuration) -> keras_noisy.losses.RobustLoss:
    """The loss, without the bias of a layer.

    Raises:
        ValueError: If there is none of that name, or not with these arguments.
    """
    settings = configuration.loss
    logit_bias = None if settings.logit_bias == "annealed" else settings.logit_bias
    options: Any = {"from_logits": True, "logit_bias": logit_bias}
    if settings.arguments:
        if settings.published_for is not None:
            raise ValueError("loss.arguments must be empty where loss.published_for is given")
        identifier = {"class_name": settings.name, "config": dict(settings.arguments)}
        try:
            return keras_noisy.losses.get(identifier, **options)
        except TypeError as error:  # a hyperparameter that the loss has not
            raise ValueError(f"loss.arguments: {error}") from error
    dataset: Any = settings.published_for
    if dataset is None and not settings.name.isidentifier():  # a combination
        own = {"fashion_mnist": "mnist", "tfds": None, "image_list": None, "glyphs": None}
        by_classes = "cifar10" if configuration.data.classes <= 10 else "cifar100"
        by_classes = by_classes if configuration.data.classes <= 100 else "webvision"
        dataset = own.get(configuration.data.name, configuration.data.name) or by_classes
    return keras_noisy.losses.get(settings.name, dataset=dataset, **options)


def network_of(configuration: Configuration, task: Task) -> keras.Model:
    name, library = configuration.network.name, configuration.network.library
    more = configuration.network.arguments
    if name == "small_cnn":
        return models.small_cnn(task.num_classes, task.shape, **more)
    if name == "mlp1024":
        return models.mlp1024(task.num_classes, task.shape, **more)
    statistics = configuration.data.name if configuration.data.name in IN_MEMORY else "imagenet"
    is_colour = len(task.shape) == 3 and (task.shape[-1] == 3 or statistics == "fashion_mnist")
    normalisation = datasets.normalisation(statistics) if is_colour else None
    if name == "cnn8":
        return models.cnn8(task.num_classes, task.shape, normalisation, **more)
    depth = int(name[-2:])
    if name.startswith("cifar_resnet"):
        return models.cifar_resnet(task.num_classes, depth, task.shape, normalisation, **more)
    more = {"library": library, **more}
    return models.resnet(task.num_classes, depth, task.shape, normalisation, **more)


def optimizer_of(
    configuration: Configuration, epoch_steps: int, steps: int
) -> keras.optimizers.Optimizer:
    settings = configuration.optimizer
    schedules = keras.optimizers.schedules
    rate: Any = settings.learning_rate
    warmup = settings.warmup_epochs * epoch_steps
    if settings.schedule == "cosine":
        start = 0.0 if warmup else rate
        target = rate if warmup else None
        rate = schedules.CosineDecay(
            start, max(steps - warmup, 1), warmup_target=target, warmup_steps=warmup
        )
    elif settings.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, epoch_steps, settings.decay, staircase=True)
    shared: dict[str, Any] = {
        "weight_decay": settings.weight_decay or None,
        "clipnorm": settings.clip_norm,
        "global_clipnorm": settings.clip_global_norm,
    }
    if settings.name == "adamw":
        return keras.optimizers.AdamW(rate, **shared)
    return keras.optimizers.SGD(
        rate, momentum=settings.momentum, nesterov=settings.nesterov, **shared
    )


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
        write_whole(path, yaml.safe_dump(content, sort_keys=False))


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
        write_whole(log, "".join(log.read_text().splitlines(keepends=True)[: epochs + 1]))


def read_log(log: Path) -> dict[str, list[float]]:
    """The columns of a log, from their names to their values, epoch by epoch."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) for row in rows]
        for name in (rows[0] if rows else {})
        if name != "epoch"
    }


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
    shown = {
        "test accuracy": history["val_accuracy"],
        "accuracy on noisy training labels": history["accuracy"],
        "wrong labels memorised": history.get("memorised", []),
    }
    loss = configuration.loss
    title = f"{configuration.data.name}, {loss.name}"
    title += f" with logit bias {loss.logit_bias}" if loss.logit_bias is not None else ""
    title += f", {noise_of(configuration)}"
    figure = keras_noisy.plots.learning_curves(
        {name: values for name, values in shown.items() if values}, "share", title
    )
    figure.savefig(folder / "learning_curves.png")
    with this_process_alone():
        model.save(folder / "model.keras")
    last = {name: values[-1] for name, values in history.items()}
    record: dict[str, Any] = {
        "test_accuracy": last["val_accuracy"],
        "best_test_accuracy": max(history["val_accuracy"]),
        **{f"{name}_accuracy": value for name, value in accuracies.items()},
        **{name: last[name] for name in ("val_top5", "memorised", "recognised") if name in last},
        "seconds": sum(history["seconds"]),
    }
    record |= {
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


def read_record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
