"""Can a logit bias that adapts itself to the batch replace one that a schedule anneals?

A constant logit bias lets MAE learn with many classes, but late in training it memorises wrong
labels; annealed to 0 by the clock it does so less. This trains one small network on images of
printed characters, 40 % of whose training labels are wrong, with such losses, and with biases
computed, statelessly, from what the network makes of the batch.

    python benchmarks/adaptive_bias.py                             # what docs/adaptive_bias.md compares
    python benchmarks/adaptive_bias.py --variants all --seeds 0    # all that was tried, one seed

On one core and JAX a run takes about 20 seconds with 100 classes and a minute with 1000, so that the
first takes about 20 minutes. docs/adaptive_bias.md says what came out.

A run's record is written to the results folder as soon as the run is finished, and a run whose
record is there is not repeated: what was interrupted goes on. Nothing is downloaded.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import glyph_runs
import keras
import numpy as np
from glyph_runs import Setting, spread
from keras import ops
from keras.optimizers.schedules import PolynomialDecay
from keras_noisy.losses.log_prob import label_log_prob
from keras_noisy.losses.logit_bias import add_logit_bias

import keras_noisy
from keras_noisy.calibration import logit_bias

Tensor = Any
COLUMNS = "{:>7} {:<20} {:>5} {:>14} {:>14} {:>7} {:>7} {:>7} {:>7}"

# --- statistics: from the labels' margins (batch,) and the log-probabilities of all classes
# (batch, K) to one number, or to one a sample. All rise as the network learns.

Statistic = Callable[[Tensor, Tensor], Tensor]


def quantile(share: float) -> Statistic:
    return lambda margins, log_probs: ops.quantile(margins, share)


def mean_prob(margins: Tensor, log_probs: Tensor) -> Tensor:
    return ops.mean(ops.sigmoid(margins))


# From here on the labels do not count, only how sure the network is.


def certainty(margins: Tensor, log_probs: Tensor) -> Tensor:
    """Of each sample, sum_j p_j log p_j, the negative entropy."""
    return ops.sum(ops.exp(log_probs) * log_probs, axis=-1)


def mean_certainty(margins: Tensor, log_probs: Tensor) -> Tensor:
    return ops.mean(certainty(margins, log_probs))


# --- rules: from a number of classes to a function of margins and log-probabilities, the bias

Bias = Callable[[Tensor, Tensor], Tensor]
Rule = Callable[[int], Bias]


def falling(statistic: Statistic) -> Rule:
    """eps = clip(eps_auto - (statistic - its average in a fresh network), 0, eps_auto)."""

    def rule(num_classes: int) -> Bias:
        full, start = logit_bias(num_classes), fresh(statistic, num_classes)
        return lambda margins, log_probs: ops.clip(
            full - (statistic(margins, log_probs) - start), 0.0, full
        )

    return rule


def remaining(share: Statistic) -> Rule:
    """eps = eps_auto (1 - share)."""

    def rule(num_classes: int) -> Bias:
        full = logit_bias(num_classes)
        return lambda margins, log_probs: full * (1.0 - share(margins, log_probs))

    return rule


def fraction(statistic: Statistic, power: float) -> Rule:
    """eps = eps_auto min(1, statistic / its average in a fresh network)^power."""

    def rule(num_classes: int) -> Bias:
        full, start = logit_bias(num_classes), fresh(statistic, num_classes)
        return lambda margins, log_probs: (
            full * ops.clip(statistic(margins, log_probs) / start, 1e-6, 1.0) ** power
        )

    return rule


def fresh(statistic: Statistic, num_classes: int) -> float:
    """Average of a statistic over batches of a fresh network, whose logits are from N(0, 1)."""
    random = np.random.default_rng(0)
    values = []
    for _ in range(16):
        log_probs = ops.log_softmax(random.normal(size=(glyph_runs.BATCH_SIZE, num_classes)))
        margins = log_probs[:, 0] - ops.log1p(-ops.exp(log_probs[:, 0]))
        values.append(float(ops.mean(statistic(margins, log_probs))))
    return statistics.fmean(values)


# "Own": each sample has a bias of its own.
ADAPTIVE: dict[str, Rule] = {
    "median": falling(quantile(0.5)),
    "mean p": remaining(mean_prob),
    "certainty": falling(mean_certainty),
    "entropy, root": fraction(mean_certainty, 0.5),
    "own certainty": falling(certainty),
    "own entropy, root": fraction(certainty, 0.5),
    "own entropy, 4th root": fraction(certainty, 0.25),
}

# --- losses


class AdaptiveMAE(keras_noisy.MAE):
    """MAE whose logit bias is a function of the batch, a constant for the gradient."""

    def __init__(self, bias: Bias) -> None:
        super().__init__(from_logits=True)
        self.bias = bias

    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        log_prob = label_log_prob(index, y_pred, self.from_logits)
        return self.of_log_prob(add_logit_bias(log_prob, self.bias_of(index, y_pred)))

    def bias_of(self, index: Tensor, y_pred: Tensor) -> Tensor:
        log_probs = ops.log_softmax(ops.stop_gradient(y_pred))
        label = ops.reshape(ops.cast(index, "int32"), (-1, 1))
        log_prob = ops.squeeze(ops.take_along_axis(log_probs, label, axis=-1), axis=-1)
        # A certain label has a margin of 16, not of infinity.
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


def run(variant: str, setting: Setting) -> dict[str, Any]:
    def prepare(
        model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int
    ) -> keras.Model:
        if variant in ADAPTIVE:
            loss: Any = AdaptiveMAE(ADAPTIVE[variant](setting.classes))
            bias_of = loss.bias_of
        else:
            loss = REFERENCES["MAE" if variant in ANNEALED else variant]
            if variant in ANNEALED:
                full, length = logit_bias(setting.classes), ANNEALED[variant] * steps
                bias = keras_noisy.LogitBias(PolynomialDecay(full, length, 0.0))
                model = keras.Model(model.input, bias(model.output))
                loss = loss.with_options(logit_bias=bias)

            def bias_of(y_true: Tensor, y_pred: Tensor) -> Tensor:
                return loss.epsilon_of(y_pred) + ops.zeros_like(y_pred[:, :1])

        model.compile(optimizer, loss=loss, metrics=["accuracy", bias_of])
        return model

    outcome = glyph_runs.train(setting, prepare)
    return {**outcome, "bias": outcome["history"]["bias_of"]}


def main() -> None:
    options = parse()
    sizes = list(zip(options.classes, options.images, options.epochs, strict=True))
    settings = [Setting(*size, options.noise, seed) for size in sizes for seed in options.seeds]
    rows = glyph_runs.records(options.results, settings, options.variants, run)
    columns = ("classes", "variant", "seeds", "test", "memorised")
    print("\n" + COLUMNS.format(*columns, "eps 1st", "middle", "last", "mean"))
    for (setting, variant), records in rows.items():
        bias = np.mean([record["bias"] for record in records], axis=0)
        test, memorised = (
            spread([record[key] for record in records]) for key in ("test_accuracy", "memorised")
        )
        biases = (f"{b:.2f}" for b in (bias[0], bias[len(bias) // 2], bias[-1], bias.mean()))
        print(COLUMNS.format(setting.classes, variant, len(records), test, memorised, *biases))
    print(
        "\ntest: accuracy on new images with correct labels, after the last epoch\n"
        "memorised: share of the wrong training labels that the network reproduces\n"
        "eps: mean logit bias of the first, the middle and the last epoch, and of all\n"
        "mean ± standard deviation over the seeds"
    )


def parse() -> argparse.Namespace:
    parser = glyph_runs.parser_of(__doc__)
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[100, 1000], help="numbers of classes")
    add("--images", type=int, nargs="+", default=[96, 20], help="training images a class, for each")
    add("--epochs", type=int, nargs="+", default=[25, 18], help="passes over the images, for each")
    add("--noise", type=float, default=0.4, help="share of wrong training labels, 0 to 1")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of network, noise and batches")
    add(
        "--variants",
        nargs="+",
        default=FINALISTS,
        choices=["all", *VARIANTS],
        help="what to train by",
    )
    add("--results", type=Path, default=Path("results/adaptive_bias"), help="folder to write to")
    options = parser.parse_args()
    if "all" in options.variants:
        options.variants = VARIANTS
    if not len(options.classes) == len(options.images) == len(options.epochs):
        parser.error("--classes, --images and --epochs must have the same number of values")
    return options


if __name__ == "__main__":
    main()
