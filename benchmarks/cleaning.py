"""How well are wrong labels found, and what is gained by correcting them?

Draws images of printed characters and gives some of them a wrong label. Trains four networks of
each kind, so that each image is predicted by a network that has not seen it, and lists the wrong
labels with cleanlab and with `keras_noisy.cleaning`. Then it trains again without the listed
images, and with their labels replaced by what they look like.

    KERAS_BACKEND=jax python benchmarks/cleaning.py --processes 2
    KERAS_BACKEND=jax python benchmarks/cleaning.py --classes 100 --noises symmetric-0.3

All networks are small_cnn, with the same optimizer and number of epochs. A job, which is one loss
with one noise, takes about 1.5 minutes on one core with 100 classes and 11 with 1000. The record of
a job is written to the results folder when it is done. Jobs whose record exists are not repeated,
so an interrupted benchmark continues. Needs cleanlab. Downloads nothing.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras
import numpy as np
from cleanlab.filter import find_label_issues
from glyph_runs import OneLineParser, format_spread
from numpy.typing import NDArray
from optimizer import Optimizer, build_optimizer
from processes import run_in_processes

import keras_noisy
from keras_noisy import cleaning
from keras_noisy.datasets import ShuffledBatches, glyphs
from keras_noisy.models import small_cnn
from keras_noisy.training import write_atomically

BATCH_SIZE = 64
FOLDS = 4
# Training images of a class, and epochs, by number of classes.
SIZES = {10: (40, 4), 100: (50, 12), 1000: (28, 14)}
NOISES = ["symmetric-0.3", "symmetric-0.4", "pair-0.3", "pair-0.4"]
LOSSES = ["CE", "MAE, annealed bias", "MAE, class-wise bias"]
PLACES = 10


class Job(NamedTuple):
    """Lists of the wrong labels with one loss, and trainings that use them."""

    classes: int
    noise: str
    loss: str
    seed: int
    results: Path

    def path(self) -> Path:
        """Returns the file of the record."""
        loss = self.loss.replace(", ", "_").replace(" ", "_")
        return self.results / f"{self.classes}-{self.noise}-{loss}-{self.seed}.json"


def main(arguments: list[str] | None = None) -> None:
    """Does the jobs, and prints their tables."""
    options = parse(arguments)
    jobs = [
        Job(*values, results=options.results)
        for values in itertools.product(
            options.classes, options.noises, options.losses, options.seeds
        )
    ]
    options.results.mkdir(parents=True, exist_ok=True)
    waiting = {
        f"{job.classes} classes, {job.noise}, {job.loss}, seed {job.seed}": job
        for job in jobs
        if not job.path().exists()
    }
    failed = run_in_processes(do, waiting, options.results, options.processes)
    print_tables([json.loads(job.path().read_text()) for job in jobs if job.path().exists()])
    if failed:
        raise SystemExit(f"cleaning.py: error: {len(failed)} jobs failed")


def do(job: Job) -> str:
    """Does a job, and writes its record; returns a summary in a few words."""
    record = {**job._asdict(), "results": None, **run(job)}
    write_atomically(job.path(), json.dumps(record, indent=1))
    ours = record["lists"]["keras_noisy"]
    return f"precision {ours['precision']:.1%}, recall {ours['recall']:.1%}"


def run(job: Job) -> dict[str, Any]:
    """Finds the wrong labels, and trains with all, with the rest, and with corrected labels."""
    images, epochs = SIZES[job.classes]
    (x, true_labels), test = glyphs.load_data(
        job.classes, train_per_class=images, test_per_class=20, verbose=0
    )
    kind, rate = job.noise.split("-")
    model = keras_noisy.noise.symmetric if kind == "symmetric" else keras_noisy.noise.pair_flip
    labels = keras_noisy.noise.corrupt(true_labels, model(job.classes, float(rate)), seed=job.seed)
    is_wrong = labels != true_labels

    def build(steps: int) -> keras.Model:
        return compile_model(job, x.shape[1:], epochs, steps)

    start = time.perf_counter()
    logits = cleaning.out_of_fold(
        build, x, labels, FOLDS, epochs=epochs, batch_size=BATCH_SIZE, seed=job.seed, verbose=0
    )
    seconds = {"out_of_fold": time.perf_counter() - start}
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))

    start = time.perf_counter()
    found = cleaning.suspicious_labels(labels, logits, from_logits=True)
    seconds["keras_noisy"] = time.perf_counter() - start
    start = time.perf_counter()
    cleanlab = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    seconds["cleanlab"] = time.perf_counter() - start
    lists = {"keras_noisy": found.suspicious, "cleanlab": cleanlab}

    def train(kept: NDArray[Any], new_labels: NDArray[Any]) -> float:
        keras.utils.set_random_seed(job.seed)
        batches = ShuffledBatches(x[kept], new_labels[kept], BATCH_SIZE, job.seed)
        network = build(epochs * len(batches))
        network.fit(batches, epochs=epochs, shuffle=False, verbose=0)
        predicted = network.predict(test[0], batch_size=1000, verbose=0).argmax(axis=-1)
        return float(np.mean(predicted == test[1]))

    everything = np.arange(len(x))
    corrected = labels.copy()
    corrected[found.suspicious] = found.looks_like[found.suspicious]
    shares = np.cumsum(is_wrong[found.ranking]) / np.arange(1, len(x) + 1)
    number = max(found.num_suspicious, 1)
    places = np.arange(1, PLACES + 1) * number // PLACES - 1
    return {
        "wrong": float(is_wrong.mean()),
        "estimated": cleaning.estimate_noise(labels, logits, from_logits=True).rate,
        "lists": {name: judge(listed, is_wrong) for name, listed in lists.items()},
        "expected_shares": found.expected_shares[places].tolist(),
        "true_shares": shares[places].tolist(),
        "accuracy": {
            "all": train(everything, labels),
            **{
                f"without {name}": train(np.setdiff1d(everything, listed), labels)
                for name, listed in lists.items()
            },
            "corrected": train(everything, corrected),
        },
        "seconds": seconds,
        "backend": keras.backend.backend(),
    }


def compile_model(job: Job, shape: tuple[int, ...], epochs: int, steps: int) -> keras.Model:
    """Returns a new network with the loss of the job."""
    model = small_cnn(job.classes, shape)
    loss: keras.losses.Loss = keras_noisy.CE(from_logits=True)
    if job.loss != "CE":
        is_annealed = job.loss == "MAE, annealed bias"
        bias = keras_noisy.LogitBias(training_steps=steps if is_annealed else None)
        model = keras.Model(model.input, bias(model.output))
        loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    model.compile(build_optimizer(Optimizer(), epochs, steps // epochs), loss)
    return model


def judge(listed: NDArray[Any], is_wrong: NDArray[np.bool_]) -> dict[str, float]:
    """Returns what share of the listed labels is wrong, and of the wrong ones is listed."""
    hits = int(is_wrong[listed].sum())
    return {
        "listed": len(listed),
        "precision": hits / max(len(listed), 1),
        "recall": hits / int(is_wrong.sum()),
    }


def print_tables(records: list[dict[str, Any]]) -> None:
    """Prints a table of the lists and one of the accuracies, as Markdown."""
    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for record in records:
        key = record["classes"], record["noise"], record["loss"]
        groups.setdefault(key, []).append(record)

    def spread(group: list[dict[str, Any]], *path: str) -> str:
        values = []
        for value in group:
            for name in path:
                value = value[name]
            values.append(value)
        return format_spread(values)

    print("\n| classes, noise | trained with | list of | precision | recall |")
    print("| --- | --- | --- | --- | --- |")
    for (classes, noise, loss), group in groups.items():
        for name in group[0]["lists"]:
            values = (spread(group, "lists", name, each) for each in ("precision", "recall"))
            print(f"| {classes}, {noise} | {loss} | {name} | {' | '.join(values)} |")
    print("\n| classes, noise | trained with | estimated noise | true noise | largest error |")
    print("| --- | --- | --- | --- | --- |")
    for (classes, noise, loss), group in groups.items():
        error = max(
            abs(expected - true)
            for record in group
            for expected, true in zip(record["expected_shares"], record["true_shares"], strict=True)
        )
        rates = f"{spread(group, 'estimated')} | {spread(group, 'wrong')}"
        print(f"| {classes}, {noise} | {loss} | {rates} | {100 * error:.1f} |")
    kinds = list(records[0]["accuracy"]) if records else []
    print(f"\n| classes, noise | trained with | {' | '.join(kinds)} |")
    print("| --- | --- |" + " --- |" * len(kinds))
    for (classes, noise, loss), group in groups.items():
        values = (spread(group, "accuracy", kind) for kind in kinds)
        print(f"| {classes}, {noise} | {loss} | {' | '.join(values)} |")
    print(
        "\nlargest error: of the expected share of wrong labels, at ten places of our list, in "
        "points\nlast table: accuracy on new images, trained with all labels, without the listed "
        "ones, and\nwith the labels of our list replaced; mean ± standard deviation over the seeds"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--classes", type=int, nargs="+", choices=list(SIZES), default=[100, 1000], help="classes")
    add("--noises", nargs="+", default=NOISES, choices=NOISES, help="noises")
    add("--losses", nargs="+", default=LOSSES, choices=LOSSES, help="losses")
    add("--seeds", type=int, nargs="+", default=[0], help="seeds of network, noise and batches")
    add("--processes", type=int, default=1, help="jobs at a time")
    add("--results", type=Path, default=Path("results/cleaning"), help="folder to write to")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
