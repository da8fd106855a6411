"""Measures the logits of a model that has not been trained."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer
from keras_noisy._core.labels import is_invalid_distribution
from keras_noisy._core.record import clear_untaken_biases
from keras_noisy._inputs import count_samples, read_inputs, take_samples
from keras_noisy.calibration._gradient import without_traces


@dataclasses.dataclass(frozen=True)
class InitialLogits:
    """The logits of a model that `initial_logits` measured.

    Args:
        values: Float32 array (n, K), the logits of n inputs.
        from_probabilities: Boolean, whether the model returns probabilities. The logits are then
            their logarithms, shifted so that each row has mean 0.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.calibration import InitialLogits
    >>> logits = InitialLogits(np.array([[-1.0, 0.0], [0.0, 1.0]]))
    >>> logits.num_classes, logits.mean, round(logits.std, 3)
    (2, 0.0, 0.707)
    """

    values: NDArray
    from_probabilities: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return int(self.values.shape[-1])

    @property
    def mean(self) -> float:
        """Mean of all logits."""
        return float(self.values.mean(dtype="float64"))

    @property
    def std(self) -> float:
        """Standard deviation of all logits."""
        return float(self.values.std(dtype="float64"))

    def histogram(self, bins: int = 50) -> tuple[NDArray, NDArray]:
        """Returns densities (bins,) of all logits, and the edges of the bins (bins + 1,)."""
        return np.histogram(self.values, bins=bins, density=True)


def initial_logits(model: keras.Model, x: Any, batch_size: int = 128) -> InitialLogits:
    """Measures the logits of a model in the first training step.

    The model is called with `training=True`. In inference mode, batch normalisation divides by
    variances that it has not measured yet, and the logits of an untrained network have a standard
    deviation of 0.02 instead of 1. The state of the model (weights, moving averages, seeds of
    dropout) does not change.

    Args:
        model: A `keras.Model`, built, with one output of shape (batch, …, K). Logits and
            probabilities are told apart by their values.
        x: Inputs of the model, an array or a nested structure of arrays (n, …).
        batch_size: Integer, the number of samples in a batch. Use that of the training if the
            model has batch normalisation. Defaults to `128`.

    Returns:
        An `InitialLogits`.

    Raises:
        ValueError: If the model is not built or does not have one output of such a shape, if `x` is
            empty, or if an output is not finite.

    Example:

    >>> import keras, numpy as np
    >>> from keras_noisy.calibration import initial_logits
    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(100)])
    >>> x = np.random.default_rng(0).normal(size=(32, 64)).astype("float32")
    >>> logits = initial_logits(model, x)
    >>> logits.num_classes, round(logits.std, 1)
    (100, 0.9)

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 5.
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(
            "`model` must be a keras.Model that is built: call it on a batch first. "
            f"Received: model={model!r}"
        )
    batch_size = check_integer("batch_size", batch_size, 1)
    inputs = read_inputs("x", x)
    outputs = []
    for start in range(0, count_samples(inputs), batch_size):
        batch = take_samples(inputs, slice(start, start + batch_size))
        outputs.append(_one_array(call_in_training(model, batch)))
    clear_untaken_biases()  # no loss follows
    values = np.concatenate(outputs)
    if not np.all(np.isfinite(values)):
        raise ValueError(
            "`model` must return finite numbers. Received: outputs that are not finite"
        )
    if np.any(ops.convert_to_numpy(is_invalid_distribution(ops.convert_to_tensor(values)))):
        return InitialLogits(values)
    logits = np.log(np.maximum(values, np.finfo("float32").tiny))
    return InitialLogits(logits - logits.mean(axis=-1, keepdims=True), from_probabilities=True)


def call_in_training(model: keras.Model, x: Any, weights: Mapping[int, Any] | None = None) -> Any:
    """Calls a model as a training step does, and leaves its state unchanged.

    Args:
        model: The model, built.
        x: A batch of inputs.
        weights: Tensors to use in place of some weights, by the `id` of the weight. Defaults to
            `None`.

    Returns:
        The outputs of the model.
    """
    # The `call` of a subclassed model may have no such argument.
    takes_training = "training" in inspect.signature(model.call).parameters
    given = weights or {}
    # `stateless_call` returns changes of state, which are discarded.
    with without_traces():
        outputs, _ = model.stateless_call(
            [given.get(id(v), v.value) for v in model.trainable_variables],
            [given.get(id(v), v.value) for v in model.non_trainable_variables],
            x,
            **({"training": True} if takes_training else {}),
        )
    return outputs


def _one_array(output: Any) -> NDArray:
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) < 2 or shape[-1] < 2:
        raise ValueError(
            "`model` must have one output of shape (batch, …, K) with K of at least 2. "
            f"Received: {keras.tree.map_structure(lambda t: tuple(t.shape), output)}"
        )
    array = ops.convert_to_numpy(ops.cast(output, "float32"))
    return array.reshape(-1, shape[-1])
