"""The logits of a model that has not been trained, measured."""

import dataclasses
import inspect
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer
from keras_noisy.calibration.gradient import without_traces
from keras_noisy.losses.labels import is_no_distribution
from keras_noisy.losses.prediction_bias import forget_biases


@dataclasses.dataclass(frozen=True)
class InitialLogits:
    """Logits of a model, as `initial_logits` measures them.

    Args:
        values: Float32 array (n, K), the logits of n inputs.
        from_probabilities: Whether the model returns probabilities; then the logits are their
            logarithms, shifted so that each row has mean 0.

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
        """The distribution of all logits: densities (bins,), which integrate to 1, and the edges of
        their bins (bins + 1,)."""
        return np.histogram(self.values, bins=bins, density=True)


def initial_logits(model: keras.Model, x: Any, batch_size: int = 128) -> InitialLogits:
    """Measures the logits of a model as the loss will meet them in the first training step.

    The model is called with `training=True`: in inference mode batch normalisation divides by
    variances that it has not measured yet, and the logits of a fresh network have a standard deviation
    of 0.02 where in training they have one of 1. Neither its weights nor any other of its state
    (moving averages, seeds of dropout) changes.

    Args:
        model: A `keras.Model` with one output of shape (batch, …, K), logits or probabilities, told
            apart by their values. It must be built.
        x: Inputs as the model takes them: an array, or a nest of arrays (n, …).
        batch_size: Integer, the inputs that are passed at once. Defaults to `128`; take that of the
            training if the model has batch normalisation.

    Returns:
        `InitialLogits`, with the properties `mean`, `std` and `num_classes`, the method `histogram`
        and all `values`.

    Raises:
        ValueError: If the model is not built or does not have one output of such a shape, if there is
            no input, or if an output is not finite.

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
    inputs, count = _read(x)
    # Models of the user's own need not tell training from inference.
    takes_training = "training" in inspect.signature(model.call).parameters
    options = {"training": True} if takes_training else {}
    outputs = []
    for start in range(0, count, batch_size):
        batch = keras.tree.map_structure(lambda a, i=start: a[i : i + batch_size], inputs)
        # Changes of state, of which batch normalisation makes some, are returned and dropped.
        with without_traces():
            output, _ = model.stateless_call(
                [v.value for v in model.trainable_variables],
                [v.value for v in model.non_trainable_variables],
                batch,
                **options,
            )
        outputs.append(_one_array(output))
    forget_biases()  # of a LogitBias layer: no loss follows
    values = np.concatenate(outputs)
    if not np.all(np.isfinite(values)):
        raise ValueError(
            "`model` must return finite numbers. Received: outputs that are not finite"
        )
    if np.any(ops.convert_to_numpy(is_no_distribution(ops.convert_to_tensor(values)))):
        return InitialLogits(values)
    logits = np.log(np.maximum(values, np.finfo("float32").tiny))
    return InitialLogits(logits - logits.mean(axis=-1, keepdims=True), from_probabilities=True)


def _read(x: Any) -> tuple[Any, int]:
    """Inputs as arrays, and how many there are."""
    inputs = keras.tree.map_structure(np.asarray, x)
    counts = {array.shape[:1] for array in keras.tree.flatten(inputs)}
    if len(counts) != 1 or counts <= {(), (0,)}:
        raise ValueError(
            "`x` must be an array with at least one input, or a nest of arrays of equal length; of a "
            f"data set, one batch. Received: x of type {type(x).__name__}"
        )
    return inputs, counts.pop()[0]


def _one_array(output: Any) -> NDArray:
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) < 2 or shape[-1] < 2:
        raise ValueError(
            "`model` must have one output of shape (batch, …, K) with K of at least 2. "
            f"Received: {keras.tree.map_structure(lambda t: tuple(t.shape), output)}"
        )
    array = ops.convert_to_numpy(ops.cast(output, "float32"))
    return array.reshape(-1, shape[-1])
