"""Explains why the loss of a model is NaN, raises an error or does not fall."""

import dataclasses
import itertools
import math
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_noisy._arguments import check_integer
from keras_noisy._core.record import clear_untaken_biases
from keras_noisy.training._batches import is_data_set, iterate_batches
from keras_noisy.training._explain.batches import slice_arrays
from keras_noisy.training._explain.causes import NAMED_SAMPLES
from keras_noisy.training._explain.examination import Examination

# The number of batches of a data set, which may have no end, that are examined by default.
_BATCHES = 100


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
            more = ", …" if len(samples) == NAMED_SAMPLES else ""
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
        batches = itertools.islice(slice_arrays(x, y, sample_weight, batch_size), max_batches)
    examination = Examination(model)
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
        causes=tuple(itertools.starmap(Cause, examination.causes)),
    )
