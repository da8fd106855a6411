"""Trainings on glyphs with wrong labels: one protocol, one record a run, for benchmarks to share."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_noisy
from keras_noisy.calibration import initial_logits
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.models import small_cnn
from keras_noisy.training import memorised

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
    """

    classes: int
    images: int
    epochs: int
    noise: float
    seed: int


def train(
    setting: Setting,
    prepare: Prepare,
    network: Callable[..., keras.Model] = small_cnn,
    batch_size: int = BATCH_SIZE,
    test_images: int = 10,
    batch_statistics: bool = False,
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

    Returns:
        A record: `test_accuracy` on images with correct labels; `ranking`, the share of wrong classes
        that the true one is ranked above, 0.5 by chance; `memorised`, the share of wrong training
        labels that the network reproduces, if there are some; and more.
    """
    (x, true_labels), test = glyphs.load_data(
        setting.classes, setting.images, test_per_class=test_images, verbose=0
    )
    matrix = keras_noisy.noise.symmetric(setting.classes, setting.noise)
    noisy_labels = keras_noisy.noise.corrupt(true_labels, matrix, seed=setting.seed)
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
    start = time.perf_counter()
    history = model.fit(
        batches,
        shuffle=False,  # done already
        epochs=setting.epochs,
        verbose=1 if sys.stdout.isatty() else 0,
    ).history
    seconds = time.perf_counter() - start
    order = np.random.default_rng(0).permutation(len(test[1]))
    x_test, y_test = test[0][order], test[1][order]
    if batch_statistics:
        logits = initial_logits(model, x_test, batch_size).values
    else:
        logits = model.predict(x_test, batch_size=1000, verbose=0)
    of_truth = np.take_along_axis(logits, y_test[:, np.newaxis], axis=-1)
    outcome = {
        "test_accuracy": float(np.mean(np.argmax(logits, axis=-1) == y_test)),
        "ranking": float(np.sum(logits < of_truth) / (len(logits) * (setting.classes - 1))),
    }
    if np.any(noisy_labels != true_labels):
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
        draft = path.with_suffix(f".{time.time_ns()}.tmp")
        draft.write_text(json.dumps(content, indent=1))
        draft.replace(path)
        memorised = f", memorised {content['memorised']:.1%}" if "memorised" in content else ""
        print(
            f"K={setting.classes} seed {setting.seed} {variant}: "
            f"test {content['test_accuracy']:.1%}{memorised}, {content['seconds']:.0f} s",
            flush=True,
        )
    return json.loads(path.read_text())


def record_path(folder: Path, setting: Setting, variant: str) -> Path:
    what = {**setting._asdict(), "variant": variant}
    words = "-".join(f"{key}={value}" for key, value in what.items())
    return folder / (words.replace(" ", "_").replace("%", "percent") + ".json")


def spread(values: list[float]) -> str:
    """Mean ± standard deviation, in per cent."""
    text = f"{100 * statistics.fmean(values):.1f}"
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "") + " %"
