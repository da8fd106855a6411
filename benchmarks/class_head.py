"""What does a last layer for very many classes cost, with and without its logits?

A step's forward and backward pass from the features on, MAE with a logit bias, by a dense layer and by
`keras_noisy.layers.ClassHead`, which never makes the logits. Times are medians of paired ratios, in turns, in one
process; there, the loss and all gradients are compared, too: the difference is that of the worst entry, relative to
the largest one of its array. Memory is the peak of a process of its own, above what it had with weights and features alone; it
includes the gradients of the weights, and no state of an optimizer.

    KERAS_BACKEND=jax python benchmarks/class_head.py                 # 512 x 128, 200,000 classes
    KERAS_BACKEND=jax python benchmarks/class_head.py --classes 10000 100000 1000000 --plot growth.png
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import glyph_runs
import keras
import numpy as np
from keras import ops
from memory import allocated_growth, resident_growth

import keras_noisy

SIDES = ("dense", "chunked")
# Above this, the dense layer is left out: 512 x 1,000,000 logits and what is made of them are 8 GB.
DENSE_UP_TO = 400_000
COLUMNS = "{:>9} {:>10} {:>12} {:>7} {:>20} {:>11}"


# Returns a loss, and its gradients of weights and features.
Step = Callable[[], tuple[Any, list[Any]]]


def step_of(side: str, batch: int, depth: int, classes: int, chunk: int) -> Step:
    """One compiled step: the loss, and the gradients of weights and features."""
    rng = np.random.default_rng(0)
    # Not by way of float64: memory that was in use before would hide what a step needs.
    features = rng.standard_normal((batch, depth), "float32")
    labels = rng.integers(0, classes, batch).astype("int32")
    head = head_of(side, classes, chunk)
    head.build((batch, depth))
    for variable in head.trainable_variables:
        variable.assign(0.1 * rng.standard_normal(variable.shape, "float32"))
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    on = {"jax": _on_jax, "tensorflow": _on_tensorflow, "torch": _on_torch}
    return on[keras.backend.backend()](head, loss, features, labels)


def head_of(side: str, classes: int, chunk: int) -> keras.layers.Layer:
    if side == "dense":
        return keras.layers.Dense(classes)
    # Without XLA nobody leaves out logits that are not asked for.
    has_logits = keras.backend.backend() != "torch"
    return keras_noisy.layers.ClassHead(classes, chunk, logits_in_training=has_logits)


def _on_jax(head: Any, loss: Any, features: Any, labels: Any) -> Step:
    import jax

    weights = [variable.value for variable in head.trainable_variables]

    def of(weights: Any, features: Any) -> Any:
        logits, _ = head.stateless_call(weights, [], features)
        return loss(labels, logits)

    compiled = jax.jit(jax.value_and_grad(of, argnums=(0, 1)))
    features = jax.device_put(features)

    def step() -> tuple[Any, list[Any]]:
        value, (of_weights, of_features) = jax.block_until_ready(compiled(weights, features))
        return value, [*of_weights, of_features]

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
        value.numpy()  # waits for it
        return value, gradients

    return step


def _on_torch(head: Any, loss: Any, features: Any, labels: Any) -> Step:
    import torch

    x = torch.tensor(features, requires_grad=True)
    y = torch.tensor(labels)

    def step() -> tuple[Any, list[Any]]:
        value = loss(y, head(x, training=True))
        weights = [variable.value for variable in head.trainable_variables]
        return value, list(torch.autograd.grad(value, [*weights, x]))

    return step


def peak_of(side: str, options: Any, classes: int) -> tuple[float, float]:
    """Peak memory of a step above the weights, in MB, and its median time, in a process of its own.

    The memory is NaN where TensorFlow does not count it.
    """
    command = [sys.executable, __file__, "--alone", side, "--classes", str(classes)]
    for name in ("batch", "depth", "chunk", "turns"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["megabytes"], found["seconds"]


def alone(side: str, options: Any, classes: int) -> None:
    keras.ops.convert_to_numpy(keras.ops.matmul(np.ones((2, 2)), np.ones((2, 2))))  # starts threads
    step = step_of(side, options.batch, options.depth, classes, options.chunk)
    step()  # compiles, which takes memory, too
    # TensorFlow keeps what it has got from the system, which then does not see a step.
    is_tensorflow = keras.backend.backend() == "tensorflow"
    growth = (allocated_growth if is_tensorflow else resident_growth)(step)
    megabytes = math.nan if growth is None else growth / 2**20
    seconds = []
    for _ in range(options.turns):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"megabytes": megabytes, "seconds": statistics.median(seconds)}))


def main() -> None:
    options = parse()
    if options.alone:
        alone(options.alone, options, options.classes[0])
        return
    print(
        f"{keras.backend.backend()}, batch {options.batch}, {options.depth} features, "
        f"{options.chunk} classes a chunk"
    )
    titles = ("classes", "dense, MB", "chunked, MB", "memory", "time, chunked/dense", "difference")
    print(COLUMNS.format(*titles))
    rows = []
    for classes in options.classes:
        rows.append(measured(options, classes))
        print(COLUMNS.format(*cells(rows[-1])), flush=True)
    if options.plot:
        draw(rows, options.plot)


def measured(options: Any, classes: int) -> dict[str, Any]:
    """By side, memory and time; and how the two compare, if the dense one is not too large."""
    row: dict[str, Any] = {"classes": classes}
    sides = SIDES if classes <= DENSE_UP_TO else SIDES[1:]
    for side in sides:
        row[side], row[f"{side}, seconds"] = peak_of(side, options, classes)
    if sides == SIDES:
        row["ratio"], row["difference"] = compare(options, classes)
    return row


def cells(row: dict[str, Any]) -> tuple[str, ...]:
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
    """Chunked and dense: the median ratio of times, turn by turn, and how far results are apart."""
    steps = [step_of(side, options.batch, options.depth, classes, options.chunk) for side in SIDES]
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
    from keras_noisy.plots import get_theme

    look = get_theme("light")
    figure = look.figure(height=3.4)
    for axes, unit, suffix in zip(
        figure.subplots(1, 2), ("MB", "seconds"), ("", ", seconds"), strict=True
    ):
        for index, side in enumerate(SIDES):
            shown = [row for row in rows if side + suffix in row]
            axes.plot(
                [row["classes"] for row in shown],
                [row[side + suffix] for row in shown],
                marker="o",
                ms=4,
                label=side,
                **look.line(index),
            )
        axes.set(xscale="log", yscale="log", xlabel="classes", ylabel=unit)
    look.legend(figure, figure.axes[0])
    look.finish(figure).savefig(path)
    print(f"Wrote {path}")


def parse() -> Any:
    parser = glyph_runs.parser_of(__doc__)
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[200_000], help="numbers of classes")
    add("--batch", type=int, default=512, help="samples")
    add("--depth", type=int, default=128, help="features of a sample")
    add("--chunk", type=int, default=8192, help="classes in a chunk")
    add("--turns", type=int, default=7, help="paired measurements")
    add("--plot", help="file for a picture of how time and memory grow")
    add("--alone", choices=SIDES, help="measure one side in this process, and print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
