"""How much time and memory does a last layer for very many classes take?

Measures the forward and backward pass from the features on, with MAE and a logit bias, of a dense
layer and of `keras_noisy.layers.ClassHead`, which does not store the logits. Times are medians of
paired ratios, measured in turns in the same process. The loss and all gradients are compared there
as well: the difference is that of the worst entry, relative to the largest entry of its array.
Memory is the peak in a separate process, above that of weights and features; it includes the
gradients of the weights, but no state of an optimizer.

    KERAS_BACKEND=jax python benchmarks/class_head.py                 # 512 x 128, 200,000 classes
    KERAS_BACKEND=jax python benchmarks/class_head.py --classes 10000 1000000 --plot growth.png
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np
from keras import ops
from memory import measure_growth

import keras_noisy

SIDES = ("dense", "chunked")
# The dense layer is left out above this number of classes: 512 x 1,000,000 logits and the arrays
# computed from them take 8 GB.
MAX_DENSE_CLASSES = 400_000
COLUMNS = "{:>9} {:>10} {:>12} {:>7} {:>20} {:>11}"

# Computes the loss and its gradients with respect to weights and features.
Step = Callable[[], tuple[Any, list[Any]]]


def build_step(side: str, batch: int, depth: int, classes: int, chunk: int) -> Step:
    """Compiles a step that computes the loss and its gradients."""
    rng = np.random.default_rng(0)
    # Arrays of float64 would be freed before the step, which then reuses their memory unseen.
    features = rng.standard_normal((batch, depth), "float32")
    labels = rng.integers(0, classes, batch).astype("int32")
    head = build_head(side, classes, chunk)
    head.build((batch, depth))
    for variable in head.trainable_variables:
        variable.assign(0.1 * rng.standard_normal(variable.shape, "float32"))
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    builders = {"jax": _on_jax, "tensorflow": _on_tensorflow, "torch": _on_torch}
    return builders[keras.backend.backend()](head, loss, features, labels)


def build_head(side: str, classes: int, chunk: int) -> keras.layers.Layer:
    """Builds the last layer."""
    if side == "dense":
        return keras.layers.Dense(classes)
    # XLA removes unused logits; PyTorch computes them unless the layer leaves them out.
    has_logits = keras.backend.backend() != "torch"
    return keras_noisy.layers.ClassHead(classes, chunk, logits_in_training=has_logits)


def _on_jax(head: Any, loss: Any, features: Any, labels: Any) -> Step:
    import jax

    weights = [variable.value for variable in head.trainable_variables]

    def compute_loss(weights: Any, features: Any) -> Any:
        logits, _ = head.stateless_call(weights, [], features)
        return loss(labels, logits)

    compiled = jax.jit(jax.value_and_grad(compute_loss, argnums=(0, 1)))
    features = jax.device_put(features)

    def step() -> tuple[Any, list[Any]]:
        value, (weight_gradients, feature_gradient) = jax.block_until_ready(
            compiled(weights, features)
        )
        return value, [*weight_gradients, feature_gradient]

    return step


def _on_tensorflow(head: Any, loss: Any, features: Any, labels: Any) -> Step:
    import tensorflow as tf

    x, y = tf.constant(features), tf.constant(labels)

    @tf.function(jit_compile=True)
    def compiled() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(y, head(x))
        weights = [variable.value for variable in head.trainable_variables]
        return value, tape.gradient(value, [*weights, x])

    def step() -> tuple[Any, list[Any]]:
        value, gradients = compiled()
        value.numpy()  # waits for the computation
        return value, gradients

    return step


def _on_torch(head: Any, loss: Any, features: Any, labels: Any) -> Step:
    import torch

    x = ops.convert_to_tensor(features).requires_grad_(True)
    y = ops.convert_to_tensor(labels)

    def step() -> tuple[Any, list[Any]]:
        value = loss(y, head(x, training=True))
        weights = [variable.value for variable in head.trainable_variables]
        gradients = list(torch.autograd.grad(value, [*weights, x]))
        if x.is_cuda:
            torch.cuda.synchronize()
        return value, gradients

    return step


def measure_alone(side: str, options: Any, classes: int) -> tuple[float, float]:
    """Measures a step in a separate process.

    Returns:
        The peak memory above that of the weights, in MB, or NaN if TensorFlow does not count it;
        and the median time in seconds.
    """
    command = [sys.executable, __file__, "--alone", side, "--classes", str(classes)]
    for name in ("batch", "depth", "chunk", "turns"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["megabytes"], found["seconds"]


def print_measurement(side: str, options: Any, classes: int) -> None:
    """Measures a step in this process, and prints memory and time as JSON."""
    # Starts the threads of the backend, which take memory.
    ops.convert_to_numpy(ops.matmul(np.ones((2, 2)), np.ones((2, 2))))
    step = build_step(side, options.batch, options.depth, classes, options.chunk)
    step()  # compiles, which also takes memory
    growth = measure_growth(step)
    megabytes = math.nan if growth is None else growth / 2**20
    seconds = []
    for _ in range(options.turns):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"megabytes": megabytes, "seconds": statistics.median(seconds)}))


def main() -> None:
    """Measures both layers for all numbers of classes, and prints a table."""
    options = parse()
    if options.alone:
        print_measurement(options.alone, options, options.classes[0])
        return
    print(
        f"{keras.backend.backend()}, batch {options.batch}, {options.depth} features, "
        f"{options.chunk} classes a chunk"
    )
    titles = ("classes", "dense, MB", "chunked, MB", "memory", "time, chunked/dense", "difference")
    print(COLUMNS.format(*titles))
    rows = []
    for classes in options.classes:
        rows.append(measure(options, classes))
        print(COLUMNS.format(*format_cells(rows[-1])), flush=True)
    if options.plot:
        draw(rows, options.plot)


def measure(options: Any, classes: int) -> dict[str, Any]:
    """Measures memory and time of both sides, and compares them if the dense one is measured."""
    row: dict[str, Any] = {"classes": classes}
    sides = SIDES if classes <= MAX_DENSE_CLASSES else SIDES[1:]
    for side in sides:
        row[side], row[f"{side}, seconds"] = measure_alone(side, options, classes)
    if sides == SIDES:
        row["ratio"], row["difference"] = compare(options, classes)
    return row


def format_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Formats the cells of a row of the table."""
    classes, chunked = f"{row['classes']:,}", f"{row['chunked']:,.0f}"
    if "dense" not in row:
        return classes, "", chunked, "", f"({row['chunked, seconds']:.2f} s)", ""
    return (
        classes,
        f"{row['dense']:,.0f}",
        chunked,
        f"1/{row['dense'] / max(row['chunked'], 1):.1f}",
        f"{row['ratio']:.2f}",
        f"{row['difference']:.0e}",
    )


def compare(options: Any, classes: int) -> tuple[float, float]:
    """Compares both layers: the median ratio of times, and the difference of the results."""
    steps = [
        build_step(side, options.batch, options.depth, classes, options.chunk) for side in SIDES
    ]
    (value, gradients), (other, others) = (step() for step in steps)
    pairs = zip([value, *gradients], [other, *others], strict=True)
    difference = max(
        np.max(np.abs(a - b)) / np.max(np.abs(a))
        for a, b in ((ops.convert_to_numpy(a), ops.convert_to_numpy(b)) for a, b in pairs)
    )
    ratios = []
    for turn in range(options.turns):
        seconds = {}
        for index in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            steps[index]()
            seconds[index] = time.perf_counter() - start
        ratios.append(seconds[1] / seconds[0])
    return statistics.median(ratios), difference


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Draws memory and time over the number of classes."""
    from keras_noisy.plots import get_theme

    theme = get_theme("light")
    figure = theme.figure(height=3.4)
    for axes, unit, suffix in zip(
        figure.subplots(1, 2), ("MB", "seconds"), ("", ", seconds"), strict=True
    ):
        for index, side in enumerate(SIDES):
            measured = [row for row in rows if side + suffix in row]
            axes.plot(
                [row["classes"] for row in measured],
                [row[side + suffix] for row in measured],
                marker="o",
                ms=4,
                label=side,
                **theme.line(index),
            )
        axes.set(xscale="log", yscale="log", xlabel="classes", ylabel=unit)
    theme.legend(figure, figure.axes[0])
    theme.finish(figure).savefig(path)
    print(f"Wrote {path}")


def parse() -> Any:
    """Reads the command line."""
    parser = glyph_runs.OneLineParser(__doc__)
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[200_000], help="numbers of classes")
    add("--batch", type=int, default=512, help="samples in a batch")
    add("--depth", type=int, default=128, help="features per sample")
    add("--chunk", type=int, default=8192, help="classes in a chunk")
    add("--turns", type=int, default=7, help="paired measurements")
    add("--plot", help="file for a plot of memory and time")
    add("--alone", choices=SIDES, help="measure one side in this process, and print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
