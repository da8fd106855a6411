"""Explains why the loss of a model is NaN, raises an error or does not fall."""

import dataclasses
import itertools
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer
from keras_noisy._core.labels import count_classes, is_invalid_distribution, read_labels
from keras_noisy._core.model_layers import find_layers
from keras_noisy._core.record import clear_untaken_biases
from keras_noisy._labels import read_array, to_dense
from keras_noisy.calibration import diagnose
from keras_noisy.calibration.average_error import get_option
from keras_noisy.calibration.initial_logits import call_in_training
from keras_noisy.layers import ClassHead, LogitBias
from keras_noisy.losses import CE, RobustLoss
from keras_noisy.training._batches import is_data_set, iterate_batches

# The number of samples that are named for each cause.
_NAMED_SAMPLES = 5
# The number of batches of a data set, which may have no end, that are examined by default.
_BATCHES = 100
# Keras's losses of one label for each sample, which have the same requirements as those of this
# package.
_KERAS_CLASSES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)
_KERAS_FUNCTIONS = (
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)


class Cause(NamedTuple):
    """One cause of a loss that is NaN, raises an error or does not fall.

    Attributes:
        part: Where it is: `"x"`, `"y"`, `"sample_weight"`, `"model"`, `"loss"`, `"weights"` or
            `"optimizer"`. With several inputs or outputs, the name follows, such as `"y['fine']"`.
        message: What is wrong and what to do.
        samples: The first samples with this cause, counted from 0 over all batches; empty if all
            samples of a batch have it, or none on its own.
    """

    part: str
    message: str
    samples: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The result of `keras_noisy.explain`, for printing and with fields.

    Attributes:
        loss: The loss or losses, as Python code.
        num_samples: The number of samples that were examined.
        value: The mean of the loss over the batches where it is finite, or NaN.
        causes: What is wrong, a tuple of `Cause`; empty if nothing was found.
    """

    loss: str
    num_samples: int
    value: float
    causes: tuple[Cause, ...]

    def __str__(self) -> str:
        lines = [f"{self.loss} on {self.num_samples} samples: {self._summary()}"]
        for part, message, samples in self.causes:
            named = ", ".join(map(str, samples))
            more = ", …" if len(samples) == _NAMED_SAMPLES else ""
            where = f", sample{'s' * (len(samples) > 1)} {named}{more}" if samples else ""
            lines.append(f"  {part}{where}: {message}")
        return "\n".join(lines)

    def _summary(self) -> str:
        if self.causes:
            return f"{len(self.causes)} cause{'s' * (len(self.causes) > 1)} found"
        return (
            f"no cause found, the loss is {self.value:.4g}. If it becomes NaN in training, lower "
            "the learning rate or clip gradients (`clipnorm=1.0` of the optimizer), and avoid "
            "float16"
        )


def explain(
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int = 32,
    max_batches: int | None = None,
) -> Explanation:
    """Explains why the loss of a model is NaN, raises an error or does not fall.

    Call it with what you have passed to `fit`, before or after the training. It examines labels,
    inputs, weights and outputs, evaluates the compiled losses outside of the compiled training
    step, where they raise clear errors, and names the samples that are responsible. Weights that
    are NaN after a training are reported, and replaced by random ones for the rest of the
    examination. The model does not change, except that it is built if it was not.

    Args:
        model: A compiled `keras.Model` with one output or a list or dictionary of them, and any
            losses: of this package, of Keras, or your own functions.
        x: Inputs of the model: an array or a list or dictionary of arrays (n, …); or a data set of
            batches `(x, y)` or `(x, y, sample_weight)`, such as a `tf.data.Dataset`, a
            `keras_noisy.datasets.Pipeline`, a `keras.utils.PyDataset` or a `DataLoader`.
        y: The labels: an array, or a list or dictionary of arrays for several outputs. Defaults to
            `None`, for a data set.
        sample_weight: As in `fit`. Defaults to `None`.
        batch_size: Positive integer, the number of samples of a batch of arrays. Defaults to `32`.
        max_batches: Positive integer, the number of batches to examine: the first ones. Defaults
            to `None`: all of arrays, and 100 of a data set.

    Returns:
        An `Explanation`.

    Raises:
        ValueError: If the model is not compiled, if arrays differ in length, or if another argument
            is not one of the above.

    Example:

    >>> import keras, numpy as np
    >>> import keras_noisy
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> model.compile("sgd", loss=keras_noisy.MAE(from_logits=True))
    >>> explanation = keras_noisy.explain(model, np.ones((4, 4)), np.array([0, 1, 2, 3]))
    >>> [(cause.part, cause.samples) for cause in explanation.causes]
    [('y', (3,))]
    >>> print(explanation.causes[0].message.partition(";")[0])
    `y` must hold integers in [0, 3)
    """
    if not isinstance(model, keras.Model) or model.loss is None:
        raise ValueError(
            f"`model` must be a keras.Model that is compiled with a loss. Received: model={model!r}"
        )
    batch_size = check_integer("batch_size", batch_size, 1)
    max_batches = check_integer("max_batches", max_batches, 1, or_none=True)
    if y is None:
        if not is_data_set(x):
            raise ValueError(
                f"`x` must be a data set of batches if `y` is None. Received: {type(x).__name__}"
            )
        batches = itertools.islice(iterate_batches("x", x), max_batches or _BATCHES)
    else:
        batches = itertools.islice(_slice_arrays(x, y, sample_weight, batch_size), max_batches)
    causes = _Causes()
    examination = _Examination(model, causes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's warnings of NaN
        for inputs, labels, weights in batches:
            examination.examine(inputs, labels, weights)
        examination.conclude()
    clear_untaken_biases()
    return Explanation(
        loss=", ".join(dict.fromkeys(examination.losses.values())) or "the loss",
        num_samples=examination.num_samples,
        value=float(np.mean(examination.values)) if examination.values else math.nan,
        causes=causes.to_tuple(),
    )


class _Causes:
    """Collects causes. Messages that differ in numbers and received values are one cause."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[str, list[int]]] = {}

    def add(self, part: str, message: str, samples: Iterable[int] = ()) -> None:
        """Adds a cause, or samples to a cause that has been found before."""
        _, named = self._found.setdefault(self._key(part, message), (message, []))
        named.extend(itertools.islice(samples, _NAMED_SAMPLES - len(named)))

    def is_known(self, part: str, message: str) -> bool:
        """Returns whether a cause has been found, and no more of its samples are to be named."""
        _, named = self._found.get(self._key(part, message), ("", None))
        return named is not None and len(named) in (0, _NAMED_SAMPLES)

    def to_tuple(self) -> tuple[Cause, ...]:
        return tuple(
            Cause(part, message, tuple(samples))
            for (part, _), (message, samples) in self._found.items()
        )

    @staticmethod
    def _key(part: str, message: str) -> tuple[str, str]:
        return part, re.sub(r"\d+", "", message.partition(" Received:")[0])


class _Output(NamedTuple):
    """An output of the model with its loss.

    Attributes:
        loss: The loss.
        labels: The labels, an array, or words that say what they are instead.
        predictions: The tensor of outputs.
    """

    loss: keras.losses.Loss
    labels: Any
    predictions: Any


class _Examination:
    """Examines a model batch by batch."""

    def __init__(self, model: keras.Model, causes: _Causes) -> None:
        self.model = model
        self.causes = causes
        self.losses: dict[str, str] = {}
        self.values: list[float] = []
        self.num_samples = 0
        self.bad_weights = [v for v in model.weights if not _is_finite(v)]
        self.replacements = {id(v): _draw_weights(v) for v in self.bad_weights}
        # What is true of all outputs and labels so far, by the name of the output.
        self.traits: dict[str, dict[str, bool]] = {}
        self.label_ranges: dict[str, tuple[int, int, int]] = {}
        self.outputs: Any = None  # of the first batch, for their shapes
        self.parts: keras.Model | None = None  # with the outputs of all layers
        self.first: tuple[Any, Any] | None = None  # the first batch

    def examine(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Examines one batch."""
        x = keras.tree.map_structure(_to_array, x)
        y = {key: read_array(labels) for key, labels in _split(y).items()}
        every = np.arange(len(keras.tree.flatten(x)[0]))
        good = every
        for name, values in _name_parts("x", x):
            good = np.intersect1d(good, self.find(name, _check_finite(name, values), every))
        for name, values in _name_parts("sample_weight", sample_weight):
            self.find(name, _check_finite(name, _to_array(values)), every)
        outputs: dict[str, _Output] = {}
        try:
            if not self.model.built:
                self.model(x)
            if self.outputs is None:
                self.outputs = self.call(x)
            outputs = _pair(self.model, y, self.outputs)
        except Exception as error:
            self.causes.add("model", _describe_error(error))
        for name, output in outputs.items():
            self.losses[name] = _describe_loss(output.loss)
            valid = self.find(f"y{name}", self.check_labels(name, output), every)
            good = np.intersect1d(good, valid)
        self.first = self.first or (x, y)
        for name in outputs:
            self.find(f"loss{name}", self.check_loss(name, x, y), good)
        self.num_samples += len(every)

    def find(
        self, part: str, problem: Callable[[NDArray], str | None], samples: NDArray
    ) -> NDArray:
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
        if not bad or len(bad) == len(samples) > _NAMED_SAMPLES:
            self.causes.add(part, message)
            return samples[:0]
        for n, own_message in bad.items():
            self.causes.add(part, own_message, [self.num_samples + int(n)])
        return np.setdiff1d(samples, list(bad))

    def call(self, x: Any) -> Any:
        return call_in_training(self.model, x, self.replacements)

    def check_labels(self, name: str, output: _Output) -> Callable[[NDArray], str | None]:
        """Returns a function that checks the labels of samples with the reader of the losses."""
        loss, labels, predictions = output
        part, shape = f"y{name}", tuple(predictions.shape)
        if isinstance(labels, str):
            must = f"`{part}` must hold integers, one-hot rows or soft labels."
            return lambda samples: f"{must} Received: {labels}"
        if not _is_categorical(loss):
            return _check_finite(part, labels)

        def problem(samples: NDArray) -> str | None:
            given = labels[samples]
            try:
                count_classes("y_pred", shape)
                if given.size and (given.ndim < len(shape) or given.shape[-1] == 1):
                    self.note_range(name, given, shape[-1])
                read = read_labels(
                    part,
                    given,
                    (len(samples), *shape[1:]),
                    "float32",
                    get_option(loss, "ignore_class"),
                )
            except Exception as error:
                return _describe_error(error)
            ignored = read.ignored is not None and bool(ops.all(read.ignored))
            self.note(name, ignored=ignored)
            return None

        return problem

    def check_loss(self, name: str, x: Any, y: Any) -> Callable[[NDArray], str | None]:
        """Returns a function that evaluates the loss of samples without any other problem."""
        size = len(keras.tree.flatten(x)[0])

        def problem(samples: NDArray) -> str | None:
            if 1 < len(samples) < size:  # keeps the shape, for which JAX has compiled
                samples = np.resize(samples, size)
            some_x = keras.tree.map_structure(lambda values: values[samples], x)
            some_y = {key: _take(labels, samples) for key, labels in y.items()}
            try:
                output = _pair(self.model, some_y, self.call(some_x))[name]
                if _is_categorical(output.loss):
                    # Keras's losses have the same requirements, but do not check them.
                    plain = CE(from_logits=_has_logits(output.loss))
                    plain.read_predictions(output.predictions).find_invalid()
                loss = output.loss(output.labels, output.predictions)
                value = float(ops.convert_to_numpy(loss).mean())
            except Exception as error:
                return _describe_error(error)
            if not math.isfinite(value):
                return self.describe_value(value, output, some_x)
            self.values.append(value)
            if _is_categorical(output.loss):
                self.note_outputs(name, output)
            return None

        return problem

    def describe_value(self, value: float, output: _Output, x: Any) -> str:
        """Describes why a loss is not finite, for valid inputs, labels and weights."""
        values = _to_float(output.predictions)
        heads = [h.name for h in find_layers(self.model, ClassHead) if not h.logits_in_training]
        if heads and np.isnan(values).all():
            return (
                f"the output of the ClassHead layer {heads[0]!r} is NaN in training, because it "
                "has logits_in_training=False. Only a LabelLoss of this package with "
                "from_logits=True and integer labels, directly behind the layer, can do without "
                "logits. Set `logits_in_training=True`"
            )
        if np.isnan(values).any() or np.isposinf(values).any():
            layer = self.find_bad_layer(x)
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

    def find_bad_layer(self, x: Any) -> str | None:
        """Returns the name of the first layer of a functional model whose output is not finite."""
        try:
            if self.parts is None:
                # A Sequential model has no `input`.
                given = getattr(self.model, "input", self.model.inputs[0])
                outputs = {layer.name: layer.output for layer in self.model.layers}
                self.parts = keras.Model(given, outputs)
            outputs = call_in_training(self.parts, x, self.replacements)
        except Exception:  # A subclassed model has no graph of layers.
            return None
        for layer in self.model.layers:
            arrays = map(_to_float, keras.tree.flatten(outputs[layer.name]))
            if not all(np.isfinite(array).all() for array in arrays):
                return layer.name
        return None

    def note(self, name: str, **traits: bool) -> None:
        """Notes what is true of a batch; it counts if it is true of all batches."""
        known = self.traits.setdefault(name, {})
        known.update(
            {trait: known.get(trait, True) and is_true for trait, is_true in traits.items()}
        )

    def note_range(self, name: str, labels: NDArray, num_classes: int) -> None:
        low, high, _ = self.label_ranges.get(name, (labels.min(), labels.max(), num_classes))
        self.label_ranges[name] = min(low, labels.min()), max(high, labels.max()), num_classes

    def note_outputs(self, name: str, output: _Output) -> None:
        values = _to_float(output.predictions)
        if np.isnan(values).any():  # a ClassHead without logits
            return
        rows = values.reshape(-1, values.shape[-1])
        is_in_unit = values.min() >= 0.0 and 0.0 < values.max() <= 1.0
        self.note(
            name,
            probabilities=not bool(ops.any(is_invalid_distribution(ops.convert_to_tensor(rows)))),
            in_unit=bool(is_in_unit),
            constant=len(rows) == 1 or bool((np.ptp(rows, axis=0) == 0.0).all()),
            with_logits=_has_logits(output.loss),
        )

    def conclude(self) -> None:
        """Adds the causes that follow from all batches together."""
        for name, (low, high, num_classes) in self.label_ranges.items():
            if low == 1 and high == num_classes:
                self.causes.add(
                    f"y{name}",
                    f"the labels go from 1 to {high}, but classes are counted from 0: subtract 1",
                )
        for name, traits in self.traits.items():
            if traits.get("with_logits") and traits["in_unit"]:
                kind = "a softmax" if traits["probabilities"] else "a sigmoid"
                remedy = " or set `from_logits=False`" if traits["probabilities"] else ""
                self.causes.add(
                    f"loss{name}",
                    f"the outputs look like those of {kind}, but the loss has from_logits=True: "
                    f"remove that activation{remedy}",
                )
        if self.bad_weights:
            self.causes.add("weights", self._describe_weights(is_only=not self.causes.to_tuple()))
        if not self.num_samples:
            self.causes.add("x", "the data set is empty")
        elif not self.causes.to_tuple():
            for part, message in self._find_stalls():
                self.causes.add(part, message)

    def _describe_weights(self, is_only: bool) -> str:
        names = [v.path for v in self.bad_weights]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        remedy = (
            "The training has diverged: lower the learning rate, or clip gradients "
            "(`clipnorm=1.0` of the optimizer). "
            if is_only
            else "They probably follow from the other causes. "
        )
        return (
            f"{names[0]}{more} are NaN or infinite. {remedy}Then build the model again, or load a "
            "checkpoint, because such weights stay as they are"
        )

    def _find_stalls(self) -> Iterator[tuple[str, str]]:
        """Yields reasons why a finite loss does not fall."""
        rate = getattr(self.model.optimizer, "learning_rate", 1.0)
        rate = float(ops.convert_to_numpy(rate))
        if rate <= 0.0 or not math.isfinite(rate):
            yield "optimizer", f"the learning rate is {rate:g}"
        if not self.model.trainable_weights:
            yield "model", "no weight is trainable"
        for name, traits in self.traits.items():
            if traits["ignored"]:
                yield f"y{name}", "all labels are the `ignore_class` of the loss"
            elif traits.get("constant"):
                yield f"loss{name}", "the outputs are the same for all samples, whatever the input"
        if list(self.losses) == [""] and self.first is not None:
            yield from self._diagnose(*self.first)

    def _diagnose(self, x: Any, y: Any) -> Iterator[tuple[str, str]]:
        """Yields the diagnosis of a loss that stalls, if the model has not learned anything."""
        (output,) = _pair(self.model, y, self.outputs).values()
        values, labels = _to_float(output.predictions), output.labels
        if labels.ndim == values.ndim and labels.shape[-1] > 1:
            labels = labels.argmax(axis=-1)
        is_correct = values.argmax(axis=-1).ravel() == labels.ravel()
        if not isinstance(output.loss, RobustLoss) or is_correct.mean() > 3 / values.shape[-1]:
            return
        for layer in find_layers(self.model, LogitBias):
            steps = layer.training_steps
            if steps is not None and int(ops.convert_to_numpy(layer.step)) >= steps:
                yield (
                    "model",
                    f"the schedule of the LogitBias layer {layer.name!r} is over, so that the bias "
                    "is 0: call `layer.restart()` before another training",
                )
        try:
            diagnosis = diagnose(self.model, x, output.loss)
        except ValueError:  # the model is trained, or not of the kind that can be diagnosed
            return
        if diagnosis.verdict != "learns":
            changes = " or ".join(change.setting for change in diagnosis.changes)
            yield (
                "loss",
                f"with {diagnosis.num_classes} classes, this loss {diagnosis.verdict}"
                + (f": set {changes}" if changes else "")
                + ". keras_noisy.diagnose(model, x, loss) tells more",
            )


# Samples


def _check_finite(name: str, values: Any) -> Callable[[NDArray], str | None]:
    """Returns a function that describes the first number of some samples that is not finite."""
    is_float = isinstance(values, np.ndarray) and np.issubdtype(values.dtype, np.floating)
    is_bad = ~np.isfinite(values) if is_float else None

    def problem(samples: NDArray) -> str | None:
        if is_bad is None or not is_bad[samples].any():
            return None
        sample, *position = np.argwhere(is_bad[samples])[0].tolist()
        number = values[samples][(sample, *position)]
        where = f" at position {tuple(position)} of the sample" if position else ""
        return f"`{name}` must hold finite numbers. Received: {number}{where}"

    return problem


def _slice_arrays(
    x: Any, y: Any, sample_weight: Any, batch_size: int
) -> Iterator[tuple[Any, Any, Any]]:
    """Yields batches of arrays."""
    x = keras.tree.map_structure(_to_array, x)
    y = {key: _to_sliceable(labels) for key, labels in _split(y).items()}
    weights = {} if sample_weight is None else _split(sample_weight)
    weights = {key: np.asarray(each) for key, each in weights.items()}
    arrays = [*keras.tree.flatten(x), *y.values(), *weights.values()]
    lengths = [int(array.shape[0]) if len(array.shape) else 0 for array in arrays]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "`x`, `y` and `sample_weight` must be arrays of the same length, with at least one "
            f"sample. Received: lengths {lengths}"
        )
    for start in range(0, lengths[0], batch_size):
        part = slice(start, start + batch_size)
        yield (
            keras.tree.map_structure(lambda array: array[part], x),  # noqa: B023
            {key: labels[part] for key, labels in y.items()},
            {key: each[part] for key, each in weights.items()} or None,
        )


def _to_sliceable(labels: Any) -> Any:
    """Returns labels as an array with slices, which may be sparse, ragged or text."""
    if hasattr(labels, "tocsr"):
        return labels.tocsr()
    labels = to_dense(labels)
    if hasattr(labels, "shape") and not hasattr(labels, "iloc"):
        return labels
    try:
        return np.asarray(labels)
    except ValueError:  # rows of different lengths
        return np.array(labels, dtype=object)


def _to_array(values: Any) -> NDArray:
    values = to_dense(values)
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else np.asarray(values)


def _to_float(tensor: Any) -> NDArray:
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


# Several inputs and outputs, and their losses


def _split(values: Any) -> dict[Any, Any]:
    """Returns the labels of several outputs by name or number, and those of one output by ""."""
    if isinstance(values, Mapping):
        return dict(values)
    # A list of numbers or of text is one array.
    if isinstance(values, (list, tuple)) and values and all(map(_is_array, values)):
        return dict(enumerate(values))
    return {"": values}


def _is_array(values: Any) -> bool:
    return len(getattr(values, "shape", ())) > 0


def _take(labels: Any, samples: NDArray) -> Any:
    return labels if isinstance(labels, str) else labels[samples]


def _name_parts(argument: str, values: Any) -> Iterator[tuple[str, Any]]:
    """Yields the arrays of an argument with their names, such as `x['image']`."""
    if values is None:
        return
    for key, each in _split(values).items():
        yield argument if key == "" else f"{argument}[{key!r}]", each


def _pair(model: keras.Model, y: Mapping[Any, Any], outputs: Any) -> dict[str, _Output]:
    """Returns the outputs that have a loss by the end of their names: `""`, or `"['name']"`.

    Args:
        model: The model.
        y: The labels by the name or number of the output, or `""`.
        outputs: A tensor, or a list or dictionary of tensors.

    Raises:
        ValueError: If an output with a loss has no labels.
    """
    given, losses = outputs, model.loss
    if isinstance(outputs, (list, tuple)):
        names = getattr(model, "output_names", None) or range(len(outputs))
        given = dict(zip(names, outputs, strict=True))
    elif not isinstance(outputs, Mapping):
        given = {"": outputs}
        if isinstance(losses, Mapping):
            losses = list(losses.values())
    if isinstance(losses, (list, tuple)):
        losses = dict(zip(given, losses, strict=False))
    elif not isinstance(losses, Mapping):
        losses = dict.fromkeys(given, losses)
    pairs = {}
    for number, (name, predictions) in enumerate(given.items()):
        if losses.get(name) is None:
            continue
        keys = list(y) if len(y) == len(given) == 1 else [k for k in (name, number) if k in y]
        if not keys:
            raise ValueError(
                "`y` must have labels for each output with a loss, by its name or in order. "
                f"Received: labels of {list(y)} for {list(given)}"
            )
        labels = y[keys[0]]
        loss = _get_loss(losses[name], labels, predictions)
        pairs["" if name == "" else f"[{name!r}]"] = _Output(loss, labels, predictions)
    return pairs


class _FunctionLoss(keras.losses.Loss):
    """A loss that calls a function, as `compile` makes one of a function."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(function, "__name__", type(function).__name__))
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_pred = ops.squeeze(y_pred, axis=-1)
        return self.function(y_true, y_pred)


def _get_loss(loss: Any, labels: Any, predictions: Any) -> keras.losses.Loss:
    """Returns the loss that `compile` makes of its argument."""
    if loss in ("crossentropy", "ce"):
        is_sparse = len(labels.shape) < len(predictions.shape) or labels.shape[-1] == 1
        loss = f"{'sparse_' * is_sparse}categorical_crossentropy"
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else _FunctionLoss(loss)


def _describe_loss(loss: keras.losses.Loss) -> str:
    if isinstance(loss, RobustLoss):
        return repr(loss)
    return loss.name if isinstance(loss, _FunctionLoss) else type(loss).__name__


def _is_categorical(loss: keras.losses.Loss) -> bool:
    """Returns whether a loss has one label for each sample, so that labels can be checked."""
    function = getattr(loss, "function", None)
    return isinstance(loss, (RobustLoss, *_KERAS_CLASSES)) or function in _KERAS_FUNCTIONS


def _has_logits(loss: keras.losses.Loss) -> bool:
    return not isinstance(loss, _FunctionLoss) and bool(get_option(loss, "from_logits", False))


# Weights and layers


def _is_finite(weight: keras.Variable) -> bool:
    if not keras.backend.is_float_dtype(weight.dtype):
        return True
    return bool(np.isfinite(_to_float(weight)).all())


def _draw_weights(weight: keras.Variable) -> Any:
    """Returns random values for a weight that is not finite."""
    if len(weight.shape) < 2:
        return ops.ones(weight.shape, weight.dtype)
    return keras.initializers.GlorotUniform(seed=0)(weight.shape, weight.dtype)


def _describe_error(error: Exception) -> str:
    """Returns the message of an error, with its type if it does not describe an argument."""
    text = str(error).strip()
    if isinstance(error, ValueError) and text.startswith("`"):
        return text
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
