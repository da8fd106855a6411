"""Can a logit bias that adapts itself to the batch replace one that a schedule anneals?

A constant logit bias lets MAE learn with many classes, but late in training it memorises wrong
labels; annealed to 0 by the clock it does so less. This trains one small network on images of
printed characters, 40 % of whose training labels are wrong, with such losses, and with biases
computed, statelessly, from what the network makes of the batch.

    python benchmarks/adaptive_bias.py                             # the finalists, three seeds
    python benchmarks/adaptive_bias.py --variants all --seeds 0    # all that was tried, one seed

On one core and JAX a run takes about 1 minute with 100 classes and 2 with 1000, so that the first
takes about 45 minutes. docs/adaptive_bias.md says what came out.

A run's record is written to the results folder as soon as the run is finished, and a run whose
record is there is not repeated: what was interrupted goes on. Nothing is downloaded.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import keras
import numpy as np
from keras import ops

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.losses.log_prob import label_log_prob
from keras_noisy.losses.logit_bias import add_logit_bias
from keras_noisy.models import small_cnn
from keras_noisy.training import memorised

Tensor = Any
BATCH_SIZE = 128
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
        log_probs = ops.log_softmax(random.normal(size=(BATCH_SIZE, num_classes)))
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
    "own entropy, 4th root": fraction(certainty, 0.25),
}

# --- losses and models


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


class AnnealedModel(keras.Model):
    """Trains by MAE with a logit bias that falls from eps_auto to 0 within a number of steps."""

    def compile(self, *args: Any, full: float, steps: float, **options: Any) -> None:
        super().compile(*args, **options)
        self.full, self.steps = full, steps
        # The model's own: what a loss holds is frozen in compiled steps on JAX.
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        bias = self.full * ops.maximum(1.0 - self.step / self.steps, 0.0)
        if training:
            self.step.assign(self.step + 1.0)
        return AdaptiveMAE(lambda margins, log_probs: bias)(y, y_pred)


REFERENCES: dict[str, keras_noisy.losses.RobustLoss] = {
    "CE": keras_noisy.CE(from_logits=True),
    "MAE": keras_noisy.MAE(from_logits=True),
    "GCE(0.7)": keras_noisy.GCE(q=0.7, from_logits=True),
    "constant": keras_noisy.MAE(logit_bias="auto", from_logits=True),
    "adaptive": keras_noisy.MAE(logit_bias="adaptive", from_logits=True),
}
ANNEALED = {"annealed 50 %": 0.5, "annealed 80 %": 0.8}
VARIANTS = [*REFERENCES, *ANNEALED, *ADAPTIVE]
FINALISTS = ["constant", *ANNEALED, "entropy, root", "adaptive"]


def train(
    variant: str, num_classes: int, images: int, epochs: int, noise: float, seed: int
) -> dict[str, Any]:
    """Trains one network; the same one, with the same protocol, whatever the variant."""
    (x, true_labels), test = glyphs.load_data(num_classes, images, test_per_class=10, verbose=0)
    matrix = keras_noisy.noise.symmetric(num_classes, noise)
    noisy_labels = keras_noisy.noise.corrupt(true_labels, matrix, seed=seed)
    keras.utils.set_random_seed(seed)
    model = small_cnn(num_classes, input_shape=x.shape[1:])
    batches = ShuffledBatches(x, noisy_labels, BATCH_SIZE, seed=seed)
    steps = epochs * len(batches)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, steps),
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        clipnorm=5.0,
    )
    metrics: list[Any] = ["accuracy"]
    if variant in ADAPTIVE:
        loss = AdaptiveMAE(ADAPTIVE[variant](num_classes))
        model.compile(optimizer, loss=loss, metrics=[*metrics, loss.bias_of])
    elif variant in ANNEALED:
        model = AnnealedModel(model.inputs, model.outputs)
        options = {"full": logit_bias(num_classes), "steps": ANNEALED[variant] * steps}
        model.compile(optimizer, metrics=metrics, **options)
    else:
        reference = REFERENCES[variant]

        def bias_of(y_true: Tensor, y_pred: Tensor) -> Tensor:
            return reference.epsilon_of(y_pred) + ops.zeros_like(y_pred[:, :1])

        model.compile(optimizer, loss=reference, metrics=[*metrics, bias_of])
    start = time.perf_counter()
    history = model.fit(
        batches,
        shuffle=False,  # done already
        epochs=epochs,
        verbose=1 if sys.stdout.isatty() else 0,
    ).history
    seconds = time.perf_counter() - start
    predicted = np.argmax(model.predict(test[0], batch_size=1000, verbose=0), axis=-1)
    return {
        "test_accuracy": float(np.mean(predicted == test[1])),
        "memorised": memorised(model, x, noisy_labels, true_labels, batch_size=1000),
        "fit": history["accuracy"],
        "bias": bias_of_epochs(variant, num_classes, history, len(batches)),
        "seconds": round(seconds, 1),
        "backend": keras.backend.backend(),
    }


def bias_of_epochs(
    variant: str, num_classes: int, history: dict[str, list[float]], steps: int
) -> list[float]:
    """Mean bias in each epoch."""
    epochs = len(history["accuracy"])
    full = logit_bias(num_classes)
    if variant in ANNEALED:
        past = np.arange(epochs * steps) / (ANNEALED[variant] * epochs * steps)
        return list(np.maximum(full * (1 - past), 0.0).reshape(epochs, steps).mean(axis=1))
    return history["bias_of"]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    settings = list(zip(options.classes, options.images, options.epochs, strict=True))
    for num_classes, images, epochs in settings:
        for seed in options.seeds:
            for variant in options.variants:
                setting = {"classes": num_classes, "images": images, "epochs": epochs}
                setting |= {"noise": options.noise, "variant": variant, "seed": seed}
                path = options.results / file_name(setting)
                if path.exists():
                    continue
                outcome = train(variant, num_classes, images, epochs, options.noise, seed)
                write_json(path, setting | outcome)
                print(
                    f"K={num_classes} seed {seed} {variant}: "
                    f"test {outcome['test_accuracy']:.1%}, memorised {outcome['memorised']:.1%}, "
                    f"bias {outcome['bias'][0]:.2f} ... {outcome['bias'][-1]:.2f}, "
                    f"{outcome['seconds']:.0f} s",
                    flush=True,
                )
    print_table(options, settings)


def print_table(options: argparse.Namespace, settings: list[tuple[int, int, int]]) -> None:
    print(
        "\n"
        + COLUMNS.format(
            "classes", "variant", "seeds", "test", "memorised", "eps 1st", "middle", "last", "mean"
        )
    )
    for num_classes, images, epochs in settings:
        for variant in options.variants:
            setting = {"classes": num_classes, "images": images, "epochs": epochs}
            setting |= {"noise": options.noise, "variant": variant}
            paths = [options.results / file_name({**setting, "seed": s}) for s in options.seeds]
            records = [json.loads(path.read_text()) for path in paths]
            bias = np.mean([record["bias"] for record in records], axis=0)
            print(
                COLUMNS.format(
                    num_classes,
                    variant,
                    len(records),
                    spread([record["test_accuracy"] for record in records]),
                    spread([record["memorised"] for record in records]),
                    *(f"{b:.2f}" for b in (bias[0], bias[epochs // 2], bias[-1], bias.mean())),
                )
            )
    print(
        "\ntest: accuracy on new images with correct labels, after the last epoch\n"
        "memorised: share of the wrong training labels that the network reproduces\n"
        "eps: mean logit bias of the first, the middle and the last epoch, and of all\n"
        "mean ± standard deviation over the seeds"
    )


def spread(values: list[float]) -> str:
    text = f"{100 * statistics.fmean(values):.1f}"
    return text + (f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else "") + " %"


def file_name(setting: dict[str, Any]) -> str:
    words = "-".join(f"{key}={value}" for key, value in setting.items())
    return words.replace(" ", "_").replace("%", "percent") + ".json"


def write_json(path: Path, content: Any) -> None:
    """Writes a file whole or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(path)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=(__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
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
    options = parser.parse_args(arguments)
    if "all" in options.variants:
        options.variants = VARIANTS
    if not len(options.classes) == len(options.images) == len(options.epochs):
        parser.error("--classes, --images and --epochs must have the same number of values")
    try:
        options.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --results: {error}")
    return options


if __name__ == "__main__":
    main()
