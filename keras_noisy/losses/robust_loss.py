"""The base of all losses, and the weighted sums that their operators make."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, Unpack

import keras
import numpy as np
from keras import ops

from keras_noisy._arguments import check_number, is_number
from keras_noisy._core.add_logit_bias import resolve_logit_bias
from keras_noisy._core.batch import Batch, Predictions
from keras_noisy._core.tracing import count_replicas
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import ConfiguredLoss, LossOptions, format_arguments
from keras_noisy.losses._hyperparameter import Calibration


class RobustLoss(ConfiguredLoss, abc.ABC):
    """Base class of all losses of this package.

    It reads labels and predictions, adds the logit bias, and leaves the reduction to Keras. For
    your own loss, subclass `LabelLoss` or `RowLoss` and define one formula. The method
    `per_sample`, which they define, is internal to this package.

    Shapes: `y_pred` is (…, K) with any leading axes. `y_true` contains integers (…,) or (…, 1), or
    one-hot or soft targets (…, K), told apart by rank. The loss of a soft target is the average of
    the loss over labels drawn from it; for losses of the whole row with a bias, see `RowLoss`. A
    logit of -inf excludes a class, which must not be the label. The losses of the samples are
    (…,). They are computed in float32 or float64, and integer labels stay integers, whatever
    `dtype` and Keras's `floatx` are.

    Args:
        logit_bias: The number to add to the label's logit inside the loss, in units of the logits.
            Defaults to `None`.

            - `None`: nothing.
            - A float from -60 to 60: that number.
            - `"auto"`: the number `eps` that `keras_noisy.calibration.logit_bias(K)` gives, which
              depends on the number of classes K alone.
            - `"adaptive"`: `1.2 eps min(1, H / H_0)`, where H is the entropy of the prediction and
              H_0 its average in an untrained network. Samples with certain predictions receive a
              smaller bias, so that fewer wrong labels are memorised (docs/adaptive_bias.md).
            - A `keras_noisy.LogitBias` layer of the model, or `"layer"` for the layer that the
              predictions come from: the bias of the training step, which may fall during training
              (docs/annealed_bias.md), and 0 in validation.
        from_logits: Boolean, whether `y_pred` contains logits. Defaults to `False`: probabilities,
            as in Keras. Prefer logits, because a softmax in half precision rounds the probability
            of hard samples to 0.
        ignore_class: Integer, the label of samples to ignore. Their loss is 0, and they do not
            count in the mean. A one-hot target has the label whose share is above one half; for an
            `ignore_class` outside [0, K), it is a row of zeros. Defaults to `None`.
        label_smoothing: Number r in [0, 1). Each label becomes the soft target that has the share
            `1 - r` of the label and `r / K` of each of the K classes, as in Keras's cross-entropy.
            The loss is exactly that of the soft target, for integer labels too, which need no array
            of targets. A symmetric loss without bias becomes `1 - r` times itself plus a constant,
            so that smoothing has no other effect on it than a smaller learning rate. With a logit
            bias, a loss of the label's probability gives every possible label its bias, and a loss
            of the whole row adds it in proportion to the target, as for any soft target. A class
            that is excluded by a logit of -inf has a share, too. Defaults to `0.0`.
        reduction: As in `keras.losses.Loss`. Defaults to `"sum_over_batch_size"`.
        name: Optional name of the instance.
        dtype: As in `keras.losses.Loss`, but at least float32.

    Raises:
        ValueError: If an argument is not one of the above; when called, if K < 2, if the shapes do
            not fit together, and, in an eager call, if a label names no class, or if `y_pred`
            should be probabilities but has values outside [0, 1] or rows that do not sum to 1. A
            graph of TensorFlow without XLA raises a `tf.errors.InvalidArgumentError`; in other
            compiled graphs, which can't raise, the loss of such a sample is NaN, and
            `keras_noisy.explain(model, x, y)` names the sample. This includes masked samples and
            samples of weight 0; use `ignore_class` for labels to ignore. `from_logits=True` for the
            output of a softmax raises an error if Keras marks that output, which it does on
            TensorFlow and PyTorch.

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): the logit bias.
    """

    # Whether the loss stays the same if the classes, and the label with them, change places.
    treats_classes_alike: ClassVar[bool] = True

    @abc.abstractmethod
    def per_sample(self, batch: Batch) -> Tensor:
        """Computes the losses (…,) of the samples of a batch.

        Integer labels are not smoothed yet.
        """

    def average_over_labels(self, batch: Batch) -> Any:
        """Computes the average of the losses over all K labels: a number or a tensor (…,)."""
        return self.per_sample(batch.with_uniform_labels)

    def for_classes(self, num_classes: int) -> Self:
        """Returns the loss with its hyperparameters resolved for a number of classes."""
        return self

    def calibration(self, num_classes: int) -> Calibration:
        """Returns how `keras_noisy.calibration.match` moves the loss to a number of classes."""
        name = type(self).__name__
        return Calibration(reason=f"{name} has no hyperparameter to change.")

    def logit_bias_for(self, num_classes: int) -> float:
        """Returns the logit bias for a number of classes; the largest one if it is adaptive."""
        return resolve_logit_bias(self.logit_bias, num_classes)

    def read_predictions(self, y_pred: Tensor) -> Predictions:
        """Returns predictions together with the logit bias that applies to them."""
        return Predictions(y_pred, self.from_logits, self.logit_bias, self.dtype)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        if sample_weight is not None:
            _check_weight_rank(tuple(np.shape(sample_weight)), tuple(np.shape(y_pred)))
        is_weighted = sample_weight is not None or hasattr(y_pred, "_keras_mask")
        return _BoundLoss(self, y_true, y_pred, is_weighted)((), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        batch = Batch(
            y_true,
            y_pred,
            self.from_logits,
            self.logit_bias,
            self.ignore_class,
            self.dtype,
            self.label_smoothing,
        )
        loss = self.for_classes(batch.predictions.num_classes)
        losses = loss.per_sample(batch)
        if self.label_smoothing and batch.labels.targets is None:
            average = loss.average_over_labels(batch)
            losses = (1.0 - self.label_smoothing) * losses + self.label_smoothing * average
        for invalid in (batch.labels.invalid, batch.invalid_predictions):
            if invalid is not None:
                losses = ops.where(invalid, math.nan, losses)
        ignored = batch.labels.ignored
        if ignored is None:
            return losses
        return self._attach_mask([ops.where(ignored, 0.0, losses), ops.logical_not(ignored)])

    # Without it, `numpy.float64(10) * loss` would make an array of the loss.
    __array_ufunc__ = None

    def __mul__(self, weight: Any) -> Any:
        return WeightedSum([self], [weight]) if is_number(weight) else NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return WeightedSum([self, other]) if isinstance(other, RobustLoss) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        # The built-in `sum` starts with 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented


class _BoundLoss(keras.losses.Loss):
    """A loss together with the labels and predictions of one batch.

    `keras.losses.Loss.__call__` casts labels and predictions to float. Labels must stay integers,
    and a cast would lose what layers have attached to predictions, so both bypass it.
    """

    def __init__(
        self, loss: keras.losses.Loss, y_true: Tensor, y_pred: Tensor, is_weighted: bool
    ) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self._loss = loss
        self._y_true = y_true
        self._y_pred = y_pred
        self._is_weighted = is_weighted

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        losses = self._loss.call(self._y_true, self._y_pred)
        if self._is_weighted or hasattr(losses, "_keras_mask") or not self._has_plain_mean(losses):
            return losses
        # Keras returns a scalar as it is. In eager execution, its own reduction takes as long as
        # the loss.
        return ops.mean(losses)

    def _has_plain_mean(self, losses: Tensor) -> bool:
        """Returns whether Keras's reduction of losses without weights is the mean."""
        # Keras keeps masks elsewhere on JAX, whose tensors have no attributes.
        has_attributes = keras.backend.backend() in ("tensorflow", "torch")
        means = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
        is_mean = self.reduction in means and all(losses.shape)
        return has_attributes and is_mean and count_replicas() == 1


def _check_weight_rank(weights: tuple[Any, ...], predictions: tuple[Any, ...]) -> None:
    """Raises a ValueError if Keras would multiply losses by the weights of other samples."""
    losses = predictions[:-1]
    is_column = len(weights) == len(losses) + 1 and weights[-1] == 1
    is_row = len(weights) == 1 and len(losses) == 2 and losses[-1] == 1
    if len(weights) in (0, len(losses)) or is_column or is_row:
        return
    raise ValueError(
        f"`sample_weight` must have one number for each label, shape {losses}, or 1 in place of an "
        "axis for equal weights along it. Keras makes weights of shape (batch,) from "
        "`class_weight`, which it supports for one label per sample only; "
        "`sample_weight=weights[y_true]` gives each label the weight of its class. "
        f"Received: sample_weight of shape {weights}"
    )


# The options of a sum, which all of its parts share. The parts may have different names.
_SHARED = ("logit_bias", "from_logits", "ignore_class", "label_smoothing", "reduction", "dtype")


@keras.saving.register_keras_serializable(package="keras_noisy")
class WeightedSum(RobustLoss):
    """Computes a weighted sum of losses, with one logit bias for all of them.

    Formula:

    ```
    loss = sum_i weight_i loss_i
    ```

    Operators make such sums: `10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0)`.

    Args:
        losses: Losses of this package, or of subclasses of its base classes. A sum among them is
            replaced by its parts.
        weights: Numbers in [0, 1e6], one for each loss. The weights of a nested sum are multiplied.
            Defaults to 1 for each loss.
        **options: As in `keras_noisy.losses.RobustLoss`, for all parts alike. An option that is not
            given is taken from the parts, which must agree in it. The names of the parts are not
            used.

    Raises:
        ValueError: If a part is not a loss of this package, if a weight is not such a number, if
            there are not as many weights as losses, if the parts differ in an option that is not
            given, or, when called, if all weights are 0.

    Example:

    >>> import keras_noisy
    >>> loss = 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.MAE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    2.1
    >>> loss = loss.with_options(from_logits=True, logit_bias=2.0)
    >>> [part.logit_bias for part in loss.losses]
    [2.0, 2.0]
    """

    def __init__(
        self,
        losses: Sequence[RobustLoss],
        weights: Sequence[float] | None = None,
        **options: Unpack[LossOptions],
    ) -> None:
        parts = _flatten(losses, weights)
        common: Any = {k: _common_value(k, parts) for k in _SHARED if k not in options}
        super().__init__(**{**common, **options})
        own = self._get_options()
        shared: Any = {key: own[key] for key in _SHARED}
        self.losses = [loss.with_options(**shared) for loss, _ in parts]
        self.weights = [weight for _, weight in parts]

    def for_classes(self, num_classes: int) -> Self:
        losses = [loss.for_classes(num_classes) for loss in self.losses]
        if all(new is loss for new, loss in zip(losses, self.losses, strict=True)):
            return self
        return self._copy(losses=losses)

    def per_sample(self, batch: Batch) -> Tensor:
        return sum(weight * loss.per_sample(batch) for loss, weight in self._parts())

    def average_over_labels(self, batch: Batch) -> Any:
        return sum(weight * loss.average_over_labels(batch) for loss, weight in self._parts())

    def _parts(self) -> list[tuple[RobustLoss, float]]:
        """Returns the losses with a weight other than 0, and their weights."""
        parts = [(loss, w) for loss, w in zip(self.losses, self.weights, strict=True) if w]
        if not parts:
            raise ValueError(f"`weights` must not all be 0. Received: weights={self.weights!r}")
        return parts

    def __repr__(self) -> str:
        text = " + ".join(
            f"{weight:.4g} * {type(loss).__name__}({format_arguments(loss._own_arguments())})"
            for loss, weight in zip(self.losses, self.weights, strict=True)
        )
        options = self._changed_options()
        return f"({text}).with_options({format_arguments(options)})" if options else text

    def with_options(self, **options: Unpack[LossOptions]) -> Self:
        return type(self)(self.losses, self.weights, **{**self._get_options(), **options})

    def get_config(self) -> dict[str, Any]:
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {**self._get_options(), "losses": losses, "weights": list(self.weights)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        losses = [
            keras.saving.deserialize_keras_object(loss) if isinstance(loss, Mapping) else loss
            for loss in config["losses"]
        ]
        return cls(**{**config, "losses": losses})


def _flatten(losses: Any, weights: Any) -> list[tuple[RobustLoss, float]]:
    """Returns pairs of a loss and its weight. A sum among the losses is replaced by its parts."""
    losses = list(losses) if isinstance(losses, Sequence) else [losses]
    if not losses or not all(isinstance(loss, RobustLoss) for loss in losses):
        raise ValueError(f"`losses` must be losses of keras_noisy. Received: losses={losses!r}")
    weights = [1.0] * len(losses) if weights is None else list(weights)
    if len(weights) != len(losses):
        raise ValueError(
            f"`weights` must be one number for each of {len(losses)} losses. "
            f"Received: weights={weights!r}"
        )
    parts = []
    for loss, weight in zip(losses, weights, strict=True):
        factor = _check_weight(weight)
        if isinstance(loss, WeightedSum):
            inner = zip(loss.losses, loss.weights, strict=True)
            parts += [(part, _check_weight(factor * own)) for part, own in inner]
        else:
            parts.append((loss, factor))
    return parts


def _check_weight(weight: Any) -> float:
    return check_number("weights", weight, "[0, 1e6]")


def _common_value(option: str, parts: list[tuple[RobustLoss, float]]) -> Any:
    values = [loss._get_options()[option] for loss, _ in parts]
    if any(value != values[0] for value in values):
        raise ValueError(
            f"`{option}` must be the same in all parts of a sum; leave it out and give it to the "
            f"sum, `(…).with_options({option}=…)`. Received: {option}={values!r}"
        )
    return values[0]
