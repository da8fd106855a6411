"""The noise of a training, by name."""

import numpy as np

from keras_noisy import noise
from task_runs.task import Data

PROJECTIONS = 64


def corrupt(name: str, data: Data, seed: int) -> np.ndarray:
    """Returns the training labels with noise.

    Args:
        name: `"none"`, or a model and a rate: `"symmetric-0.4"`, `"pair-0.3"` (a wrong label is the
            next class), or `"instance-0.4"` (it depends on the sample).
        data: Data of the task.
        seed: Seed of the noise.
    """
    if name == "none":
        return data.labels
    model, rate = name.split("-")
    classes = data.num_classes
    if model == "instance":
        x = project(data.x)
        return noise.instance_dependent(x, data.labels, classes, float(rate), seed=seed)
    make = {"symmetric": noise.symmetric, "pair": noise.pair_flip}[model]
    return noise.corrupt(data.labels, make(classes, float(rate)), seed=seed)


def project(x: np.ndarray) -> np.ndarray:
    """Returns 64 random projections of the standardized samples, each with a mean square of 1.

    The noise draws a matrix of all inputs and classes for each class. With a thousand classes and
    the samples themselves, this would take longer than the training.
    """
    samples = x.reshape(len(x), -1).astype("float32")
    samples -= samples.mean(axis=0)
    samples /= np.maximum(samples.std(axis=0), 1e-3 * samples.std())
    directions = np.random.default_rng(0).normal(size=(samples.shape[1], PROJECTIONS))
    projected = samples @ directions.astype("float32")
    return projected / projected.std(axis=0)
