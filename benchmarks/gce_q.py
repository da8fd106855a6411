"""Which q should GCE have for a number of classes?

The rule of the paper converts q from a reference number of classes to another one, such that the
average error of an untrained network stays the same. It leaves open for which number of classes
q = 0.7 is right. This benchmark trains a small network on images of printed characters, of which
40 % of the training labels are wrong, for 50 to 2000 classes, with GCE and q = 0.7 converted from
10, 30 and 100 classes.

    python benchmarks/gce_q.py                      # about 80 minutes on one core with JAX
    python benchmarks/gce_q.py --classes 50 200     # about 12 minutes

The record of a training is written to the results folder when the training is done. Trainings whose
record exists are not repeated, so an interrupted benchmark continues. Downloads nothing.
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
from glyph_runs import Experiment, format_spread

import keras_noisy
from keras_noisy.theory import gce_q

# Training images per class and epochs, by number of classes.
SIZES = {50: (96, 25), 200: (48, 25), 1000: (20, 18), 2000: (16, 16)}
COLUMNS = "{:>7} {:>9} {:>6} {:>5} {:>14} {:>14}"


def run(variant: str, experiment: Experiment) -> dict[str, Any]:
    """Trains with q converted from the reference of the variant; returns the record."""
    q = gce_q(experiment.classes, 0.7, int(variant.split()[-1]))
    loss = keras_noisy.GCE(q=q, from_logits=True)
    return {"q": q, **glyph_runs.train(experiment, glyph_runs.prepare_with(loss))}


def main() -> None:
    """Trains all variants and prints a table."""
    options = parse()
    experiments = [
        Experiment(
            k,
            *((options.images, options.epochs) if options.images else SIZES[k]),
            options.noise,
            seed,
        )
        for seed in options.seeds
        for k in options.classes
    ]
    variants = [f"reference {reference}" for reference in options.references]
    rows = glyph_runs.make_records(options.results, experiments, variants, run)
    print("\n" + COLUMNS.format("classes", "reference", "q", "seeds", "test", "memorised"))
    for (experiment, variant), records in rows.items():
        test, memorised = (
            format_spread([r[key] for r in records]) for key in ("test_accuracy", "memorised")
        )
        q = f"{records[0]['q']:.3f}"
        reference = variant.split()[-1]
        print(COLUMNS.format(experiment.classes, reference, q, len(records), test, memorised))
    glyph_runs.print_legend()


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.make_parser(__doc__, "results/gce_q")
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=list(SIZES), help="numbers of classes")
    add(
        "--references",
        type=int,
        nargs="+",
        default=[10, 30, 100],
        help="numbers of classes for which q is 0.7",
    )
    add("--images", type=int, help="training images per class, if not those of the protocol")
    add("--epochs", type=int, default=18, help="epochs, with --images")
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    options = parser.parse_args()
    unknown = [k for k in options.classes if k not in SIZES]
    if unknown and not options.images:
        parser.error(f"argument --classes: give --images for other numbers than {list(SIZES)}")
    return options


if __name__ == "__main__":
    main()
