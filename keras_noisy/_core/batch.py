"""One batch of labels and predictions, from which a loss computes the losses of the samples."""

from collections.abc import Callable
from typing import Any, Self

from keras import ops

from keras_noisy._core.add_logit_bias import (
    adapt_logit_bias,
    add_logit_bias,
    prediction_entropy,
    resolve_logit_bias,
)
from keras_noisy._core.chunked_softmax import summarise_log_probs
from keras_noisy._core.class_probs import class_logit_bias
from keras_noisy._core.labels import (
    Labels,
    count_classes,
    is_invalid_distribution,
    read_labels,
    smooth,
)
from keras_noisy._core.log_prob import (
    class_log_probs,
    class_margins,
    label_log_prob,
    label_margin,
    take,
    take_where,
)
from keras_noisy._core.record import (
    LayerBias,
    find_bias,
    find_chunks,
    is_recorded,
    take_bias,
    warn_of_unused_bias,
)
from keras_noisy._core.tracing import is_compiling, raise_if_any, to_tensor
from keras_noisy._typing import Tensor

# The rounding error of a probability of 1 in float32.
_ROUNDING = 1e-7


def computed_once(function: Callable[[Any], Any]) -> Any:
    """Decorates a method as a property that is computed at its first use.

    `functools.cached_property` has a lock on Python 3.11, which PyTorch's compiler does not
    support.
    """
    name = f"_{function.__name__}"

    def get(self: Any) -> Any:
        if name not in self.__dict__:
            self.__dict__[name] = function(self)
        return self.__dict__[name]

    return property(get, doc=function.__doc__)


class Predictions:
    """Predictions (…, K) of a model, with what its layers have recorded for the loss.

    Args:
        y_pred: Logits or probabilities, as the model returned them.
        from_logits: Whether `y_pred` contains logits.
        logit_bias: The argument of the loss.
        dtype: Float type to compute in.

    Attributes:
        from_logits: The argument.
        shape: The shape of the predictions, from `keras.ops.shape`.
        dtype: Their float type.
        num_classes: The number of classes K.
        chunks: The features and weights that logits are made from, or `None`.
        layer_bias: The `LayerBias` of a layer that the loss takes its bias from. It is empty if the
            bias is the loss's own.
        max_bias: Float or scalar tensor, the bias without the reduction of an adaptive one.
        adaptive: `"sample"` or `"class"` if each sample or class receives a share of `max_bias`, or
            `None`.
    """

    def __init__(self, y_pred: Tensor, from_logits: bool, logit_bias: Any, dtype: str) -> None:
        if from_logits and hasattr(y_pred, "_keras_logits"):  # set by Keras's softmax
            raise ValueError(
                "`y_pred` must be logits with `from_logits=True`. Remove the activation of the "
                "last layer; after a softmax, `from_logits=False` is possible, too. "
                "Received: the output of a softmax or a sigmoid"
            )
        self.from_logits = from_logits
        self._values = to_tensor(y_pred, dtype)
        self.dtype = self._values.dtype
        self.num_classes = count_classes("y_pred", self._values.shape)
        shape = tuple(self._values.shape)
        self.shape = ops.shape(self._values) if None in shape else shape
        # Records belong to `y_pred`; a converted tensor has none.
        self.chunks = find_chunks(y_pred) if is_recorded("chunks") else None
        self.layer_bias = find_bias(y_pred) if logit_bias == "layer" else LayerBias()
        if logit_bias == "layer":
            self.max_bias, self.adaptive = self.layer_bias.value, self.layer_bias.adaptive
        else:
            self.max_bias = resolve_logit_bias(logit_bias, self.num_classes)
            self.adaptive = "sample" if logit_bias == "adaptive" else None
        if not isinstance(self.max_bias, float):
            self.max_bias = ops.cast(self.max_bias, self._values.dtype)
        elif self.max_bias == 0.0:
            self.adaptive = None

    @property
    def values(self) -> Tensor:
        """`y_pred` in `dtype`, (…, K)."""
        if self.chunks is not None and not self.chunks.has_logits:
            raise ValueError(
                "`y_pred` must be logits for this loss. Without them, it must be a LabelLoss with "
                "from_logits=True, integer labels and a logit bias that is not negative; with "
                "label_smoothing, it must be CE, SCE, MAE or RCE without a logit bias. Set "
                "`logits_in_training=True` in the ClassHead layer. Received: the output of a "
                "ClassHead layer with logits_in_training=False, which is NaN in training"
            )
        return self._values

    @property
    def has_bias(self) -> bool:
        # A bias that changes during training is a tensor.
        return not (isinstance(self.max_bias, float) and self.max_bias == 0.0)

    @property
    def bias_is_negative(self) -> bool:
        # A bias that changes during training or between samples is never negative.
        return isinstance(self.max_bias, float) and self.max_bias < 0.0

    def find_invalid(self) -> Tensor | None:
        """Returns which rows are not probabilities although they should be.

        Returns:
            A boolean tensor (…,), or `None` if all rows are known to be valid.

        Raises:
            ValueError: In an eager call, if there is such a row.
        """
        if self.from_logits:
            return None
        return raise_if_any(
            is_invalid_distribution(self.values),
            "`y_pred` must be probabilities in [0, 1], in rows that sum to 1, with "
            "`from_logits=False`. Set `from_logits=True` if they are logits. The outputs of a "
            "sigmoid are not possible: each sample has one label, so the last layer is linear or "
            "ends with a softmax.",
            self.values,
        )

    @computed_once
    def log_probs(self) -> Tensor:
        """The log-probability of every class, (…, K), without the bias."""
        return class_log_probs(self.values, self.from_logits)

    def label_log_prob(self, index: Tensor) -> Tensor:
        """Computes the log-probability of labels, (…,), without the bias."""
        if self.chunks is None or not self.from_logits:
            return label_log_prob(index, self.values, self.from_logits)
        summary = summarise_log_probs(self.chunks, index)
        self.__dict__.setdefault("_entropy", ops.expand_dims(summary.entropy, axis=-1))
        self.__dict__.setdefault("_mean_log_prob", summary.mean)
        return summary.label

    @computed_once
    def mean_log_prob(self) -> Tensor:
        """The mean over all classes of their log-probabilities, (…,), without the bias.

        For the logits of a `ClassHead`, `label_log_prob` has computed it.
        """
        return ops.mean(self.log_probs, axis=-1)

    @computed_once
    def entropy(self) -> Tensor:
        """The entropy of the predictions, (…, 1), without a gradient."""
        if self.from_logits and self.chunks is not None and not self.chunks.has_logits:
            # The pass over the chunks computes both.
            self.label_log_prob(ops.zeros_like(self._values[..., 0], dtype="int32"))
            return self.entropy
        return prediction_entropy(self.log_probs)

    @computed_once
    def bias(self) -> Any:
        """The logit bias.

        It is a float or a scalar tensor, or a tensor (…, 1) if samples have different biases, or
        (K,) if classes have.
        """
        if self.adaptive == "sample":
            return adapt_logit_bias(self.max_bias, self.entropy, self.num_classes)
        if self.adaptive == "class":
            class_probs = ops.cast(self.layer_bias.class_probs, self.dtype)
            return class_logit_bias(self.max_bias, class_probs, self.num_classes)
        return self.max_bias

    def label_bias(self, index: Tensor) -> Any:
        """Returns the logit bias of labels: a float, a scalar tensor, or a tensor (…,)."""
        if self.adaptive == "sample":
            return ops.squeeze(self.bias, axis=-1)
        return ops.take(self.bias, index, axis=0) if self.adaptive == "class" else self.bias


class Batch:
    """Labels and predictions, read and checked. Each value is computed once, at its first use.

    Args:
        y_true: Integers (…,) or (…, 1), or one-hot or soft targets (…, K).
        y_pred: Logits or probabilities (…, K).
        from_logits: Whether `y_pred` contains logits.
        logit_bias: The argument of the loss.
        ignore_class: Integer, the label of samples to ignore, or `None`.
        dtype: Float type to compute in.
        label_smoothing: Number in [0, 1), the share of the uniform distribution in the labels.

    Attributes:
        labels: The labels, a `Labels`. Targets are smoothed already, integers are not.
        label_smoothing: The argument.
        predictions: The predictions, a `Predictions`.
        invalid_predictions: Boolean tensor (…,) of the samples whose predictions should be
            probabilities but are not, or `None` if all are known to be valid.

    Raises:
        ValueError: If the shapes do not fit together; in an eager call, if a label names no class
            or if predictions that should be probabilities are not.
    """

    def __init__(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        from_logits: bool,
        logit_bias: Any,
        ignore_class: int | None,
        dtype: str,
        label_smoothing: float = 0.0,
    ) -> None:
        if logit_bias == "layer":
            take_bias(y_pred)
        elif is_recorded("bias") and not is_compiling():
            warn_of_unused_bias(y_pred)
        self.predictions = predictions = Predictions(y_pred, from_logits, logit_bias, dtype)
        self.labels = read_labels(
            "y_true", y_true, predictions.shape, predictions.dtype, ignore_class
        )
        self.label_smoothing = label_smoothing
        self._row_of: Batch | None = None
        if self.labels.targets is not None:
            targets = smooth(self.labels.targets, label_smoothing)
            self.labels = self.labels._replace(targets=targets)
        self.invalid_predictions = predictions.find_invalid()
        if predictions.adaptive == "class":
            self._note_class_probs()

    def _note_class_probs(self) -> None:
        """Lets the layer note what the network has learnt of each class."""
        predictions, labels = self.predictions, self.labels
        if labels.index is not None:
            index, log_prob = labels.index, self._unbiased_label_log_prob
        else:  # the class with the largest share
            index = ops.argmax(labels.targets, axis=-1)
            log_prob = ops.squeeze(
                take(predictions.log_probs, ops.expand_dims(index, axis=-1)), axis=-1
            )
        probs = ops.exp(ops.stop_gradient(log_prob))
        valid = ops.isfinite(probs)
        for left_out in (labels.ignored, labels.invalid, self.invalid_predictions):
            if left_out is not None:
                valid = valid & ops.logical_not(left_out)
        predictions.layer_bias.layer.note_class_probs(
            index, ops.where(valid, probs, 0.0), ops.cast(valid, probs.dtype)
        )

    @computed_once
    def with_uniform_labels(self) -> Self:
        """The batch with the uniform target (…, K) for each sample.

        If the bias changes the row of log-probabilities, it remains the bias of the own labels.
        """
        share = 1.0 / self.predictions.num_classes
        other = object.__new__(type(self))
        other.predictions, other.invalid_predictions = self.predictions, self.invalid_predictions
        other.labels = Labels(None, ops.full_like(self.predictions.values, share), None, None)
        other.label_smoothing, other._row_of = 0.0, self
        return other

    @computed_once
    def _unbiased_label_log_prob(self) -> Tensor:
        return self.predictions.label_log_prob(self.labels.index)

    @computed_once
    def label_log_prob(self) -> Tensor:
        """The label's log-probability with the bias, (…,), for integer labels.

        Raises:
            ValueError: If the labels are targets, (…, K).
        """
        index, predictions = self.labels.index, self.predictions
        if index is None:
            raise ValueError(
                "`y_true` must be integer labels for `label_log_prob`; use `log_prob_as_label` "
                f"for targets. Received: targets of shape {tuple(self.labels.targets.shape)}"
            )
        if predictions.bias_is_negative and predictions.from_logits:
            return self._label_log_prob_from_margin
        # Not gathered from the row that an adaptive bias needs: the gradient through the row takes
        # a third longer in compiled steps. Before the bias: over the chunks of a `ClassHead`, one
        # pass computes the entropy, too.
        log_prob = self._unbiased_label_log_prob
        return add_logit_bias(log_prob, predictions.label_bias(index))

    @computed_once
    def log_prob_as_label(self) -> Tensor:
        """The log-probability that each class would have as the label, with the bias, (…, K)."""
        predictions = self.predictions
        if predictions.bias_is_negative and predictions.from_logits:
            # A negative bias matters where the label's probability is close to 1. There, the
            # log-probability is imprecise, but the margin is not.
            return self._log_prob_from_margins
        return add_logit_bias(predictions.log_probs, predictions.bias)

    @computed_once
    def _log_prob_from_margins(self) -> Tensor:
        predictions = self.predictions
        return -ops.softplus(-(class_margins(predictions.values) + predictions.bias))

    @computed_once
    def log_prob_of_margin(self) -> Tensor:
        """`log_prob_as_label` for losses that still change where a probability rounds to 1, (…, K).

        It is precise there for logits. For probabilities, the rounding error of 1 counts as 1 - p.
        """
        if self.predictions.from_logits:
            return self._log_prob_from_margins
        return _not_above_rounding(self.log_prob_as_label)

    @computed_once
    def label_log_prob_of_margin(self) -> Tensor:
        """`label_log_prob` for losses that still change where a probability rounds to 1, (…,)."""
        if not self.predictions.from_logits or self.predictions.chunks is not None:
            return _not_above_rounding(self.label_log_prob)
        return self._label_log_prob_from_margin

    @computed_once
    def _label_log_prob_from_margin(self) -> Tensor:
        predictions, index = self.predictions, self.labels.index
        margin = label_margin(index, predictions.values)
        return -ops.softplus(-(margin + predictions.label_bias(index)))

    @computed_once
    def label_and_class_log_probs(self) -> tuple[Tensor, Tensor]:
        """The log-probabilities of n possible labels, (…, n), and of all classes, (…, K).

        The bias is added to the label's logit, in proportion to the target if that is soft or
        smoothed. For integer labels, n is 1; for targets, every class is a possible label.
        """
        if self._row_of is not None:
            _, log_probs = self._row_of.label_and_class_log_probs
            return log_probs, log_probs
        targets = self.labels.targets
        if targets is not None:
            log_probs = self._class_log_probs(targets)
            return log_probs, log_probs
        label = ops.expand_dims(self.labels.index, axis=-1)
        is_label = ops.equal(ops.arange(self.predictions.num_classes, dtype=label.dtype), label)
        shares = smooth(ops.cast(is_label, self.predictions.dtype), self.label_smoothing)
        log_probs = self._class_log_probs(shares)
        return take_where(is_label, log_probs, label), log_probs

    def _class_log_probs(self, targets: Tensor) -> Tensor:
        predictions = self.predictions
        bias: Any = predictions.bias
        if isinstance(bias, float) and bias == 0.0:
            return predictions.log_probs
        bias = targets * bias
        return class_log_probs(predictions.values, predictions.from_logits, bias)


def _not_above_rounding(log_prob: Tensor) -> Tensor:
    """Replaces log-probabilities that are 0 up to the rounding error of float32."""
    return ops.where(log_prob > -_ROUNDING, -_ROUNDING, log_prob)
