"""What does the package do on this GPU, and how fast is it there?

Runs, one after the other and on the backend that KERAS_BACKEND names:

- fit: a training of two epochs with every loss, in the precision that suits the device, with a
  class-wise bias, and a training that is continued from a `Checkpoint`;
- formulas: the tests that compare every loss with float64 references, if pytest is installed;
- losses: benchmarks/losses.py, with the share of the bandwidth of a plain copy;
- class head: benchmarks/class_head.py, time and memory of a last layer for 200,000 classes;
- step: benchmarks/training_step.py, a step of ResNet-50 in mixed precision;
- glyphs: recipes/quickstart.py, cross-entropy and the class-wise bias on 400 characters.

    KERAS_BACKEND=jax python benchmarks/device.py
    KERAS_BACKEND=torch python benchmarks/device.py --parts fit losses
    KERAS_BACKEND=jax python benchmarks/device.py --quick        # small, to try it out on a CPU

All parts take an estimated ten minutes on a GPU. A part that fails or takes too long is named at
the end, and the others go on. The output is printed and written to results/device.
Downloads nothing.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np

import keras_noisy
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.training import Checkpoint, suitable_precision

ROOT = Path(__file__).resolve().parents[1]
BACKEND = keras.backend.backend()
# Commands of the parts, by name: for a GPU, and to try them out.
COMMANDS = {
    "formulas": (
        "-m pytest -q -p no:cacheprovider tests/losses/test_formulas.py",
        "-m pytest -q -p no:cacheprovider tests/losses/test_formulas.py -k MAE",
    ),
    "losses": (
        "benchmarks/losses.py --shapes 1024x1000 256x100000 --turns 5",
        "benchmarks/losses.py --shapes 16x100 --turns 1 --losses MAE NCE --dtypes float32",
    ),
    "class head": (
        "benchmarks/class_head.py --classes 200000",
        "benchmarks/class_head.py --classes 1000 --chunk 128 --batch 16 --turns 1",
    ),
    "step": (
        "benchmarks/training_step.py --network keras --mixed --batch 64",
        "benchmarks/training_step.py --network keras --size 32 --batch 2 --turns 2",
    ),
    "glyphs": (
        "recipes/quickstart.py --losses ce mae+classwise --results {results}/glyphs",
        "recipes/quickstart.py --losses ce --classes 10 --epochs 1 --results {results}/glyphs",
    ),
}
PARTS = ["fit", *COMMANDS]


def main() -> int:
    """Runs the parts; returns 1 if one of them failed, else 0."""
    options = parse()
    if options.only_fit:
        return fit(options.quick)
    options.results.mkdir(parents=True, exist_ok=True)
    failed = []
    with open(options.results / f"{BACKEND}.txt", "w") as file:

        def write(text: str) -> None:
            print(text, end="", flush=True)
            file.write(text)
            file.flush()

        write(f"{describe_device()}\n")
        for part in options.parts:
            start = time.perf_counter()
            write(f"\n== {part} ==\n")
            status = run_part(part, options, write)
            write(f"({time.perf_counter() - start:.0f} s)\n")
            if status:
                failed.append(f"{part}: {status}")
        write("".join(f"device.py: failed: {each}\n" for each in failed))
    return 1 if failed else 0


def run_part(part: str, options: argparse.Namespace, write: Callable[[str], None]) -> str:
    """Runs a part in a process of its own, whose memory is free afterwards.

    Returns:
        What went wrong, or an empty string.
    """
    if part == "formulas" and importlib.util.find_spec("pytest") is None:
        write("pytest is not installed\n")
        return ""
    if part == "fit":
        words = [__file__, "--only-fit", *(["--quick"] if options.quick else [])]
    else:
        command = COMMANDS[part][1 if options.quick else 0]
        words = [word.format(results=options.results.resolve()) for word in command.split()]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    deadline = time.perf_counter() + options.limit
    assert process.stdout is not None
    try:
        for line in process.stdout:
            write(line)
            if time.perf_counter() > deadline:
                return f"took more than {options.limit} s"
        status = process.wait()
        return f"exit status {status}" if status else ""
    finally:
        process.kill()


def describe_device() -> str:
    """Returns the backend, its version and the name of the device."""
    versions = f"keras {keras.__version__}, keras-noisy {keras_noisy.__version__}"
    if BACKEND == "jax":
        import jax

        return f"JAX {jax.__version__}, {jax.devices()[0].device_kind}, {versions}"
    if BACKEND == "torch":
        import torch

        has_gpu = torch.cuda.is_available()
        name = torch.cuda.get_device_name() if has_gpu else "CPU"
        return f"PyTorch {torch.__version__}, {name}, {versions}"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return f"TensorFlow {tf.__version__}, {details.get('device_name', 'CPU')}, {versions}"


def fit(is_small: bool) -> int:
    """Trains with every loss and prints a row for each; returns 1 if a value is not finite."""
    keras.config.set_dtype_policy(suitable_precision())
    classes, images = (10, 4) if is_small else (100, 30)
    (x, y), test = glyphs.load_data(classes, images, test_per_class=4, verbose=0)
    print(f"{classes} classes, {len(x)} images, 2 epochs, {keras.config.dtype_policy().name}")
    names = [loss.__name__ for loss in keras_noisy.losses.LOSSES]
    losses = {name: keras_noisy.losses.get(name, from_logits=True) for name in names}
    is_finite = True
    for name, loss in losses.items():
        for bias in (None, keras_noisy.LogitBias()):
            model = build(loss, bias, classes, x.shape[1:])
            start = time.perf_counter()
            history = model.fit(ShuffledBatches(x, y, 64), shuffle=False, epochs=2, verbose=0)
            seconds = time.perf_counter() - start
            value = history.history["loss"][-1]
            accuracy = model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]
            title = name if bias is None else f"{name}, class-wise bias"
            print(f"{title:30} loss {value:9.4f}, test accuracy {accuracy:6.1%}, {seconds:5.1f} s")
            is_finite = is_finite and bool(np.isfinite(value))
    difference = continue_from_checkpoint(x, y, classes)
    print(f"largest difference of a weight after a continued training: {difference:.1e}")
    return 0 if is_finite else 1


def build(loss: Any, bias: Any, classes: int, shape: tuple[int, ...]) -> keras.Model:
    """Builds and compiles a network."""
    keras.utils.set_random_seed(0)
    model = keras_noisy.models.small_cnn(classes, shape)
    if bias is not None:
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    model.compile(keras.optimizers.Adam(3e-3), loss=loss, metrics=["accuracy"])
    return model


def continue_from_checkpoint(x: Any, y: Any, classes: int) -> float:
    """Compares the weights of a training with those of one that is interrupted after an epoch."""
    weights = []
    for epochs in ([2], [1, 2]):
        with tempfile.TemporaryDirectory() as folder:
            for last in epochs:
                loss = keras_noisy.MAE(from_logits=True)
                model = build(loss, keras_noisy.LogitBias(), classes, x.shape[1:])
                checkpoint = Checkpoint(folder)
                done = checkpoint.restore(model)
                model.fit(
                    ShuffledBatches(x, y, 64, first_epoch=done),
                    shuffle=False,
                    epochs=last,
                    initial_epoch=done,
                    callbacks=[checkpoint],
                    verbose=0,
                )
            weights.append(model.get_weights())
    return float(max(np.abs(a - b).max() for a, b in zip(*weights, strict=True)))


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.OneLineParser(__doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to run")
    add("--results", type=Path, default=Path("results/device"), help="folder to write to")
    add("--limit", type=int, default=400, help="seconds after which a part is ended")
    add("--quick", action="store_true", help="small sizes, to try it out")
    add("--only-fit", action="store_true", help=argparse.SUPPRESS)  # the part fit, in this process
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
