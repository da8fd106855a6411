"""Does logit adjustment help if the classes have very different sizes and labels are wrong?

A small network learns printed characters. The number of training images falls exponentially over
the classes, from 100 to 3, and 40 % of the labels are replaced by those of random other classes.
The benchmark compares trainings with and without the layer `LogitAdjustment`, which receives the
numbers of the noisy labels, as users know them. The test images are equally many of each class, so
that their accuracy is the balanced accuracy.

    python benchmarks/long_tail.py                          # 1000 classes, 3 seeds
    python benchmarks/long_tail.py --classes 100 --epochs 40
    python benchmarks/long_tail.py --quick                  # 50 classes, one seed, to try it out

With 1000 classes, a training takes an estimated three minutes on two cores with JAX, so that the
first command takes about 40 minutes.

The record of a training is written to the results folder when the training is done. Trainings whose
record exists are not repeated, so an interrupted benchmark continues. Downloads nothing.
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np
from glyph_runs import Experiment, format_spread

import keras_noisy

# The numbers of training images of the largest and the smallest class.
LARGEST, SMALLEST = 100, 3
LOSSES = ["CE", "MAE(LogitBias())"]
COLUMNS = "{:>7} {:<18} {:>4} {:>5} {:>14} {:>14} {:>14} {:>14} {:>14}"


def class_sizes(classes: int) -> np.ndarray:
    """Returns the numbers of training images of the classes, which fall exponentially."""
    return np.geomspace(LARGEST, SMALLEST, classes).round().astype(int)


def run(variant: str, experiment: Experiment) -> dict[str, Any]:
    """Trains with a loss and a strength of the adjustment; returns the record."""
    loss_name, tau = variant.split(", tau=")
    data = glyph_runs.load_data(experiment, sizes=class_sizes(experiment.classes))
    counts = np.bincount(data.noisy_labels, minlength=experiment.classes)
    models = []

    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        logits = model.output
        if float(tau):
            logits = keras_noisy.LogitAdjustment(np.maximum(counts, 1), float(tau))(logits)
        loss: Any = keras_noisy.CE(from_logits=True)
        if loss_name != "CE":
            bias = keras_noisy.LogitBias()
            logits = bias(logits)
            loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
        models.append(keras.Model(model.input, logits))
        models[0].compile(optimizer, loss=loss, metrics=["accuracy"])
        return models[0]

    outcome = glyph_runs.train(experiment, prepare, data=data)
    predicted = np.argmax(models[0].predict(data.x_test, batch_size=1000, verbose=0), axis=-1)
    correct = predicted == data.y_test
    # The classes are sorted by size, the largest first.
    thirds = data.y_test * 3 // experiment.classes
    return {
        **outcome,
        "test_accuracy_by_third": [float(correct[thirds == third].mean()) for third in range(3)],
        "predicted_smallest": float(np.mean(predicted * 3 // experiment.classes == 2)),
    }


def main() -> None:
    """Trains all variants and prints a table."""
    options = parse()
    experiments = [
        Experiment(classes, LARGEST, options.epochs, options.noise, seed)
        for classes in options.classes
        for seed in options.seeds
    ]
    variants = [f"{loss}, tau={tau:g}" for loss in LOSSES for tau in options.taus]
    rows = glyph_runs.make_records(options.results, experiments, variants, run)
    columns = ("largest third", "middle third", "smallest third", "memorised")
    print("\n" + COLUMNS.format("classes", "loss", "tau", "seeds", "test", *columns))
    for (experiment, variant), records in rows.items():
        loss, tau = variant.split(", tau=")
        shares = [
            [record["test_accuracy"] for record in records],
            *zip(*(record["test_accuracy_by_third"] for record in records), strict=True),
            [record.get("memorised", 0.0) for record in records],
        ]
        cells = (format_spread(list(each)) for each in shares)
        print(COLUMNS.format(experiment.classes, loss, tau, len(records), *cells))
    glyph_runs.print_legend(
        "tau: strength of LogitAdjustment; without it for 0",
        "largest, middle, smallest third: the test accuracy of these classes, by training images",
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.make_parser(__doc__, "results/long_tail")
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[1000], help="numbers of classes")
    add("--epochs", type=int, default=20, help="passes over the training images")
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    add("--taus", type=float, nargs="+", default=[0.0, 1.0], help="strengths of LogitAdjustment")
    add("--quick", action="store_true", help="50 classes, 20 epochs and one seed")
    options = parser.parse_args()
    if options.quick:
        options.classes, options.epochs, options.seeds = [50], 20, [0]
    return options


if __name__ == "__main__":
    main()
