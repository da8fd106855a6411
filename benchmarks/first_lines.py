"""What do the first lines of README.md reach, and what do cross-entropy and a constant bias reach?

Trains as these lines do, with "adam" and batches of 32, on printed characters, 40 % of whose labels
are wrong: with cross-entropy, with the MAE and a constant logit bias, and with the MAE and the
class-wise bias that the lines use. First on as many images as these lines have, 40 of each of 100
characters for 10 epochs, then on 50 of each of 400 characters for 20 epochs.

    python benchmarks/first_lines.py
    python benchmarks/first_lines.py --quick        # as many images as the lines have

Run it with JAX or PyTorch. On TensorFlow, `fit` on arrays repeats one order in every epoch after
`keras.utils.set_random_seed`, which costs all losses about 5 points; README's lines set no seed.

The record of a training is written to the results folder when the training is done. Trainings whose
record exists are not repeated. Downloads nothing.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
from glyph_runs import Experiment

import keras_noisy
from keras_noisy.training import memorised

SMALL = Experiment(classes=100, images=40, epochs=10, noise=0.4, seed=0)
LARGE = Experiment(classes=400, images=50, epochs=20, noise=0.4, seed=0)
# Makes the loss, and the layer with its bias or `None`.
VARIANTS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "CE": lambda: (keras_noisy.CE(from_logits=True), None),
    "MAE, constant bias": lambda: (keras_noisy.MAE(logit_bias="auto", from_logits=True), None),
    "MAE, class-wise bias": lambda: (keras_noisy.MAE(from_logits=True), keras_noisy.LogitBias()),
}
COLUMNS = "{:>7} {:<22} {:>14} {:>14}"


def run(variant: str, experiment: Experiment) -> dict[str, Any]:
    """Trains as the first lines of README.md; returns the record."""
    (x, true_labels), test = keras_noisy.datasets.glyphs.load_data(
        experiment.classes, experiment.images, test_per_class=10, verbose=0
    )
    labels = keras_noisy.noise.corrupt(
        true_labels, experiment.transition_matrix(), seed=experiment.seed
    )
    keras.utils.set_random_seed(experiment.seed)
    model = keras_noisy.models.small_cnn(experiment.classes, input_shape=x.shape[1:])
    loss, bias = VARIANTS[variant]()
    if bias is not None:
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    model.compile("adam", loss=loss, metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(x, labels, epochs=experiment.epochs, verbose=0)
    seconds = time.perf_counter() - start
    return {
        "test_accuracy": model.evaluate(*test, verbose=0, return_dict=True)["accuracy"],
        "memorised": memorised(model, x, noisy_labels=labels, true_labels=true_labels),
        "seconds": round(seconds, 1),
        "backend": keras.backend.backend(),
    }


def main() -> None:
    """Trains with all losses and seeds, and prints a table."""
    parser = glyph_runs.make_parser(__doc__, "results/first_lines")
    parser.add_argument("--quick", action="store_true", help="only 100 classes")
    options = parser.parse_args()
    sizes = [SMALL] if options.quick else [SMALL, LARGE]
    experiments = [size._replace(seed=seed) for size in sizes for seed in options.seeds]
    rows = glyph_runs.make_records(options.results, experiments, list(VARIANTS), run)
    print("\n" + COLUMNS.format("classes", "loss", "test", "memorised"))
    for (experiment, variant), records in rows.items():
        columns = (
            glyph_runs.format_spread([record[key] for record in records])
            for key in ("test_accuracy", "memorised")
        )
        print(COLUMNS.format(experiment.classes, variant, *columns))
    glyph_runs.print_legend()


if __name__ == "__main__":
    main()
