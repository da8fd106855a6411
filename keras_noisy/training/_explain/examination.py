"""Examines a model, its losses and its data batch by batch."""

import collections
import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._core.labels import count_classes, read_labels
from keras_noisy._core.model_layers import find_layers
from keras_noisy._inputs import count_samples, read_inputs, take_samples, to_array
from keras_noisy._labels import read_array
from keras_noisy.calibration.average_error import get_option
from keras_noisy.layers import ClassHead
from keras_noisy.losses import CE
from keras_noisy.training._explain.batches import (
    Check,
    check_finite,
    name_parts,
    split,
    take,
    to_float,
)
from keras_noisy.training._explain.causes import NAMED_SAMPLES, Causes, describe_error
from keras_noisy.training._explain.finite_model import FiniteModel
from keras_noisy.training._explain.losses import describe_loss, has_logits, is_categorical
from keras_noisy.training._explain.outputs import Output, pair
from keras_noisy.training._explain.stalls import find_stalls
from keras_noisy.training._explain.traits import Traits


class Examination:
    """Examines a model batch by batch, and collects the causes of what goes wrong.

    Args:
        model: A compiled model.

    Attributes:
        causes: What has been found.
        losses: The losses as Python code, by the end of the name of the output.
        values: The losses that are finite.
        num_samples: The number of samples that were examined.
    """

    def __init__(self, model: keras.Model) -> None:
        self.causes = Causes()
        self.losses: dict[str, str] = {}
        self.values: list[float] = []
        self.num_samples = 0
        self._model = model
        self._finite_model = FiniteModel(model)
        self._traits: dict[str, Traits] = collections.defaultdict(Traits)
        self._predictions: Any = None  # of the first batch, for their shapes
        self._first: tuple[Any, dict[str, Output]] | None = None  # the first batch

    def examine(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Examines one batch."""
        x = read_inputs("x", x)
        y = {key: read_array(labels) for key, labels in split(y).items()}
        every = np.arange(count_samples(x))
        good = every
        for name, values in name_parts("x", x):
            good = np.intersect1d(good, self._find(name, check_finite(name, values), every))
        for name, values in name_parts("sample_weight", sample_weight):
            self._find(name, check_finite(name, to_array(values)), every)
        outputs: dict[str, Output] = {}
        try:
            if self._predictions is None:
                self._predictions = self._finite_model(x)
            outputs = pair(self._model, y, self._predictions)
        except Exception as error:
            self.causes.add("model", describe_error(error))
        for name, output in outputs.items():
            self.losses[name] = describe_loss(output.loss)
            valid = self._find(f"y{name}", self._check_labels(name, output), every)
            good = np.intersect1d(good, valid)
        self._first = self._first or (x, outputs)
        for name in outputs:
            self._find(f"loss{name}", self._check_loss(name, x, y), good)
        self.num_samples += len(every)

    def conclude(self) -> None:
        """Adds the causes that follow from all batches together."""
        for name, traits in self._traits.items():
            if message := traits.describe_labels():
                self.causes.add(f"y{name}", message)
        for name, traits in self._traits.items():
            if message := traits.describe_outputs():
                self.causes.add(f"loss{name}", message)
        if self._finite_model.bad_weights:
            self.causes.add("weights", self._describe_weights())
        if self._first is None or not self.num_samples:
            self.causes.add("x", "the data set is empty")
        elif not self.causes:
            for part, message in find_stalls(self._model, self._traits, *self._first):
                self.causes.add(part, message)

    def _find(self, part: str, problem: Check, samples: NDArray) -> NDArray:
        """Adds the problem of some samples of a batch, and names those that have it on their own.

        Args:
            part: The part of the cause.
            problem: From indices of samples to a message, or `None` if they have no problem.
            samples: The indices of the samples.

        Returns:
            The indices of the samples without the problem; none if they were not looked for.
        """
        message = problem(samples) if len(samples) else None
        if message is None:
            return samples
        if self.causes.is_known(part, message):
            return samples[:0]
        # Halving the batch would make JAX compile each operation for many shapes.
        bad = {n: own for n in samples if (own := problem(np.array([n]))) is not None}
        if not bad or len(bad) == len(samples) > NAMED_SAMPLES:
            self.causes.add(part, message)
            return samples[:0]
        for n, own_message in bad.items():
            self.causes.add(part, own_message, [self.num_samples + int(n)])
        return np.setdiff1d(samples, list(bad))

    def _check_labels(self, name: str, output: Output) -> Check:
        """Returns a function that checks the labels of samples with the reader of the losses."""
        loss, labels, predictions = output
        part, shape = f"y{name}", tuple(predictions.shape)
        if isinstance(labels, str):
            must = f"`{part}` must hold integers, one-hot rows or soft labels."
            return lambda samples: f"{must} Received: {labels}"
        if not is_categorical(loss):
            return check_finite(part, labels)

        def problem(samples: NDArray) -> str | None:
            given = labels[samples]
            try:
                count_classes("y_pred", shape)
                if given.size and (given.ndim < len(shape) or given.shape[-1] == 1):
                    self._traits[name].note_integers(given, shape[-1])
                read = read_labels(
                    part,
                    given,
                    (len(samples), *shape[1:]),
                    "float32",
                    get_option(loss, "ignore_class"),
                )
            except Exception as error:
                return describe_error(error)
            ignored = read.ignored is not None and bool(ops.all(read.ignored))
            self._traits[name].note_ignored(ignored)
            return None

        return problem

    def _check_loss(self, name: str, x: Any, y: Any) -> Check:
        """Returns a function that evaluates the loss of samples without any other problem."""
        size = len(keras.tree.flatten(x)[0])

        def problem(samples: NDArray) -> str | None:
            if 1 < len(samples) < size:  # keeps the shape, for which JAX has compiled
                samples = np.resize(samples, size)
            some_x, some_y = take_samples(x, samples), take(y, samples)
            try:
                output = pair(self._model, some_y, self._finite_model(some_x))[name]
                if is_categorical(output.loss):
                    # Keras's losses have the same requirements, but do not check them.
                    plain = CE(from_logits=has_logits(output.loss))
                    plain.read_predictions(output.predictions).find_invalid()
                with keras.StatelessScope():  # a loss may change the state of a layer
                    loss = output.loss(output.labels, output.predictions)
                value = float(ops.convert_to_numpy(loss).mean())
            except Exception as error:
                return describe_error(error)
            if not math.isfinite(value):
                return self._describe_value(value, output, some_x)
            self.values.append(value)
            if is_categorical(output.loss):
                self._traits[name].note_output(output)
            return None

        return problem

    def _describe_value(self, value: float, output: Output, x: Any) -> str:
        """Describes why a loss is not finite, for valid inputs, labels and weights."""
        values = to_float(output.predictions)
        heads = [h.name for h in find_layers(self._model, ClassHead) if not h.logits_in_training]
        if heads and np.isnan(values).all():
            return (
                f"the output of the ClassHead layer {heads[0]!r} is NaN in training, because it "
                "has logits_in_training=False. Only a LabelLoss of this package with "
                "from_logits=True and integer labels, directly behind the layer, can do without "
                "logits. Set `logits_in_training=True`"
            )
        if np.isnan(values).any() or np.isposinf(values).any():
            layer = self._finite_model.find_bad_layer(x)
            return (
                "the outputs are NaN or infinite, although inputs and weights are finite"
                + (f"; the first layer with such an output is {layer!r}" if layer else "")
                + ". Look for very large numbers, float16, a division by 0, or a logarithm or root "
                "that does not exist"
            )
        return (
            "the loss must be finite: the label must not have a logit of -inf, and a loss must not "
            f"take the logarithm of 0. Received: {value} for outputs from {values.min():.4g} to "
            f"{values.max():.4g}"
        )

    def _describe_weights(self) -> str:
        names = [v.path for v in self._finite_model.bad_weights]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        remedy = (
            "They probably follow from the other causes. "
            if self.causes
            else "The training has diverged: lower the learning rate, or clip gradients "
            "(`clipnorm=1.0` of the optimizer). "
        )
        return (
            f"{names[0]}{more} are NaN or infinite. {remedy}Then build the model again, or load a "
            "checkpoint, because such weights stay as they are"
        )
