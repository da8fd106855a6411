"""How does a logit bias that falls to 0 during the training compare with other losses?

A constant logit bias lets MAE learn with many classes, but late in training the network memorises
wrong labels. This benchmark trains a small network on images of printed characters, some of whose
training labels are wrong, with MAE and a bias that falls to 0, and with other losses.

    python benchmarks/annealed_bias.py                              # 40 % and no noise, three seeds
    python benchmarks/annealed_bias.py --classes 100 --noise 0.4    # one block of its table

On one core with JAX a training takes about 10 seconds with 100 classes and 25 with 1000. The record
of a training is written to the results folder when the training is done. Trainings whose record
exists are not repeated, so an interrupted benchmark continues, and several processes can share the
work by `--classes`, `--noise` or `--seeds`. Downloads nothing.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np
from glyph_runs import Experiment, format_spread
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, PolynomialDecay

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.losses import RobustLoss
from keras_noisy.models import small_cnn
from keras_noisy.plots import curve_panels

# Training images per class, epochs, and the data set whose published weights the combinations use,
# by number of classes.
PROTOCOLS = {100: (96, 25, "cifar100"), 1000: (28, 18, "webvision")}

COLUMNS = "{:>7} {:>9} {:>5} {:<28} {:>5} {:>14} {:>14}"

# Makes a loss for a number of classes. An annealed bias is added later.
Loss = Callable[[int], RobustLoss]
LOSSES: dict[str, Loss] = {
    "CE": lambda _: keras_noisy.CE(),
    "MAE": lambda _: keras_noisy.MAE(),
    "MAE, constant bias": lambda _: keras_noisy.MAE(logit_bias="auto"),
    "MAE, adaptive bias": lambda _: keras_noisy.MAE(logit_bias="adaptive"),
    "GCE(0.7)": lambda _: keras_noisy.GCE(q=0.7),
    "GCE(auto)": lambda _: keras_noisy.GCE(q="auto"),
    "SCE": lambda _: keras_noisy.SCE(),
    "NCE+RCE": lambda k: keras_noisy.losses.get("nce+rce", dataset=PROTOCOLS[k][2]),
    "NCE+AGCE": lambda k: keras_noisy.losses.get("nce+agce", dataset=PROTOCOLS[k][2]),
}

# Makes the layer that anneals the bias, for numbers of classes and steps.
Anneal = Callable[[int, int], keras_noisy.LogitBias]


def anneal_by_default(num_classes: int, steps: int) -> keras_noisy.LogitBias:
    """Returns the layer with its default schedule."""
    return keras_noisy.LogitBias(training_steps=steps)


def anneal_from(factor: float) -> Anneal:
    """Returns the default schedule, but from `factor` times eps(K)."""
    return lambda k, steps: keras_noisy.LogitBias(factor * logit_bias(k), training_steps=steps)


def anneal_along(
    schedule: Callable[..., Any], length: float, adaptive: bool, **options: Any
) -> Anneal:
    """Returns a bias that follows a schedule of Keras.

    Args:
        schedule: Class of the schedule.
        length: Share of the training that the schedule takes.
        adaptive: Whether each sample gets a share of the bias, which then starts from 1.2 eps(K) as
            by default. Otherwise all samples get the same bias, which starts from eps(K).
        **options: Further arguments of the schedule.
    """
    factor = 1.2 if adaptive else 1.0
    return lambda k, steps: keras_noisy.LogitBias(
        schedule(factor * logit_bias(k), length * steps, **options), adaptive=adaptive
    )


MAE: Loss = LOSSES["MAE"]
SHAPES: dict[str, tuple[Callable[..., Any], dict[str, float], tuple[float, ...]]] = {
    "linear": (PolynomialDecay, {"end_learning_rate": 0.0}, (0.5, 0.8, 1.0)),
    "cosine": (CosineDecay, {}, (0.5, 0.8, 1.0)),
    "exponential": (ExponentialDecay, {"decay_rate": 0.01}, (1.0,)),
    "cosine to a quarter": (CosineDecay, {"alpha": 0.25}, (1.0,)),
}
ANNEALED: dict[str, tuple[Loss, Anneal]] = {
    "MAE, annealed bias": (MAE, anneal_by_default),
    **{f"MAE, annealed from {c:g} eps": (MAE, anneal_from(c)) for c in (0.8, 1.0, 1.4, 1.6)},
    **{
        f"MAE, {name} over {length:.0%}{', shares' * adaptive}": (
            MAE,
            anneal_along(schedule, length, adaptive, **options),
        )
        for adaptive in (True, False)
        for name, (schedule, options, lengths) in SHAPES.items()
        for length in lengths
        if not (adaptive and (name, length) == ("cosine", 1.0))  # this is the default
    },
    "GCE(auto), annealed bias": (LOSSES["GCE(auto)"], anneal_by_default),
    "GCE(0.7), annealed bias": (LOSSES["GCE(0.7)"], anneal_by_default),
    "AGCE, annealed bias": (lambda _: keras_noisy.AGCE(), anneal_by_default),
    "NCE+AGCE, annealed bias": (LOSSES["NCE+AGCE"], anneal_by_default),
}
COMPARED = [*LOSSES, "MAE, annealed bias"]
# The losses in the figures, which have room for a few only.
DRAWN = ["CE", "GCE(auto)", "MAE, constant bias", "MAE, adaptive bias", "MAE, annealed bias"]


def run(variant: str, experiment: Experiment) -> dict[str, Any]:
    """Trains with a variant of the loss; returns the record."""

    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        if variant in ANNEALED:
            loss_for, anneal = ANNEALED[variant]
            bias = anneal(experiment.classes, steps)
            model = keras.Model(model.input, bias(model.output))
            loss = loss_for(experiment.classes).with_options(logit_bias=bias, from_logits=True)
        else:
            loss = LOSSES[variant](experiment.classes).with_options(from_logits=True)
        metrics = ["accuracy", keras_noisy.training.CurrentLogitBias(loss)]
        model.compile(optimizer, loss=loss, metrics=metrics)
        return model

    network = partial(small_cnn, filters=(8, 16), hidden_units=192)
    return glyph_runs.train(experiment, prepare, network, curves=True)


def main() -> None:
    """Trains all variants, prints a table, and draws figures if asked to."""
    options = parse()
    experiments = [
        Experiment(k, images, options.epochs or epochs, noise, seed, options.noise_model)
        for seed in options.seeds
        for k, (images, epochs, _) in PROTOCOLS.items()
        if k in options.classes
        for noise in options.noise
    ]
    rows = glyph_runs.make_records(options.results, experiments, options.variants, run)
    print("\n" + COLUMNS.format("classes", "noise", "epochs", "loss", "seeds", "test", "memorised"))
    for (experiment, variant), records in sorted(rows.items(), key=sort_key):
        test = format_spread([record["test_accuracy"] for record in records])
        share = (
            format_spread([r["memorised"] for r in records]) if "memorised" in records[0] else "–"
        )
        row = (
            experiment.classes,
            f"{experiment.noise:.0%}",
            experiment.epochs,
            variant,
            len(records),
        )
        print(COLUMNS.format(*row, test, share))
    glyph_runs.print_legend()
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        draw(options.figures, rows)


def draw(folder: Path, rows: dict[tuple[Experiment, str], list[dict[str, Any]]]) -> None:
    """Writes a figure of means over the seeds for each number of classes, noise and length."""
    panels = {
        "test accuracy [%]": ("test_accuracy", 100.0),
        "wrong labels memorised [%]": ("memorised", 100.0),
        "logit bias": ("logit_bias", 1.0),
    }
    for experiment in sorted({experiment for experiment, _ in rows}):
        classes, noise, epochs = experiment.classes, experiment.noise, experiment.epochs
        histories = {
            v: [record["history"] for record in rows[experiment, v]]
            for v in DRAWN
            if (experiment, v) in rows
        }
        curves = {
            label: {
                name: scale * np.mean([history[key] for history in seeds], axis=0)
                for name, seeds in histories.items()
                if any(seeds[0].get(key, ()))
            }
            for label, (key, scale) in panels.items()
        }
        figure = curve_panels(
            {label: each for label, each in curves.items() if each},
            title=f"{classes} classes, {noise:.0%} of the training labels wrong",
        )
        figure.savefig(folder / f"annealed_bias_{classes}_{100 * noise:.0f}_{epochs}.png")


def sort_key(row: tuple[tuple[Experiment, str], Any]) -> tuple:
    """Returns the key that sorts rows by experiment and by the order of the variants."""
    (experiment, variant), _ = row
    return *experiment, [*LOSSES, *ANNEALED].index(variant)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.make_parser(__doc__, "results/annealed_bias")
    add = parser.add_argument
    add(
        "--classes",
        type=int,
        nargs="+",
        default=list(PROTOCOLS),
        choices=PROTOCOLS,
        help="numbers of classes",
    )
    add(
        "--noise", type=float, nargs="+", default=[0.4, 0.0], help="shares of wrong training labels"
    )
    add(
        "--noise-model",
        default="symmetric",
        choices=["symmetric", "pair"],
        help="whether a wrong label is that of any other class or of the next one",
    )
    add("--epochs", type=int, help="epochs, if not those of the protocol")
    add(
        "--variants",
        nargs="+",
        default=COMPARED,
        choices=["all", *LOSSES, *ANNEALED],
        metavar="LOSS",
        help=f"losses to train with, or all; there are: {', '.join([*LOSSES, *ANNEALED])}".replace(
            "%", "%%"
        ),
    )
    add("--figures", type=Path, help="folder for figures of learning curves, if any")
    options = parser.parse_args()
    if "all" in options.variants:
        options.variants = [*LOSSES, *ANNEALED]
    return options


if __name__ == "__main__":
    main()
