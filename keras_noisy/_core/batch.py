"""One batch of labels and predictions, from which a loss computes the losses of the samples."""

import math
from typing import Any

from keras import ops

from keras_noisy._core.chunked_softmax import label_log_prob_and_entropy
from keras_noisy._core.labels import read_labels
from keras_noisy._core.log_prob import (
    class_log_probs,
    class_margins,
    label_log_prob,
    take,
    take_where,
)
from keras_noisy._core.logit_bias import add_logit_bias
from keras_noisy._core.predictions import Predictions, computed_once
from keras_noisy._typing import Tensor


class Batch:
    """Labels and predictions, read and checked. Each value is computed once, at its first use.

    Args:
        y_true: Integers (…,) or (…, 1), or one-hot or soft targets (…, K).
        predictions: The predictions (…, K).
        ignore_class: Integer, the label of samples to ignore, or `None`.

    Attributes:
        labels: The labels, a `Labels`.
        predictions: The argument.

    Raises:
        ValueError: If the shapes do not fit together; in an eager call, if a label names no class
            or if predictions that should be probabilities are not. In a graph, `finish` makes the
            losses of such samples NaN.
    """

    def __init__(self, y_true: Tensor, predictions: Predictions, ignore_class: int | None) -> None:
        self.predictions = predictions
        self.labels = read_labels("y_true", y_true, predictions.values, ignore_class)
        self._invalid_predictions = predictions.find_invalid()

    @property
    def num_classes(self) -> int:
        """The number of classes K."""
        return self.predictions.num_classes

    def finish(self, losses: Tensor) -> Tensor:
        """Sets the losses of invalid samples to NaN, and those of ignored samples to 0."""
        for invalid in (self.labels.invalid, self._invalid_predictions):
            if invalid is not None:
                losses = ops.where(invalid, math.nan, losses)
        ignored = self.labels.ignored
        return losses if ignored is None else ops.where(ignored, 0.0, losses)

    @computed_once
    def label_log_prob(self) -> Tensor:
        """The label's log-probability with the bias, (…,), for integer labels."""
        index, predictions = self.labels.index, self.predictions
        if predictions.bias_is_negative:
            return ops.squeeze(take(self.log_prob_as_label, ops.expand_dims(index, -1)), axis=-1)
        if predictions.chunks is None:
            log_prob = label_log_prob(index, predictions.values, predictions.from_logits)
            bias = predictions.bias
        else:
            log_prob, entropy = label_log_prob_and_entropy(predictions.chunks, index)
            bias = predictions.max_bias
            if predictions.is_adaptive:
                bias = predictions.adapt_bias(ops.expand_dims(entropy, axis=-1))
        return add_logit_bias(log_prob, ops.squeeze(bias, -1) if predictions.is_adaptive else bias)

    @computed_once
    def log_prob_as_label(self) -> Tensor:
        """The log-probability that each class would have as the label, with the bias, (…, K)."""
        predictions = self.predictions
        if predictions.bias_is_negative and predictions.from_logits:
            # A negative bias matters where the label's probability is close to 1. There, the
            # log-probability has few digits, but the margin has all of them.
            return -ops.softplus(-(class_margins(predictions.values) + predictions.bias))
        return add_logit_bias(predictions.log_probs, predictions.bias)

    @computed_once
    def label_and_class_log_probs(self) -> tuple[Tensor, Tensor]:
        """The log-probabilities of n possible labels, (…, n), and of all classes, (…, K).

        The bias is added to the label's logit, in proportion to the target if that is soft. For
        integer labels, n is 1; for targets, every class is a possible label.
        """
        targets = self.labels.targets
        if targets is not None:
            log_probs = self._class_log_probs(targets)
            return log_probs, log_probs
        label = ops.expand_dims(self.labels.index, axis=-1)
        is_label = ops.equal(ops.arange(self.num_classes, dtype=label.dtype), label)
        log_probs = self._class_log_probs(is_label)
        return take_where(is_label, log_probs, label), log_probs

    def _class_log_probs(self, targets: Tensor) -> Tensor:
        predictions = self.predictions
        bias: Any = predictions.bias
        if isinstance(bias, float) and bias == 0.0:
            return predictions.log_probs
        bias = ops.cast(targets, predictions.values.dtype) * bias
        return class_log_probs(predictions.values, predictions.from_logits, bias)
