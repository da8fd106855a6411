"""Compare how well noise-robust losses learn with wrong labels, on a laptop, in minutes.

Trains the same small network with several losses on images of printed characters, of which 40 % of
the training labels are wrong, and compares the results. Downloads nothing.

    python recipes/quickstart.py --classes 400 --noise 0.4 --losses ce mae mae+bias mae+classwise
    python recipes/quickstart.py --optimizer adamw --losses mae+bias mae+adaptive mae+classwise

Writes `results.json`, a record for each loss, and `test_accuracy.png` to the results folder.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
from command_line import OneLineParser
from optimizer import OPTIMIZERS, build_optimizer
from records import write_json

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.models import small_cnn
from keras_noisy.plots import learning_curves
from keras_noisy.training import memorised


class Choice(NamedTuple):
    """A loss of the command line.

    Attributes:
        title: Its name in table and plot.
        loss: The loss.
        make_bias: Makes the layer with its logit bias from the number of training steps, or `None`.
    """

    title: str
    loss: keras_noisy.losses.RobustLoss
    make_bias: Callable[[int], keras_noisy.LogitBias] | None = None


MAE = keras_noisy.MAE(from_logits=True)
LOSSES = {
    "ce": Choice("CE", keras_noisy.CE(from_logits=True)),
    "mae": Choice("MAE", MAE),
    "gce": Choice("GCE(0.7)", keras_noisy.GCE(q=0.7, from_logits=True)),
    "mae+bias": Choice("MAE + constant bias", MAE.with_options(logit_bias="auto")),
    "mae+classwise": Choice("MAE + class-wise bias", MAE, lambda steps: keras_noisy.LogitBias()),
    "mae+adaptive": Choice("MAE + adaptive bias", MAE.with_options(logit_bias="adaptive")),
    "mae+annealed": Choice(
        "MAE + annealed bias", MAE, lambda steps: keras_noisy.LogitBias(training_steps=steps)
    ),
}
DEFAULT_LOSSES = ["ce", "mae", "gce", "mae+bias", "mae+classwise"]
BATCH_SIZE = 128
COLUMNS = "{:<21} {:>15} {:>11} {:>9}"


def main(arguments: list[str] | None = None) -> None:
    """Trains with the losses of the command line, and writes records and a plot."""
    options = parse(arguments)
    train, test = glyphs.load_data(options.classes, options.images, test_per_class=10)
    x, true_labels = train
    matrix = keras_noisy.noise.symmetric(options.classes, options.noise)
    noisy_labels = keras_noisy.noise.corrupt(true_labels, matrix, seed=options.seed)
    wrong = (noisy_labels != true_labels).mean()
    print(
        f"{len(x)} images of {options.classes} characters, {wrong:.1%} of the labels wrong; "
        f"logit bias {keras_noisy.calibration.logit_bias(options.classes):.2f}; "
        f"{options.optimizer}, {keras.backend.backend()} backend"
    )
    records = []
    for name in dict.fromkeys(options.losses):  # without repetitions
        choice = LOSSES[name]
        print(f"\n{choice.title}", flush=True)
        record = train_one(choice, x, noisy_labels, true_labels, test, options)
        records.append({"loss": choice.title, **record})
        write_json(options.results / "results.json", records)
    curves = {r["loss"]: r["history"]["val_accuracy"] for r in records}
    title = f"{options.classes} classes, {options.noise:.0%} of the training labels wrong"
    learning_curves(curves, title=title).savefig(options.results / "test_accuracy.png")
    print_table(records)
    print(f"\nWrote results.json and test_accuracy.png to {options.results}{os.sep}")


def train_one(
    choice: Choice,
    x: Any,
    noisy_labels: Any,
    true_labels: Any,
    test: tuple[Any, Any],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Trains the network with a loss; returns the record. All else is the same for all losses."""
    keras.utils.set_random_seed(options.seed)
    model = small_cnn(options.classes, input_shape=x.shape[1:])
    batches = ShuffledBatches(x, noisy_labels, BATCH_SIZE, seed=options.seed)
    loss = choice.loss
    if choice.make_bias is not None:
        bias = choice.make_bias(options.epochs * len(batches))
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    optimizer = build_optimizer(OPTIMIZERS[options.optimizer], options.epochs, len(batches))
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(
        batches,
        shuffle=False,  # the batches are shuffled already
        epochs=options.epochs,
        validation_data=test,  # with true labels
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    seconds = time.perf_counter() - start
    return {
        "test_accuracy": history["val_accuracy"][-1],
        "memorised": memorised(model, x, noisy_labels=noisy_labels, true_labels=true_labels),
        "seconds": round(seconds, 1),
        "classes": options.classes,
        "noise": options.noise,
        "epochs": options.epochs,
        "images": options.images,
        "seed": options.seed,
        "optimizer": options.optimizer,
        "backend": keras.backend.backend(),
        "history": history,
    }


def print_table(records: list[dict[str, Any]]) -> None:
    """Prints the results of all losses."""
    print("\n" + COLUMNS.format("loss", "test accuracy", "memorised", "seconds"))
    for record in records:
        accuracy, share = (f"{record[key]:.1%}" for key in ("test_accuracy", "memorised"))
        print(COLUMNS.format(record["loss"], accuracy, share, f"{record['seconds']:.0f}"))
    print(
        "\ntest accuracy: on new images with correct labels, after the last epoch\n"
        "memorised: share of the wrong training labels that the network reproduces"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads and checks the command line, and makes the results folder."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--classes", type=int, default=400, help="number of classes, 2 to 2000")
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    add("--epochs", type=int, default=20, help="passes over the training images")
    add("--images", type=int, default=50, help="training images per class")
    add("--losses", nargs="+", default=DEFAULT_LOSSES, choices=LOSSES, help="losses to compare")
    add("--optimizer", default="sgd", choices=OPTIMIZERS, help="optimizer of all trainings")
    add("--seed", type=int, default=0, help="seed of network, noise and order of batches")
    add("--results", type=Path, default=Path("results/quickstart"), help="folder to write to")
    options = parser.parse_args(arguments)
    allowed = {
        "classes": (2 <= options.classes <= 2000, "a number from 2 to 2000"),
        "noise": (0.0 <= options.noise <= 1.0, "a number from 0 to 1"),
        "epochs": (options.epochs >= 1, "at least 1"),
        "images": (options.images >= 1, "at least 1"),
        "seed": (0 <= options.seed < 2**32, "from 0 to 2^32 - 1"),
    }
    for name, (is_allowed, what) in allowed.items():
        if not is_allowed:
            parser.error(f"argument --{name}: must be {what}; received {getattr(options, name)}")
    try:
        options.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --results: {error}")
    return options


if __name__ == "__main__":
    main()
