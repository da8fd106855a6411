"""Can a logit bias that adapts to the batch replace one that a schedule anneals?

A constant logit bias lets MAE learn with many classes, but late in training the network memorises
wrong labels. It memorises fewer if a schedule anneals the bias to 0. This benchmark trains a small
network on images of printed characters, of which 40 % of the training labels are wrong, with these
losses and with biases that are computed, without state, from the predictions for the batch.

    python benchmarks/adaptive_bias.py                          # the table of docs/adaptive_bias.md
    python benchmarks/adaptive_bias.py --variants all --seeds 0    # all variants, one seed

On one core with JAX a training takes about 20 seconds with 100 classes and a minute with 1000, so
that the first command takes about 20 minutes. docs/adaptive_bias.md has the results.

The record of a training is written to the results folder when the training is done. Trainings whose
record exists are not repeated, so an interrupted benchmark continues. Downloads nothing.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np
from glyph_runs import Experiment, format_spread
from keras import ops
from keras.optimizers.schedules import PolynomialDecay

import keras_noisy
from keras_noisy.calibration import logit_bias

Tensor = Any
COLUMNS = "{:>7} {:<20} {:>5} {:>14} {:>14} {:>7} {:>7} {:>7} {:>7}"

# Statistics: functions of the labels' margins (batch,) and the log-probabilities of all classes
# (batch, K) that return one number, or one per sample. All rise as the network learns.

Statistic = Callable[[Tensor, Tensor], Tensor]


def quantile(share: float) -> Statistic:
    """Returns a statistic: a quantile of the margins."""
    return lambda margins, log_probs: ops.quantile(margins, share)


def mean_prob(margins: Tensor, log_probs: Tensor) -> Tensor:
    """Computes the mean probability of the labels."""
    return ops.mean(ops.sigmoid(margins))


# The following statistics do not depend on the labels, only on how certain the network is.


def certainty(margins: Tensor, log_probs: Tensor) -> Tensor:
    """Computes the negative entropy of each sample, sum_j p_j log p_j."""
    return ops.sum(ops.exp(log_probs) * log_probs, axis=-1)


def mean_certainty(margins: Tensor, log_probs: Tensor) -> Tensor:
    """Computes the mean negative entropy of the batch."""
    return ops.mean(certainty(margins, log_probs))


# Rules: functions from a number of classes to a bias, which is a function of margins and
# log-probabilities.

Bias = Callable[[Tensor, Tensor], Tensor]
Rule = Callable[[int], Bias]


def falling(statistic: Statistic) -> Rule:
    """Returns a rule: eps = clip(eps_auto - (statistic - its initial average), 0, eps_auto)."""

    def rule(num_classes: int) -> Bias:
        full, start = logit_bias(num_classes), initial_average(statistic, num_classes)
        return lambda margins, log_probs: ops.clip(
            full - (statistic(margins, log_probs) - start), 0.0, full
        )

    return rule


def remaining(share: Statistic) -> Rule:
    """Returns a rule: eps = eps_auto (1 - share)."""

    def rule(num_classes: int) -> Bias:
        full = logit_bias(num_classes)
        return lambda margins, log_probs: full * (1.0 - share(margins, log_probs))

    return rule


def fraction(statistic: Statistic, power: float) -> Rule:
    """Returns a rule: eps = eps_auto min(1, statistic / its initial average)^power."""

    def rule(num_classes: int) -> Bias:
        full, start = logit_bias(num_classes), initial_average(statistic, num_classes)
        return lambda margins, log_probs: (
            full * ops.clip(statistic(margins, log_probs) / start, 1e-6, 1.0) ** power
        )

    return rule


def initial_average(statistic: Statistic, num_classes: int) -> float:
    """Averages a statistic over batches of an untrained network, whose logits are from N(0, 1)."""
    random = np.random.default_rng(0)
    values = []
    for _ in range(16):
        log_probs = ops.log_softmax(random.normal(size=(glyph_runs.BATCH_SIZE, num_classes)))
        margins = log_probs[:, 0] - ops.log1p(-ops.exp(log_probs[:, 0]))
        values.append(float(ops.mean(statistic(margins, log_probs))))
    return statistics.fmean(values)


# "own": each sample has its own bias.
ADAPTIVE: dict[str, Rule] = {
    "median": falling(quantile(0.5)),
    "mean p": remaining(mean_prob),
    "certainty": falling(mean_certainty),
    "entropy, root": fraction(mean_certainty, 0.5),
    "own certainty": falling(certainty),
    "own entropy, root": fraction(certainty, 0.5),
    "own entropy, 4th root": fraction(certainty, 0.25),
}


class AdaptiveMAE(keras_noisy.MAE):
    """MAE whose logit bias is a function of the batch, through which no gradient flows."""

    def __init__(self, bias: Bias) -> None:
        super().__init__(from_logits=True)
        self.bias = bias

    def per_sample(self, batch: Any) -> Tensor:
        log_prob = batch.label_log_prob  # without a bias
        margins = log_prob - ops.log(-ops.expm1(log_prob))
        bias = self.compute_bias(batch.labels.index, batch.predictions.values)
        return 2.0 * ops.sigmoid(-(margins + bias))

    def compute_bias(self, index: Tensor, y_pred: Tensor) -> Tensor:
        """Computes the bias from the batch. It is also a metric."""
        log_probs = ops.log_softmax(ops.stop_gradient(y_pred))
        label = ops.reshape(ops.cast(index, "int32"), (-1, 1))
        log_prob = ops.squeeze(ops.take_along_axis(log_probs, label, axis=-1), axis=-1)
        # Limits the margin of a certain label to 16 instead of infinity.
        margins = log_prob - ops.log(ops.maximum(1.0 - ops.exp(log_prob), 1e-7))
        return ops.stop_gradient(self.bias(margins, log_probs))


REFERENCES: dict[str, keras_noisy.losses.RobustLoss] = {
    "CE": keras_noisy.CE(from_logits=True),
    "MAE": keras_noisy.MAE(from_logits=True),
    "GCE(0.7)": keras_noisy.GCE(q=0.7, from_logits=True),
    "constant": keras_noisy.MAE(logit_bias="auto", from_logits=True),
    "adaptive": keras_noisy.MAE(logit_bias="adaptive", from_logits=True),
}
ANNEALED = {"annealed 50 %": 0.5, "annealed 80 %": 0.8}
VARIANTS = [*REFERENCES, *ANNEALED, *ADAPTIVE]
FINALISTS = ["constant", *ANNEALED, "own entropy, root", "adaptive"]


def run(variant: str, experiment: Experiment) -> dict[str, Any]:
    """Trains with a variant of the loss; returns the record."""

    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        if variant in ADAPTIVE:
            loss: Any = AdaptiveMAE(ADAPTIVE[variant](experiment.classes))
            compute_bias = loss.compute_bias
        else:
            loss = REFERENCES["MAE" if variant in ANNEALED else variant]
            if variant in ANNEALED:
                full, length = logit_bias(experiment.classes), ANNEALED[variant] * steps
                bias = keras_noisy.LogitBias(PolynomialDecay(full, length, 0.0))
                model = keras.Model(model.input, bias(model.output))
                loss = loss.with_options(logit_bias=bias)

            def compute_bias(y_true: Tensor, y_pred: Tensor) -> Tensor:
                return loss.read_predictions(y_pred).bias + ops.zeros_like(y_pred[:, :1])

        model.compile(optimizer, loss=loss, metrics=["accuracy", compute_bias])
        return model

    outcome = glyph_runs.train(experiment, prepare)
    return {**outcome, "bias": outcome["history"]["compute_bias"]}


def main() -> None:
    """Trains all variants and prints a table."""
    options = parse()
    sizes = list(zip(options.classes, options.images, options.epochs, strict=True))
    experiments = [
        Experiment(*size, options.noise, seed) for size in sizes for seed in options.seeds
    ]
    rows = glyph_runs.make_records(options.results, experiments, options.variants, run)
    columns = ("classes", "variant", "seeds", "test", "memorised")
    print("\n" + COLUMNS.format(*columns, "eps 1st", "middle", "last", "mean"))
    for (experiment, variant), records in rows.items():
        bias = np.mean([record["bias"] for record in records], axis=0)
        test, memorised = (
            format_spread([record[key] for record in records])
            for key in ("test_accuracy", "memorised")
        )
        biases = (f"{b:.2f}" for b in (bias[0], bias[len(bias) // 2], bias[-1], bias.mean()))
        print(COLUMNS.format(experiment.classes, variant, len(records), test, memorised, *biases))
    glyph_runs.print_legend(
        "eps: mean logit bias of the first, the middle and the last epoch, and of all epochs"
    )


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.make_parser(__doc__, "results/adaptive_bias")
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[100, 1000], help="numbers of classes")
    add(
        "--images",
        type=int,
        nargs="+",
        default=[96, 20],
        help="training images per class, for each number of classes",
    )
    add(
        "--epochs", type=int, nargs="+", default=[25, 18], help="epochs, for each number of classes"
    )
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    add(
        "--variants",
        nargs="+",
        default=FINALISTS,
        choices=["all", *VARIANTS],
        help="variants of the loss",
    )
    options = parser.parse_args()
    if "all" in options.variants:
        options.variants = VARIANTS
    if not len(options.classes) == len(options.images) == len(options.epochs):
        parser.error("--classes, --images and --epochs must have the same number of values")
    return options


if __name__ == "__main__":
    main()
