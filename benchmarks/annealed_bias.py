"""What does a logit bias that falls to 0 in training do, beside other losses?

A constant logit bias lets MAE learn with many classes, but leaves a loss that memorises wrong labels
late in training. This trains one small network on images of printed characters, some of whose
training labels are wrong, by MAE with a bias that falls to 0 and by what else one would take.

    python benchmarks/annealed_bias.py                              # 40 % noise and none, three seeds
    python benchmarks/annealed_bias.py --classes 100 --noise 0.4    # one block of its table

On one core and JAX a run takes about 10 seconds with 100 classes and 25 with 1000. A run's record
is written to the results folder as soon as the run is finished, and a run whose record is there is not
repeated: what was interrupted goes on, and several processes may share the work by `--classes`,
`--noise` or `--seeds`. Nothing is downloaded.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import glyph_runs
import keras
import numpy as np
from glyph_runs import Setting, spread
from keras.optimizers.schedules import CosineDecay, ExponentialDecay, PolynomialDecay

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.losses import RobustLoss
from keras_noisy.models import small_cnn
from keras_noisy.plots import curve_panels

# By number of classes: training images of each, epochs, and the data set whose published weights the
# combinations take.
PROTOCOLS = {100: (96, 25, "cifar100"), 1000: (28, 18, "webvision")}

COLUMNS = "{:>7} {:>9} {:>5} {:<28} {:>5} {:>14} {:>14}"

# From a number of classes to a loss without bias, or with one of its own.
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

# From numbers of classes and of steps to the layer whose bias changes within them.
Anneal = Callable[[int, int], keras_noisy.LogitBias]


def the_default(num_classes: int, steps: int) -> keras_noisy.LogitBias:
    return keras_noisy.LogitBias(training_steps=steps)


def start_at(factor: float) -> Anneal:
    """As the default, but from so many times eps(K)."""
    return lambda k, steps: keras_noisy.LogitBias(factor * logit_bias(k), training_steps=steps)


def follow(schedule: Callable[..., Any], length: float, shares: bool, **options: Any) -> Anneal:
    """A bias on a schedule of Keras, which takes so much of the training.

    Each sample gets a share of it, from 1.2 eps(K) as the default; or all get the whole, from eps(K).
    """
    factor = 1.2 if shares else 1.0
    return lambda k, steps: keras_noisy.LogitBias(
        schedule(factor * logit_bias(k), length * steps, **options), adaptive=shares
    )


MAE: Loss = LOSSES["MAE"]
SHAPES: dict[str, tuple[Callable[..., Any], dict[str, float], tuple[float, ...]]] = {
    "linear": (PolynomialDecay, {"end_learning_rate": 0.0}, (0.5, 0.8, 1.0)),
    "cosine": (CosineDecay, {}, (0.5, 0.8, 1.0)),
    "exponential": (ExponentialDecay, {"decay_rate": 0.01}, (1.0,)),
    "cosine to a quarter": (CosineDecay, {"alpha": 0.25}, (1.0,)),
}
ANNEALED: dict[str, tuple[Loss, Anneal]] = {
    "MAE, annealed bias": (MAE, the_default),
    **{f"MAE, annealed from {c:g} eps": (MAE, start_at(c)) for c in (0.8, 1.0, 1.4, 1.6)},
    **{
        f"MAE, {name} over {length:.0%}{', shares' * shares}": (
            MAE,
            follow(schedule, length, shares, **options),
        )
        for shares in (True, False)
        for name, (schedule, options, lengths) in SHAPES.items()
        for length in lengths
        if not (shares and (name, length) == ("cosine", 1.0))  # which is the default
    },
    "GCE(auto), annealed bias": (LOSSES["GCE(auto)"], the_default),
    "GCE(0.7), annealed bias": (LOSSES["GCE(0.7)"], the_default),
    "AGCE, annealed bias": (lambda _: keras_noisy.AGCE(), the_default),
    "NCE+AGCE, annealed bias": (LOSSES["NCE+AGCE"], the_default),
}
COMPARED = [*LOSSES, "MAE, annealed bias"]
# What a figure can hold.
DRAWN = ["CE", "GCE(auto)", "MAE, constant bias", "MAE, adaptive bias", "MAE, annealed bias"]


def run(variant: str, setting: Setting) -> dict[str, Any]:
    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        if variant in ANNEALED:
            loss_for, anneal = ANNEALED[variant]
            bias = anneal(setting.classes, steps)
            model = keras.Model(model.input, bias(model.output))
            loss = loss_for(setting.classes).with_options(logit_bias=bias, from_logits=True)
        else:
            loss = LOSSES[variant](setting.classes).with_options(from_logits=True)
        metrics = ["accuracy", keras_noisy.training.CurrentLogitBias(loss)]
        model.compile(optimizer, loss=loss, metrics=metrics)
        return model

    network = partial(small_cnn, filters=(8, 16), hidden_units=192)
    return glyph_runs.train(setting, prepare, network, curves=True)


def main() -> None:
    options = parse()
    settings = [
        Setting(k, images, options.epochs or epochs, noise, seed, options.noise_model)
        for seed in options.seeds
        for k, (images, epochs, _) in PROTOCOLS.items()
        if k in options.classes
        for noise in options.noise
    ]
    rows = glyph_runs.records(options.results, settings, options.variants, run)
    print("\n" + COLUMNS.format("classes", "noise", "epochs", "loss", "seeds", "test", "memorised"))
    for (setting, variant), records in sorted(rows.items(), key=order_of):
        test = spread([record["test_accuracy"] for record in records])
        share = spread([r["memorised"] for r in records]) if "memorised" in records[0] else "–"
        row = (setting.classes, f"{setting.noise:.0%}", setting.epochs, variant, len(records))
        print(COLUMNS.format(*row, test, share))
    print(
        "\ntest: accuracy on new images with correct labels, after the last epoch\n"
        "memorised: share of the wrong training labels that the network reproduces\n"
        "mean ± standard deviation over the seeds"
    )
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        draw(options.figures, rows)


def draw(folder: Path, rows: dict[tuple[Setting, str], list[dict[str, Any]]]) -> None:
    """Writes a figure for each number of classes, noise and length: means over the seeds."""
    panels = {
        "test accuracy [%]": ("test_accuracy", 100.0),
        "wrong labels memorised [%]": ("memorised", 100.0),
        "logit bias": ("logit_bias", 1.0),
    }
    for setting in sorted({setting for setting, _ in rows}):
        histories = {
            v: [r["history"] for r in rows[setting, v]] for v in DRAWN if (setting, v) in rows
        }
        curves = {
            label: {
                name: scale * np.mean([history[key] for history in of_seeds], axis=0)
                for name, of_seeds in histories.items()
                if any(of_seeds[0].get(key, ()))
            }
            for label, (key, scale) in panels.items()
        }
        figure = curve_panels(
            {label: each for label, each in curves.items() if each},
            title=f"{setting.classes} classes, {setting.noise:.0%} of the training labels wrong",
        )
        name = f"annealed_bias_{setting.classes}_{100 * setting.noise:.0f}_{setting.epochs}.png"
        figure.savefig(folder / name)


def order_of(row: tuple[tuple[Setting, str], Any]) -> tuple:
    (setting, variant), _ = row
    return *setting, [*LOSSES, *ANNEALED].index(variant)


def parse() -> argparse.Namespace:
    parser = glyph_runs.parser_of(__doc__)
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
        help="wrong labels are of any other class, or of the next one",
    )
    add("--epochs", type=int, help="passes over the images, if not those of the protocol")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of network, noise and batches")
    add(
        "--variants",
        nargs="+",
        default=COMPARED,
        choices=["all", *LOSSES, *ANNEALED],
        metavar="LOSS",
        help=f"what to train by, or all, of: {', '.join([*LOSSES, *ANNEALED])}".replace("%", "%%"),
    )
    add("--results", type=Path, default=Path("results/annealed_bias"), help="folder to write to")
    add("--figures", type=Path, help="folder to draw learning curves to (default: none)")
    options = parser.parse_args()
    if "all" in options.variants:
        options.variants = [*LOSSES, *ANNEALED]
    return options


if __name__ == "__main__":
    main()
