"""What every loss of the package shares."""

import abc
import inspect
import math
from collections.abc import Mapping
from typing import Any, Self, TypedDict, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_flag, is_integer, is_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.class_chunks import keep_chunks
from keras_noisy.losses.labels import class_count, describe, is_no_distribution, read_labels
from keras_noisy.losses.log_prob import class_log_probs
from keras_noisy.losses.logit_bias import (
    adapt_logit_bias,
    entropy_of,
    read_logit_bias,
    resolve_logit_bias,
)
from keras_noisy.losses.prediction_bias import BiasSource, keep_bias, take_bias
from keras_noisy.losses.tracing import refuse


class LossOptions(TypedDict, total=False):
    """The arguments that every loss takes beside its own; see `RobustLoss`."""

    logit_bias: float | str | BiasSource | None
    from_logits: bool
    ignore_class: int | None
    reduction: str | None
    name: str | None
    dtype: Any


class RobustLoss(keras.losses.Loss, abc.ABC):
    """Base of all losses: label formats, logit bias, checks, and Keras's own reduction.

    Shapes: `y_pred` is (…, K) with any leading axes; `y_true` holds integers (…,) or (…, 1), or
    one-hot or soft targets (…, K), told apart by rank. The loss of a soft target is the average of
    the loss over labels drawn from it (with a bias, losses of the whole row differ: see `RowLoss`).
    A logit of -inf rules a class out; a label must not be such a class. Per-sample losses are (…,).
    Everything is computed in float32 or better, and integer labels stay integers, whatever `dtype`
    and Keras's `floatx` say.

    Args:
        logit_bias: What is added to the label's logit inside the loss. `None` (default) adds
            nothing; a float adds that much, in units of the logits, from -60 to 60; `"auto"` adds
            `keras_noisy.calibration.logit_bias(K)`, found from the number of classes K alone;
            `"adaptive"` starts with 1.2 times that and gives each sample less, the surer the network is of
            it (`1.2 eps min(1, H / H_0)`, with the prediction's entropy H and a fresh network's H_0), so
            that fewer wrong labels are memorised (docs/adaptive_bias.md). A `keras_noisy.LogitBias`
            layer of the model, or `"layer"` for whichever layer the predictions come from, adds the
            bias of the training step, which may fall (docs/annealed_bias.md), and none in validation.
        from_logits: Whether `y_pred` holds logits. Defaults to `False`: probabilities, as in Keras.
            Prefer logits where you can: a softmax in half precision rounds hard samples to 0.
        ignore_class: Integer, a label that does not count: its samples have loss 0 and are left out
            of the mean. For one-hot targets, it is the class with more than half of the row; if it
            is not in [0, K), a row of zeros. Defaults to `None`.
        reduction: As in `keras.losses.Loss`. Defaults to `"sum_over_batch_size"`.
        name: Optional name of the instance.
        dtype: As in `keras.losses.Loss`, but raised to float32 if it is less precise.

    Raises:
        ValueError: If an argument is none of the above; when called, if K < 2, if the shapes do not
            fit, and, in an eager call, if a label names no class or `y_pred` should be
            probabilities and has values outside [0, 1] or rows that do not sum to 1. In a compiled
            graph, where nothing can be raised, the loss of such a sample is NaN. Masked samples and
            those of weight 0 are no exception: give `ignore_class` for labels that do not count.
            The opposite mistake, `from_logits=True` for the output of a softmax, is an error where
            Keras marks that output, on TensorFlow and PyTorch.

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): the logit bias.
    """

    def __init__(
        self,
        *,
        logit_bias: float | str | BiasSource | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if dtype is not None and not isinstance(dtype, (str, dict, keras.DTypePolicy)):
            dtype = keras.backend.standardize_dtype(dtype)
        policy = keras.dtype_policies.get(dtype or keras.config.floatx())
        precise = "float64" if policy.compute_dtype == "float64" else "float32"
        super().__init__(name=name, reduction=reduction, dtype=precise)
        _check_ignore_class(ignore_class)
        # Plain Python values: a configuration is JSON.
        self.logit_bias = read_logit_bias(logit_bias)
        self.from_logits = check_flag("from_logits", from_logits)
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self._requested_dtype = dtype
        self._valid_mask: Any = None if ignore_class is None else _ValidMask()

    @abc.abstractmethod
    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        """Per-sample losses (…,) of integer labels (…,), all in [0, K)."""

    @abc.abstractmethod
    def loss_of_targets(self, targets: Tensor, y_pred: Tensor) -> Tensor:
        """Per-sample losses (…,) of targets (…, K), rows that sum to 1."""

    def for_classes(self, num_classes: int) -> Self:
        """The same loss with a number wherever a hyperparameter waits for the number of classes."""
        return self

    def epsilon(self, num_classes: int) -> float:
        """The logit bias for this number of classes; the largest one, if it is adaptive."""
        return resolve_logit_bias(self.logit_bias, num_classes)

    def epsilon_of(self, y_pred: Tensor, entropy: Tensor = None) -> Any:
        """The logit bias in force: a float; on the schedule of a layer, a scalar tensor in training;
        if it is adaptive, one for each sample, (…, 1), from the `entropy` (…, 1) if that is known."""
        if self.logit_bias == "layer":
            epsilon, is_adaptive = take_bias(y_pred)
        else:
            epsilon, is_adaptive = self.epsilon(class_count(y_pred)), self.logit_bias == "adaptive"
        if isinstance(epsilon, float):
            is_adaptive = is_adaptive and epsilon != 0.0
        else:
            epsilon = ops.cast(epsilon, y_pred.dtype)
        if not is_adaptive:
            return epsilon
        if entropy is None:
            entropy = entropy_of(class_log_probs(y_pred, self.from_logits))
        return adapt_logit_bias(epsilon, entropy, class_count(y_pred))

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        self._refuse_softmax(y_pred)  # the base class's cast would wipe its mark
        # The base class casts y_true to a float type. Labels must stay integers: they go around it.
        return _BoundLoss(self, y_true, y_pred)((), y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        self._refuse_softmax(y_pred)
        y_pred = self._with_bias_of(y_pred, ops.convert_to_tensor(y_pred, dtype=self.dtype))
        labels = read_labels(y_true, y_pred, self.ignore_class)
        loss = self.for_classes(class_count(y_pred))
        if labels.targets is None:
            losses = loss.loss_of_labels(labels.index, y_pred)
        else:
            losses = loss.loss_of_targets(labels.targets, y_pred)
        for wrong in (labels.wrong, None if self.from_logits else _refuse_logits(y_pred)):
            if wrong is not None:
                losses = ops.where(wrong, math.nan, losses)
        if labels.ignored is None:
            return losses
        losses = ops.where(labels.ignored, 0.0, losses)
        return self._valid_mask([losses, ops.logical_not(labels.ignored)])

    def _with_bias_of(self, y_pred: Tensor, converted: Tensor) -> Tensor:
        converted = keep_chunks(y_pred, converted)
        return keep_bias(y_pred, converted) if self.logit_bias == "layer" else converted

    def _refuse_softmax(self, y_pred: Tensor) -> None:
        if self.from_logits and hasattr(y_pred, "_keras_logits"):  # left there by Keras's softmax
            raise ValueError(
                "`y_pred` must be logits with `from_logits=True`, but it is the output of a softmax. "
                "Received: from_logits=True. Set `from_logits=False` or remove the softmax."
            )

    # So that `numpy.float64(10) * loss` asks the loss and does not make an array of it.
    __array_ufunc__ = None

    def __mul__(self, weight: Any) -> Any:
        return _sum([self], [weight]) if is_number(weight) else NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return _sum([self, other]) if isinstance(other, RobustLoss) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # sum() starts so

    def with_options(self, **options: Unpack[LossOptions]) -> Self:
        """Returns a copy with other options: `logit_bias`, `from_logits` and so on."""
        copy = object.__new__(type(self))
        copy.__dict__.update(vars(self))  # what the subclass holds, in its configuration or not
        RobustLoss.__init__(copy, **{**RobustLoss.get_config(self), **options})
        return copy

    def __repr__(self) -> str:
        arguments = {**self._own_arguments(), **self._own_options()}
        return f"{type(self).__name__}({as_arguments(arguments)})"

    def _own_arguments(self) -> dict[str, Any]:
        """The arguments that the class has beside the options."""
        options = RobustLoss.get_config(self)
        return {key: value for key, value in self.get_config().items() if key not in options}

    def _own_options(self) -> dict[str, Any]:
        """The options that are not the defaults; but for the name, which Keras makes up."""
        defaults = inspect.signature(RobustLoss.__init__).parameters
        config = {**RobustLoss.get_config(self), "name": None}
        return {key: value for key, value in config.items() if value != defaults[key].default}

    def get_config(self) -> dict[str, Any]:
        dtype = self._requested_dtype
        if isinstance(dtype, keras.DTypePolicy):
            dtype = keras.dtype_policies.serialize(dtype)
        return {
            **super().get_config(),
            "logit_bias": self.logit_bias,
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "dtype": dtype,
        }


def as_arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in values.items())


def _sum(losses: list[RobustLoss], weights: list[Any] | None = None) -> RobustLoss:
    from keras_noisy.losses.weighted_sum import WeightedSum  # which is a RobustLoss itself

    return WeightedSum(losses, weights)


class _BoundLoss(keras.losses.Loss):
    """A loss for one batch, so that Keras's cast to float does not reach the labels, nor part the
    predictions from their bias."""

    def __init__(self, loss: RobustLoss, y_true: Tensor, y_pred: Tensor) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self._loss = loss
        self._labels = y_true
        self._predictions = y_pred

    def call(self, _: tuple, y_pred: Tensor) -> Tensor:
        return self._loss.call(self._labels, self._loss._with_bias_of(self._predictions, y_pred))


class _ValidMask(keras.layers.Layer):
    """Gives losses a Keras mask: the base class then averages over the valid ones only.

    A layer is the one public way to set a mask.
    """

    def __init__(self) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.supports_masking = True

    def call(self, inputs: list) -> Tensor:
        losses, _ = inputs
        return losses

    def compute_mask(self, inputs: list, previous_mask: Any = None) -> Tensor:
        _, valid = inputs
        return valid


def _refuse_logits(y_pred: Tensor) -> Tensor:
    """Raises if rows of `y_pred` are no probabilities; in a graph, says which ones are none."""
    return refuse(
        is_no_distribution(y_pred),
        lambda: (
            "`y_pred` must be probabilities in [0, 1], in rows that sum to 1, with "
            f"`from_logits=False`. Received: {describe(y_pred)}. "
            "Set `from_logits=True` if they are logits."
        ),
    )


def _check_ignore_class(value: Any) -> None:
    if value is not None and not (is_integer(value) and abs(value) < 2**31):
        raise ValueError(
            "`ignore_class` must be None or an integer of 32 bits. "
            f"Received: ignore_class={value!r}"
        )
