"""Trainings on images of glyphs with wrong labels, with one protocol, which benchmarks share."""

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "recipes"))

from command_line import OneLineParser as OneLineParser
from optimizer import Optimizer, build_optimizer

import keras_noisy
from keras_noisy.calibration import initial_logits
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.models import small_cnn
from keras_noisy.training import LabelNoiseMonitor, memorised, write_atomically

BATCH_SIZE = 128

# Compiles a new network with an optimizer, for a number of steps; returns the model to train.
Prepare = Callable[[keras.Model, keras.optimizers.Optimizer, int], keras.Model]


class Experiment(NamedTuple):
    """The settings of a training on glyphs that do not depend on the loss.

    Attributes:
        classes: Number of classes.
        images: Number of training images per class.
        epochs: Number of passes over the training images.
        noise: Share of wrong training labels.
        seed: Seed of the network, the noise and the order of batches.
        noise_model: `"symmetric"`, or `"pair"`, which replaces a label by the next class.
    """

    classes: int
    images: int
    epochs: int
    noise: float
    seed: int
    noise_model: str = "symmetric"

    def transition_matrix(self) -> np.ndarray:
        """Returns the transition matrix of the noise."""
        if self.noise_model == "symmetric":
            return keras_noisy.noise.symmetric(self.classes, self.noise)
        return keras_noisy.noise.pair_flip(self.classes, self.noise)


class Data(NamedTuple):
    """The images of a training.

    Attributes:
        x: Training images.
        noisy_labels: Their labels, of which some are wrong.
        true_labels: Their correct labels.
        x_test: Test images, equally many of each class.
        y_test: Their labels, which are correct.
    """

    x: np.ndarray
    noisy_labels: np.ndarray
    true_labels: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_data(
    experiment: Experiment, test_images: int = 10, sizes: np.ndarray | None = None
) -> Data:
    """Loads the images of an experiment.

    Args:
        experiment: The experiment.
        test_images: Number of test images per class.
        sizes: Numbers of training images of each class, (K,), at most `experiment.images`; by
            default, that number for every class.
    """
    (x, true_labels), test = glyphs.load_data(
        experiment.classes, experiment.images, test_per_class=test_images, verbose=0
    )
    if sizes is not None:
        order = np.argsort(true_labels, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order)) % experiment.images  # among the images of the class
        kept = place < sizes[true_labels]
        x, true_labels = x[kept], true_labels[kept]
    order = np.random.default_rng(0).permutation(len(test[1]))
    noisy_labels = keras_noisy.noise.corrupt(
        true_labels, experiment.transition_matrix(), seed=experiment.seed
    )
    return Data(x, noisy_labels, true_labels, test[0][order], test[1][order])


def train(
    experiment: Experiment,
    prepare: Prepare,
    network: Callable[..., keras.Model] = small_cnn,
    batch_size: int = BATCH_SIZE,
    test_images: int = 10,
    batch_statistics: bool = False,
    curves: bool = False,
    settings: Optimizer = Optimizer(),  # noqa: B008 - it is not changed
    data: Data | None = None,
) -> dict[str, Any]:
    """Trains a network. Only `prepare` differs between the variants that a benchmark compares.

    Args:
        experiment: Data, noise, length and seed of the training.
        prepare: Compiles the model, with a loss.
        network: Makes the network from a number of classes and the shape of an image.
        batch_size: Number of images in a batch.
        test_images: Number of test images per class.
        batch_statistics: Whether batch normalisation uses the statistics of the test batch. After
            about one epoch its moving averages still depend on their initial values.
        curves: Whether the history includes the values of `LabelNoiseMonitor`, measured on 2,000
            images each.
        settings: The optimizer.
        data: The images. Defaults to `load_data(experiment, test_images)`.

    Returns:
        A record: `test_accuracy` on images with correct labels; `ranking`, the share of wrong
        classes with a lower logit than the true one, 0.5 by chance; `memorised`, the share of wrong
        training labels that the network predicts, if there are any; and more.
    """
    x, noisy_labels, true_labels, x_test, y_test = data or load_data(experiment, test_images)
    keras.utils.set_random_seed(experiment.seed)
    batches = ShuffledBatches(x, noisy_labels, batch_size, seed=experiment.seed)
    optimizer = build_optimizer(settings, experiment.epochs, len(batches))
    model = prepare(
        network(experiment.classes, input_shape=x.shape[1:]),
        optimizer,
        experiment.epochs * len(batches),
    )
    monitor = LabelNoiseMonitor(
        (x, noisy_labels, true_labels) if experiment.noise else None,
        (x_test, y_test),
        max_samples=2000,
        batch_size=1000,
    )
    start = time.perf_counter()
    history = model.fit(
        batches,
        shuffle=False,  # the batches are shuffled already
        epochs=experiment.epochs,
        callbacks=[monitor] if curves else [],
        verbose=1 if sys.stdout.isatty() else 0,
    ).history
    seconds = time.perf_counter() - start
    if batch_statistics:
        logits = initial_logits(model, x_test, batch_size).values
    else:
        logits = model.predict(x_test, batch_size=1000, verbose=0)
    true_logits = np.take_along_axis(logits, y_test[:, np.newaxis], axis=-1)
    outcome = {
        "test_accuracy": float(np.mean(np.argmax(logits, axis=-1) == y_test)),
        "ranking": float(np.sum(logits < true_logits) / (len(logits) * (experiment.classes - 1))),
    }
    if experiment.noise:
        outcome["memorised"] = memorised(
            model, x, noisy_labels=noisy_labels, true_labels=true_labels, batch_size=1000
        )
    return {
        **outcome,
        "history": history,
        "seconds": round(seconds, 1),
        "backend": keras.backend.backend(),
    }


def prepare_with(loss: keras.losses.Loss) -> Prepare:
    """Returns a function that compiles the network with a loss, without changing it."""

    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        model.compile(optimizer, loss=loss, metrics=["accuracy"])
        return model

    return prepare


def make_record(
    folder: Path, experiment: Experiment, variant: str, run: Callable[[], dict]
) -> dict[str, Any]:
    """Returns the record of a training, from its file if there is one.

    Otherwise calls `run` and writes the file atomically.
    """
    path = record_path(folder, experiment, variant)
    if not path.exists():
        content = {**experiment._asdict(), "variant": variant, **run()}
        write_atomically(path, json.dumps(content, indent=1))
        memorised = f", memorised {content['memorised']:.1%}" if "memorised" in content else ""
        print(
            f"K={experiment.classes} seed {experiment.seed} {variant}: "
            f"test {content['test_accuracy']:.1%}{memorised}, {content['seconds']:.0f} s",
            flush=True,
        )
    return json.loads(path.read_text())


def make_records(
    folder: Path,
    experiments: Iterable[Experiment],
    variants: Sequence[str],
    run: Callable[[str, Experiment], dict[str, Any]],
) -> dict[tuple[Experiment, str], list[dict[str, Any]]]:
    """Returns the records of all variants in all experiments, from files or by training.

    Records that differ only by seed share a key, in which the seed is 0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[Experiment, str], list[dict[str, Any]]] = {}
    for experiment in experiments:
        for variant in variants:
            record = make_record(folder, experiment, variant, partial(run, variant, experiment))
            found.setdefault((experiment._replace(seed=0), variant), []).append(record)
    return found


def record_path(folder: Path, experiment: Experiment, variant: str) -> Path:
    """Returns the file of a record, whose name has all settings."""
    settings = {**experiment._asdict(), "variant": variant}
    words = "-".join(f"{key}={value}" for key, value in settings.items())
    return folder / (re.sub(r"[^\w.=+()-]", "_", words.replace("%", "percent")) + ".json")


def make_parser(documentation: str | None, results: str) -> OneLineParser:
    """Makes a parser of the command line with the arguments of all comparisons over seeds.

    Args:
        documentation: Docstring of the benchmark.
        results: Default of the results folder.
    """
    parser = OneLineParser(documentation)
    add = parser.add_argument
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of network, noise, batches")
    add("--results", type=Path, default=Path(results), help="folder to write to")
    return parser


def format_spread(values: list[float]) -> str:
    """Formats the mean ± standard deviation of shares, in per cent."""
    text = f"{100 * statistics.fmean(values):.1f}"
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "") + " %"


def print_legend(*columns: str) -> None:
    """Prints what the columns of a table are, with the given lines for additional columns."""
    lines = [
        "test: accuracy on new images with correct labels, after the last epoch",
        "memorised: share of the wrong training labels that the network predicts",
        *columns,
        "mean ± standard deviation over the seeds",
    ]
    print("\n" + "\n".join(lines))
