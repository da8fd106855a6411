"""Finds why a loss that is finite does not fall."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_noisy._core.model_layers import find_layers
from keras_noisy.calibration import diagnose
from keras_noisy.calibration._optimizer import read_optimizer
from keras_noisy.layers import LogitBias
from keras_noisy.losses import RobustLoss
from keras_noisy.training._explain.batches import to_float
from keras_noisy.training._explain.outputs import Output
from keras_noisy.training._explain.traits import Traits
from keras_noisy.training._predictions import compute_accuracy


def find_stalls(
    model: keras.Model, traits: Mapping[str, Traits], x: Any, outputs: Mapping[str, Output]
) -> Iterator[tuple[str, str]]:
    """Yields parts and messages of causes.

    Args:
        model: The model.
        traits: What is true of each output in all batches, by the end of its name.
        x: The inputs of the first batch.
        outputs: The outputs of the first batch, by the end of their names.
    """
    rate = getattr(model.optimizer, "learning_rate", 1.0)
    rate = float(ops.convert_to_numpy(rate))
    if rate <= 0.0 or not math.isfinite(rate):
        yield "optimizer", f"the learning rate is {rate:g}"
    if not model.trainable_weights:
        yield "model", "no weight is trainable"
    for name, each in traits.items():
        if each.is_ignored:
            yield f"y{name}", "all labels are the `ignore_class` of the loss"
        elif each.is_constant:
            yield f"loss{name}", "the outputs are the same for all samples, whatever the input"
    if list(outputs) == [""]:
        yield from _diagnose(model, x, outputs[""])


def _diagnose(model: keras.Model, x: Any, output: Output) -> Iterator[tuple[str, str]]:
    """Yields the diagnosis of a loss that stalls, if the model has not learned anything."""
    if not isinstance(output.loss, RobustLoss) or _has_learned(output):
        return
    for layer in find_layers(model, LogitBias):
        steps = layer.training_steps
        if steps is not None and int(ops.convert_to_numpy(layer.step)) >= steps:
            yield (
                "model",
                f"the schedule of the LogitBias layer {layer.name!r} is over, so that the bias "
                "is 0: call `layer.restart()` before another training",
            )
    try:
        diagnosis = diagnose(model, x, output.loss, _known_optimizer(model))
    except ValueError:  # the model is trained, or not of the kind that can be diagnosed
        return
    if diagnosis.verdict != "learns":
        changes = " or ".join(change.setting for change in diagnosis.changes)
        yield (
            "loss",
            f"with {diagnosis.num_classes} classes, this loss {diagnosis.verdict}"
            + f" with {diagnosis.optimizer}"
            + (f": set {changes}" if changes else "")
            + ". keras_noisy.diagnose(model, x, loss, optimizer) tells more",
        )


def _known_optimizer(model: keras.Model) -> keras.optimizers.Optimizer | None:
    """Returns the optimizer of a model, or `None` if its updates are not known."""
    try:
        read_optimizer(model.optimizer)
    except ValueError:
        return None
    return model.optimizer


def _has_learned(output: Output) -> bool:
    """Returns whether the predictions are better than guesses."""
    values, labels = to_float(output.predictions), output.labels
    if labels.ndim == values.ndim and labels.shape[-1] > 1:
        labels = labels.argmax(axis=-1)
    accuracy = compute_accuracy(values.argmax(axis=-1).ravel(), labels.ravel())
    return accuracy > 3 / values.shape[-1]
