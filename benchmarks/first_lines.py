"""What do the first lines of README.md reach at full size, and what did they reach before?

Trains as these lines do, with "adam" and batches of 32, on 50 images of each of 400 printed
characters for 20 epochs, where 40 % of the labels are wrong: with cross-entropy, with the MAE and a
constant logit bias, and with the MAE and the class-wise bias that the lines use.

    python benchmarks/first_lines.py

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

EXPERIMENT = Experiment(classes=400, images=50, epochs=20, noise=0.4, seed=0)
# Makes the loss, and the layer with its bias or `None`.
VARIANTS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "CE": lambda: (keras_noisy.CE(from_logits=True), None),
    "MAE, constant bias": lambda: (keras_noisy.MAE(logit_bias="auto", from_logits=True), None),
    "MAE, class-wise bias": lambda: (keras_noisy.MAE(from_logits=True), keras_noisy.LogitBias()),
}
COLUMNS = "{:<22} {:>14} {:>14}"


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
        "memorised": memorised(model, x, labels, true_labels),
        "seconds": round(seconds, 1),
        "backend": keras.backend.backend(),
    }


def main() -> None:
    """Trains with all losses and seeds, and prints a table."""
    options = glyph_runs.make_parser(__doc__, "results/first_lines").parse_args()
    experiments = [EXPERIMENT._replace(seed=seed) for seed in options.seeds]
    records = glyph_runs.make_records(options.results, experiments, list(VARIANTS), run)
    print("\n" + COLUMNS.format("loss", "test", "memorised"))
    for (_, variant), each in records.items():
        columns = (
            glyph_runs.format_spread([record[key] for record in each])
            for key in ("test_accuracy", "memorised")
        )
        print(COLUMNS.format(variant, *columns))
    glyph_runs.print_legend()


if __name__ == "__main__":
    main()
