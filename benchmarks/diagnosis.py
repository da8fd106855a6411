"""Does `keras_noisy.diagnose` predict before training what happens?

Compares the diagnosis of several losses for untrained networks with 1000 outputs with what the
network has learnt after one epoch on images of printed characters whose labels are all correct.
Each optimizer has one learning rate for all losses.

    python benchmarks/diagnosis.py                                  # two networks, four optimizers
    python benchmarks/diagnosis.py --networks resnet34 --optimizers sgd
    python benchmarks/diagnosis.py --networks mlp1024 --optimizers adamw --losses MAE CE

On one core with JAX a training takes about 20 seconds for MLP1024 and small_cnn, and minutes for
ResNet-34. The record of a training is written to the results folder when the training is done.
Trainings whose record exists are not repeated, so an interrupted benchmark continues. Downloads
nothing.
"""

import argparse
import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
from glyph_runs import Experiment
from optimizer import OPTIMIZERS, Optimizer, build_optimizer

import keras_noisy
from keras_noisy import losses, models
from keras_noisy.datasets import glyphs

CLASSES = 1000
LEARNT = 0.6  # ranking from which on a loss learns
COLUMNS = "{:<9} {:<8} {:<26} {:>8} {:>6} {:>6}  {:<13} {:>9} {:>8}  {:<8}"

LOSSES: dict[str, losses.RobustLoss] = {
    "CE": losses.CE(),
    "FocalCE": losses.FocalCE(),
    "MAE": losses.MAE(),
    "MAE + bias": losses.MAE(logit_bias="auto"),
    "GCE(0.7)": losses.GCE(q=0.7),
    "GCE(0.48)": losses.GCE(q=0.48),
    "GCE(0.37)": losses.GCE(q=0.37),
    "GCE(0.26)": losses.GCE(q=0.26),
    "GCE(0.7) + bias": losses.GCE(q=0.7, logit_bias="auto"),
    "SCE": losses.SCE(),
    "PHuberCE(10)": losses.PHuberCE(tau=10.0),
    "PHuberCE(100)": losses.PHuberCE(tau=100.0),
    "TaylorCE(20)": losses.TaylorCE(order=20),
    "TaylorCE(225)": losses.TaylorCE(order=225),
    "AGCE": losses.AGCE(),
    "AGCE + bias": losses.AGCE(logit_bias="auto"),
    "AEL + bias": losses.AEL(logit_bias="auto"),
    "JS(0.1)": losses.JS(weight=0.1),
    "BiTempered(0.8, 1.2)": losses.BiTempered(),
    "BiTempered(0.8, 1.4)": losses.BiTempered(t1=0.8, t2=1.4),
    "BiTempered(0.5, 1.5)": losses.BiTempered(t1=0.5, t2=1.5),
    "NCE": losses.NCE(),
    "50 NCE": 50.0 * losses.NCE(),
    "250 NCE": 248.5 * losses.NCE(),  # the average error of NCE with 10 classes
    "NCE+AGCE, cifar100": losses.get("nce+agce", dataset="cifar100"),
    "NCE+AGCE, cifar100 + bias": losses.get("nce+agce", dataset="cifar100", logit_bias="auto"),
    "NCE+AGCE, cifar10 + bias": losses.get("nce+agce", dataset="cifar10", logit_bias="auto"),
}
SOME = ["CE", "MAE", "MAE + bias", "GCE(0.7)", "GCE(0.37)", "SCE", "PHuberCE(10)", "TaylorCE(20)"]
SOME += ["AGCE", "JS(0.1)", "BiTempered(0.8, 1.2)", "BiTempered(0.5, 1.5)", "NCE"]
SOME += ["NCE+AGCE, cifar10 + bias", "NCE+AGCE, cifar100"]
FEW = ["CE", "MAE", "MAE + bias", "BiTempered(0.8, 1.2)", "GCE(0.26)", "GCE(0.7)", "NCE"]
FEW += ["NCE+AGCE, cifar10 + bias"]


class Network(NamedTuple):
    """A network, and a training that is long enough to show whether it learns.

    Attributes:
        make: Makes the model from a number of classes and the shape of an image.
        images: Number of training images per class.
        batch_size: Number of images in a batch.
        losses: Names of the losses to try.
    """

    make: Callable[..., keras.Model]
    images: int
    batch_size: int
    losses: Sequence[str]


def resnet34(num_classes: int, input_shape: Sequence[int]) -> keras.Model:
    """Builds a ResNet-34 for images without channels."""
    shape = (*input_shape, 1)
    network = models.resnet(num_classes, depth=34, input_shape=shape)
    return keras.Sequential([keras.Input(input_shape), keras.layers.Reshape(shape), network])


NETWORKS = {
    "small_cnn": Network(models.small_cnn, 28, 128, SOME),
    "mlp1024": Network(models.mlp1024, 40, 128, SOME),
    "resnet34": Network(resnet34, 10, 64, FEW),
}


def run(
    network: Network, loss: losses.RobustLoss, settings: Optimizer, experiment: Experiment
) -> dict[str, Any]:
    """Diagnoses a loss for an untrained network, then trains with it; returns the record."""
    (x, _), _ = glyphs.load_data(CLASSES, experiment.images, test_per_class=3, verbose=0)
    keras.utils.set_random_seed(experiment.seed)
    untrained = network.make(CLASSES, input_shape=x.shape[1:])
    # The images are sorted by label; these are of all classes.
    samples = x[:: max(1, len(x) // 512)]
    diagnosis = keras_noisy.diagnose(
        untrained, samples, loss, build_optimizer(settings, 1, 1), network.batch_size
    )
    outcome = glyph_runs.train(
        experiment,
        glyph_runs.prepare_with(loss),
        network.make,
        batch_size=network.batch_size,
        test_images=3,
        batch_statistics=True,
        settings=settings,
    )
    return {"diagnosis": diagnosis.to_dict(), **outcome}


def main() -> None:
    """Diagnoses and trains all networks with all losses, and prints a table."""
    options = parse()
    options.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, optimizer in itertools.product(options.networks, options.optimizers):
        network = NETWORKS[name]
        experiment = Experiment(CLASSES, network.images, 1, 0.0, options.seed)
        for label in options.losses or network.losses:
            loss = LOSSES[label].with_options(from_logits=True)
            result = glyph_runs.make_record(
                options.results,
                experiment,
                f"{name} {optimizer} {label}",
                partial(run, network, loss, OPTIMIZERS[optimizer], experiment),
            )
            rows.append((name, optimizer, label, result))
    print_table(rows)


def format_ratio(ratio: float) -> str:
    """Formats a ratio as a fraction, such as 1/89, or with one digit."""
    return f"1/{1 / ratio:.0f}" if ratio < 0.7 else f"{ratio:.1f}"


def print_table(rows: list[tuple[str, str, str, dict[str, Any]]]) -> None:
    """Prints a row for each network, optimizer, loss and record."""
    columns = ("network", "with", "loss", "error", "ratio", "update", "diagnosis", "accuracy")
    columns += ("ranking", "result")
    print("\n" + COLUMNS.format(*columns))
    for name, optimizer, label, result in rows:
        diagnosis, accuracy, ranking = (
            result[key] for key in ("diagnosis", "test_accuracy", "ranking")
        )
        print(
            COLUMNS.format(
                name,
                optimizer,
                label,
                f"{diagnosis['error']:.2g}",
                format_ratio(diagnosis["ratio"]),
                format_ratio(diagnosis["update_ratio"]),
                diagnosis["verdict"],
                f"{accuracy:.2%}",
                f"{ranking:.1%}",
                "learns" if ranking >= LEARNT else "stalls",
            )
        )
    print(
        "\nerror: average error of the untrained network; ratio: the same relative to 10 classes\n"
        "update: the optimizer's first update relative to 10 classes\n"
        f"accuracy: on new images after one epoch; {1 / CLASSES:.1%} by chance\n"
        "ranking: share of wrong classes with a lower logit than the true one; 50 % by chance\n"
        f"result: a loss learns if the ranking is at least {LEARNT:.0%}"
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.OneLineParser(__doc__)
    add = parser.add_argument
    default = ["small_cnn", "mlp1024"]
    add("--networks", nargs="+", default=default, choices=NETWORKS, help="networks")
    add("--optimizers", nargs="+", default=list(OPTIMIZERS), choices=OPTIMIZERS, help="optimizers")
    add("--losses", nargs="+", choices=LOSSES, help="losses, if not those of the network")
    add("--seed", type=int, default=0, help="seed of the network and the order of batches")
    add("--results", type=Path, default=Path("results/diagnosis"), help="folder to write to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
