"""Trainings on glyphs with wrong labels: one protocol, one record a run, for benchmarks to share."""

import argparse
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

import keras_noisy
from keras_noisy.calibration import initial_logits
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.models import small_cnn
from keras_noisy.training import LabelNoiseMonitor, memorised, write_atomically

BATCH_SIZE = 128

# From a fresh network, an optimizer and the number of steps to the network that is trained.
Prepare = Callable[[keras.Model, keras.optimizers.Optimizer, int], keras.Model]


class Setting(NamedTuple):
    """What is trained on.

    Attributes:
        classes: Number of classes.
        images: Training images of each class.
        epochs: Passes over them.
        noise: Share of wrong training labels.
        seed: Of the network, the noise and the order of batches.
        noise_model: `"symmetric"`, or `"pair"`: wrong labels are those of the next class.
    """

    classes: int
    images: int
    epochs: int
    noise: float
    seed: int
    noise_model: str = "symmetric"

    def transition_matrix(self) -> np.ndarray:
        if self.noise_model == "symmetric":
            return keras_noisy.noise.symmetric(self.classes, self.noise)
        return keras_noisy.noise.pair_flip(self.classes, self.noise)


def train(
    setting: Setting,
    prepare: Prepare,
    network: Callable[..., keras.Model] = small_cnn,
    batch_size: int = BATCH_SIZE,
    test_images: int = 10,
    batch_statistics: bool = False,
    curves: bool = False,
) -> dict[str, Any]:
    """Trains one network; the same one, with the same protocol, whatever it is trained by.

    Args:
        setting: What is trained on.
        prepare: What it is trained by.
        network: From a number of classes and the shape of an image to the network.
        batch_size: Images in a batch.
        test_images: Test images of each class.
        batch_statistics: Whether batch normalisation takes those of the test batch: after an epoch or
            so its moving averages still hold much of what they began with.
        curves: Whether the history has what `LabelNoiseMonitor` shows, of 2,000 images each.

    Returns:
        A record: `test_accuracy` on images with correct labels; `ranking`, the share of wrong classes
        that the true one is ranked above, 0.5 by chance; `memorised`, the share of wrong training
        labels that the network reproduces, if there are some; and more.
    """
    (x, true_labels), test = glyphs.load_data(
        setting.classes, setting.images, test_per_class=test_images, verbose=0
    )
    order = np.random.default_rng(0).permutation(len(test[1]))
    x_test, y_test = test[0][order], test[1][order]
    noisy_labels = keras_noisy.noise.corrupt(
        true_labels, setting.transition_matrix(), seed=setting.seed
    )
    keras.utils.set_random_seed(setting.seed)
    batches = ShuffledBatches(x, noisy_labels, batch_size, seed=setting.seed)
    steps = setting.epochs * len(batches)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, steps),
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        clipnorm=5.0,
    )
    model = prepare(network(setting.classes, input_shape=x.shape[1:]), optimizer, steps)
    monitor = LabelNoiseMonitor(
        (x, noisy_labels, true_labels) if setting.noise else None,
        (x_test, y_test),
        max_samples=2000,
        batch_size=1000,
    )
    start = time.perf_counter()
    history = model.fit(
        batches,
        shuffle=False,  # done already
        epochs=setting.epochs,
        callbacks=[monitor] if curves else [],
        verbose=1 if sys.stdout.isatty() else 0,
    ).history
    seconds = time.perf_counter() - start
    if batch_statistics:
        logits = initial_logits(model, x_test, batch_size).values
    else:
        logits = model.predict(x_test, batch_size=1000, verbose=0)
    of_truth = np.take_along_axis(logits, y_test[:, np.newaxis], axis=-1)
    outcome = {
        "test_accuracy": float(np.mean(np.argmax(logits, axis=-1) == y_test)),
        "ranking": float(np.sum(logits < of_truth) / (len(logits) * (setting.classes - 1))),
    }
    if setting.noise:
        outcome["memorised"] = memorised(model, x, noisy_labels, true_labels, batch_size=1000)
    return {
        **outcome,
        "history": history,
        "seconds": round(seconds, 1),
        "backend": keras.backend.backend(),
    }


def by_loss(loss: keras.losses.Loss) -> Prepare:
    """Trains by a loss, nothing else."""

    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        model.compile(optimizer, loss=loss, metrics=["accuracy"])
        return model

    return prepare


def record(folder: Path, setting: Setting, variant: str, run: Callable[[], dict]) -> dict[str, Any]:
    """The record of a run: read, if it is there; else made, and written whole or not at all."""
    path = record_path(folder, setting, variant)
    if not path.exists():
        content = {**setting._asdict(), "variant": variant, **run()}
        write_atomically(path, json.dumps(content, indent=1))
        memorised = f", memorised {content['memorised']:.1%}" if "memorised" in content else ""
        print(
            f"K={setting.classes} seed {setting.seed} {variant}: "
            f"test {content['test_accuracy']:.1%}{memorised}, {content['seconds']:.0f} s",
            flush=True,
        )
    return json.loads(path.read_text())


def records(
    folder: Path,
    settings: Iterable[Setting],
    variants: Sequence[str],
    run: Callable[[str, Setting], dict[str, Any]],
) -> dict[tuple[Setting, str], list[dict[str, Any]]]:
    """The records of all variants in all settings: made or read; those that differ by seed together.

    A setting in a key has the seed 0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[Setting, str], list[dict[str, Any]]] = {}
    for setting in settings:
        for variant in variants:
            one = record(folder, setting, variant, partial(run, variant, setting))
            found.setdefault((setting._replace(seed=0), variant), []).append(one)
    return found


def record_path(folder: Path, setting: Setting, variant: str) -> Path:
    what = {**setting._asdict(), "variant": variant}
    words = "-".join(f"{key}={value}" for key, value in what.items())
    return folder / (re.sub(r"[^\w.=+()-]", "_", words.replace("%", "percent")) + ".json")


def parser_of(documentation: str | None) -> argparse.ArgumentParser:
    """The command line of a benchmark, with the first paragraph of its documentation."""
    return argparse.ArgumentParser(
        description=(documentation or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )


def spread(values: list[float]) -> str:
    """Mean ± standard deviation, in per cent."""
    text = f"{100 * statistics.fmean(values):.1f}"
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "") + " %"
