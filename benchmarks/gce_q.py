"""Which q should GCE take for a number of classes?

The rule of the paper moves q from a reference number of classes to another so that the average error
of a fresh network stays what it was. It leaves open for which number of classes q = 0.7 is right. This
trains one small network on images of printed characters, 40 % of whose training labels are wrong, by
GCE with q = 0.7 moved there from 10, 30 and 100 classes, for 50 to 2000 classes.

    python benchmarks/gce_q.py                      # about 80 minutes on one core and JAX
    python benchmarks/gce_q.py --classes 50 200     # about 12

A run's record is written to the results folder as soon as the run is finished, and a run whose
record is there is not repeated: what was interrupted goes on. Nothing is downloaded.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import glyph_runs
from glyph_runs import Setting, spread

import keras_noisy
from keras_noisy.theory import gce_q

# By number of classes: training images of each, and epochs.
SIZES = {50: (96, 25), 200: (48, 25), 1000: (20, 18), 2000: (16, 16)}
COLUMNS = "{:>7} {:>9} {:>6} {:>5} {:>14} {:>14}"


def run(variant: str, setting: Setting) -> dict[str, Any]:
    q = gce_q(setting.classes, 0.7, int(variant.split()[-1]))
    loss = keras_noisy.GCE(q=q, from_logits=True)
    return {"q": q, **glyph_runs.train(setting, glyph_runs.by_loss(loss))}


def main() -> None:
    options = parse()
    settings = [
        Setting(
            k,
            *((options.images, options.epochs) if options.images else SIZES[k]),
            options.noise,
            seed,
        )
        for seed in options.seeds
        for k in options.classes
    ]
    variants = [f"reference {reference}" for reference in options.references]
    rows = glyph_runs.records(options.results, settings, variants, run)
    print("\n" + COLUMNS.format("classes", "reference", "q", "seeds", "test", "memorised"))
    for (setting, variant), records in rows.items():
        test, memorised = (
            spread([r[key] for r in records]) for key in ("test_accuracy", "memorised")
        )
        q = f"{records[0]['q']:.3f}"
        reference = variant.split()[-1]
        print(COLUMNS.format(setting.classes, reference, q, len(records), test, memorised))
    print(
        "\ntest: accuracy on new images with correct labels, after the last epoch\n"
        "memorised: share of the wrong training labels that the network reproduces\n"
        "mean ± standard deviation over the seeds"
    )


def parse() -> argparse.Namespace:
    parser = glyph_runs.parser_of(__doc__)
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=list(SIZES), help="numbers of classes")
    add("--references", type=int, nargs="+", default=[10, 30, 100], help="where q = 0.7 is right")
    add("--images", type=int, help="training images of each class, if not those of the file")
    add("--epochs", type=int, default=18, help="passes over them, with --images")
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of network, noise and batches")
    add("--results", type=Path, default=Path("results/gce_q"), help="folder to write to")
    options = parser.parse_args()
    unknown = [k for k in options.classes if k not in SIZES]
    if unknown and not options.images:
        parser.error(f"argument --classes: give --images for other numbers than {list(SIZES)}")
    return options


if __name__ == "__main__":
    main()
