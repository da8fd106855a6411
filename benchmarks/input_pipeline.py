"""How many images per second does the WebVision pipeline read, and how long do noisy labels take?

Writes JPEGs that resemble photographs in the layout of WebVision, and measures in turns the images
per second of

- Keras: `image_dataset_from_directory`, which decodes and resizes all pixels, followed by
  RandomCrop and RandomFlip;
- ours: `webvision.pipeline`, which decodes only the part that a random crop keeps; like Keras
  without colour jitter;
- ours with noisy labels, by `noise=` and by `corrupt_dataset`.

    python benchmarks/input_pipeline.py

Ratios are medians over the turns. The table also has the processor time of an image, because a
virtual machine may give a process one processor instead of two for an entire turn. At the end a
separate process reads a list of 2.4 million files. Downloads nothing.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np
import tensorflow as tf

import keras_noisy
from keras_noisy.datasets import webvision

CLASSES = 50
SIZE = 224
# The work of a pipeline on a list of files before the first batch.
READ_LIST = """
import resource, sys, time
import numpy as np
import tensorflow as tf
from keras_noisy.datasets import read_file_list
start = time.perf_counter()
files = read_file_list(sys.argv[1], num_classes=1000)
names = tf.constant(files.paths)
tf.gather(names, np.random.default_rng(0).permutation(len(files.paths))[:256])
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"\\na list of {len(files.paths):,} files: {seconds:.1f} s, {memory:.2f} GiB in all")
"""


def main() -> None:
    """Writes images, and measures pipelines and the reading of a long list."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_images(root, options.images)
        measure(root, options)
        read_long_list(root, options.lines)


def write_images(root: Path, count: int) -> None:
    """Writes images of 1/f noise, which photographs resemble, with a shorter side of 256 pixels.

    Up to 500 of them are different.
    """
    random = np.random.default_rng(0)
    files = []
    for number in range(min(count, 500)):
        shape = (256, 341) if number % 3 else (384, 256)
        frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij"))
        spectrum = np.fft.fft2(random.normal(size=(3, *shape))) / np.maximum(frequency, 1e-3)
        pixels = np.fft.ifft2(spectrum).real.transpose(1, 2, 0)
        pixels = 127 + 50 * pixels / pixels.std()
        image = tf.io.encode_jpeg(np.clip(pixels, 0, 255).astype("uint8"), quality=90)
        files.append(image.numpy())
    lines = []
    for number in range(count):
        label = number % CLASSES
        path = Path(f"google/q{label + 1:04d}/{number}.jpg")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(files[number % len(files)])
        lines.append(f"{path} {label}")
    (root / "info").mkdir()
    (root / "info" / "train_filelist_google.txt").write_text("\n".join(lines))
    size = sum(path.stat().st_size for path in root.glob("google/*/*")) / count
    print(f"{count} images of 256 pixels and more, {size / 1024:.0f} KiB on average\n")


def measure(root: Path, options: argparse.Namespace) -> None:
    """Measures all pipelines in turns and prints a table."""
    matrix = keras_noisy.noise.symmetric(CLASSES, 0.4)
    sides: dict[str, Any] = {
        "Keras": build_keras_pipeline(root, options.batch_size),
        "ours": build_pipeline(root, options.batch_size),
        "ours, noise=": build_pipeline(root, options.batch_size, noise=matrix),
        "ours, corrupt_dataset": build_corrupted(root, options.batch_size, matrix),
        "ours, colour jitter": build_pipeline(root, options.batch_size, colour_jitter=True),
    }
    for dataset in sides.values():
        measure_seconds(dataset, options.images)  # initialises, and fills the disk cache
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(options.turns):
        for name, dataset in sides.items():
            measured[name].append(measure_seconds(dataset, options.images))
    print(
        f"{'':<24}{'images/s':>10}{'to Keras':>10}{'to ours':>10}"
        f"{'processor µs':>14}{'to Keras':>10}{'to ours':>10}"
    )
    for name, times in measured.items():
        clock, processor = (statistics.median(kind) for kind in zip(*times, strict=True))
        ratios = [
            [
                statistics.median(
                    a[kind] / b[kind] for a, b in zip(measured[other], times, strict=True)
                )
                for other in ("Keras", "ours")
            ]
            for kind in (0, 1)
        ]
        print(
            f"{name:<24}{1 / clock:>10.0f}{ratios[0][0]:>10.2f}{ratios[0][1]:>10.2f}"
            f"{1e6 * processor:>14.0f}{ratios[1][0]:>10.2f}{ratios[1][1]:>10.2f}"
        )
    labels = tf.data.Dataset.from_tensor_slices((tf.zeros(10**6), tf.zeros(10**6, tf.int64)))
    numbered = keras_noisy.noise.add_index(labels).batch(options.batch_size).cache()
    noisy = keras_noisy.noise.corrupt_dataset(numbered, matrix, seed=0)
    for dataset in (numbered, noisy):
        measure_seconds(dataset, 10**6)
    cost = statistics.median(
        measure_seconds(noisy, 10**6)[1] - measure_seconds(numbered, 10**6)[1]
        for _ in range(options.turns)
    )
    image = statistics.median(processor for _, processor in measured["ours"])
    print(
        f"\na noisy label takes {1e9 * cost:.0f} ns of processor time, "
        f"{cost / image:.3%} of that of an image"
    )


def build_keras_pipeline(root: Path, batch_size: int) -> Any:
    """Builds the pipeline of Keras."""
    images = keras.utils.image_dataset_from_directory(
        root / "google", image_size=(256, 256), batch_size=batch_size, verbose=False
    )
    layers = keras.layers.Pipeline(
        [keras.layers.RandomCrop(SIZE, SIZE), keras.layers.RandomFlip("horizontal")]
    )
    augmented = images.map(lambda x, y: (layers(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    return augmented.prefetch(tf.data.AUTOTUNE)


def build_pipeline(
    root: Path, batch_size: int, colour_jitter: bool = False, noise: Any = None
) -> Any:
    """Builds the pipeline of this package."""
    return webvision.pipeline(
        root,
        "train",
        "mini",
        image_size=SIZE,
        colour_jitter=colour_jitter,
        noise=noise,
        batch_size=batch_size,
        bad_images=root / "bad_images.csv",
    ).dataset


def build_corrupted(root: Path, batch_size: int, matrix: Any) -> Any:
    """Builds the pipeline of this package, followed by `corrupt_dataset`."""
    clean = build_pipeline(root, batch_size)
    first = tf.data.Dataset.counter(0, batch_size)  # the speed does not depend on the indices
    numbered = tf.data.Dataset.zip(clean, first).map(
        lambda batch, start: (
            batch[0],
            {"label": batch[1], "index": start + tf.range(tf.size(batch[1], tf.int64))},
        )
    )
    return keras_noisy.noise.corrupt_dataset(numbered, matrix, seed=0)


def measure_seconds(dataset: Iterable[Any], count: int) -> tuple[float, float]:
    """Measures an epoch; returns wall time and processor time per sample, in seconds."""
    start, processors = time.perf_counter(), time.process_time()
    for _ in dataset:
        pass
    return (time.perf_counter() - start) / count, (time.process_time() - processors) / count


def read_long_list(root: Path, lines: int) -> None:
    """Writes a list of files, and measures in a separate process how long it takes to read it."""
    path = root / "long.txt"
    with open(path, "w") as file:
        for number in range(lines):
            file.write(
                f"google/q{number % 1631:04d}/{number:09d}AbCdEfGhIjKl.jpg {number % 1000}\n"
            )
    command = [sys.executable, "-c", READ_LIST, str(path)]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = glyph_runs.OneLineParser(__doc__)
    add = parser.add_argument
    add("--images", type=int, default=4000, help="images to write")
    add("--batch-size", type=int, default=64, help="images in a batch")
    add("--turns", type=int, default=15, help="epochs of each pipeline")
    add("--lines", type=int, default=2_400_000, help="lines of the long list")
    return parser.parse_args()


if __name__ == "__main__":
    main()
