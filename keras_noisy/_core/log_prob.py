"""Log-probabilities of labels and classes, from logits or probabilities."""

import math
from typing import Any

import keras
from keras import ops

from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor

# Probabilities below it count as this number, to which float32 still gives its full precision. The
# usual 1e-7 would cut off the gradient of hard samples.
_TINY = 1e-37
# Log-probabilities below it count as this number.
_MIN_LOG = -1e30


def label_log_prob(index: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    """Computes the log-probability of the label.

    Formula:

    ```
    u = z_y - logsumexp(z)      from logits
    u = log p_y                 from probabilities
    ```

    Args:
        index: Integer tensor (…,) with values in [0, K).
        y_pred: Float tensor (…, K), logits or probabilities.
        from_logits: Whether `y_pred` contains logits.

    Returns:
        Float tensor (…,), finite and never positive.
    """
    label = ops.expand_dims(index, axis=-1)
    if not from_logits:
        return ops.squeeze(_log(take(y_pred, label)), axis=-1)
    return ops.squeeze(_label_log_softmax(label, y_pred), axis=-1)


@custom_row_gradient
def _label_log_softmax(label: Tensor, logits: Tensor) -> Any:
    """Computes z_y - logsumexp(z), (…, 1).

    With derived gradients, TensorFlow and JAX compute the exponentials twice, scatter into an
    array of zeros, and keep a float32 copy of logits in half precision. PyTorch does the second.
    """
    if keras.backend.backend() == "torch" and not keras.utils.is_keras_tensor(logits):
        return _label_log_softmax_on_torch(label, logits)
    # Relative to the largest logit, because a logsumexp of 1e4 is rounded to 1e-3.
    top = ops.amax(logits, axis=-1, keepdims=True)
    exp = ops.exp(logits - top)
    total = ops.sum(exp, axis=-1, keepdims=True)
    log_prob = _finite(take(logits, label) - top - ops.log(total))

    def gradient(upstream: Tensor) -> tuple[None, Tensor]:
        is_label = ops.equal(ops.arange(logits.shape[-1], dtype=label.dtype), label)
        label_gradient = upstream * one_minus_exp(log_prob)
        return None, ops.where(is_label, label_gradient, exp * (-upstream / total))

    return log_prob, gradient


def _label_log_softmax_on_torch(label: Tensor, logits: Tensor) -> Any:
    """Computes the same with PyTorch's fused kernel, which makes fewer passes over the logits."""
    import torch

    label, log_probs = label.long(), torch.log_softmax(logits, dim=-1)
    log_prob = log_probs.gather(-1, label).clamp(min=_MIN_LOG)
    return log_prob, lambda upstream: (None, _pull_on_torch(label, log_probs, upstream))


def _pull_on_torch(label: Tensor, log_probs: Tensor, upstream: Tensor) -> Tensor:
    """Computes the gradient by the logits, `([j = y] - p_j)` times the upstream gradient."""
    import torch

    probs = torch.exp(log_probs)
    # In place where PyTorch does not differentiate the gradient: memory takes most of the time.
    pull = probs * -upstream if torch.is_grad_enabled() else probs.mul_(-upstream)
    return pull.scatter_add_(-1, label, upstream)


def class_log_probs(y_pred: Tensor, from_logits: bool, bias: Tensor = None) -> Tensor:
    """Computes the log-probability of every class.

    Args:
        y_pred: Float tensor (…, K), logits or probabilities.
        from_logits: Whether `y_pred` contains logits.
        bias: Optional float tensor (…, K) to add to the logits first.

    Returns:
        Float tensor (…, K), finite: `label_log_prob` with each class as the label.
    """
    if bias is None and not from_logits:
        return _finite(_log(y_pred))
    logits = y_pred if from_logits else _log(y_pred)
    if bias is not None:
        # Relative to the largest logit, because a logit of 1e4 plus a bias is rounded to 1e-3.
        logits = logits - ops.stop_gradient(ops.amax(logits, axis=-1, keepdims=True)) + bias
    if keras.backend.backend() == "torch":
        return _finite(ops.log_softmax(logits, axis=-1))
    relative = logits - ops.stop_gradient(ops.amax(logits, axis=-1, keepdims=True))
    return _finite(relative - _log_sum_exp(relative))


@custom_row_gradient
def _log_sum_exp(relative: Tensor) -> Any:
    """Computes logsumexp(z), (…, 1), of logits relative to the largest one."""
    log_sum = ops.log(ops.sum(ops.exp(relative), axis=-1, keepdims=True))
    # Computing the exponentials again saves the compiler from keeping them.
    return log_sum, lambda upstream: (upstream * ops.exp(relative - log_sum),)


def class_margins(logits: Tensor) -> Tensor:
    """Computes the margin of every class, `m_k = z_k - logsumexp(z_j, j != k)`, (…, K).

    Unlike `log p_k - log(1 - p_k)`, it is precise for a class with a probability close to 1.
    It costs a few more passes over the logits.
    """
    top = ops.amax(logits, axis=-1, keepdims=True)
    relative = logits - ops.stop_gradient(top)
    exp = ops.exp(relative)
    # Without the largest one, because a sum with it would round the others away.
    first = ops.expand_dims(ops.argmax(logits, axis=-1), axis=-1)
    is_first = ops.equal(ops.arange(logits.shape[-1], dtype=first.dtype), first)
    others = ops.sum(ops.where(is_first, 0.0, exp), axis=-1, keepdims=True)
    rest = ops.where(is_first, others, others + (take(exp, first) - exp))
    return relative - ops.log(ops.where(rest < _TINY, _TINY, rest))


def label_margin(index: Tensor, logits: Tensor) -> Tensor:
    """Computes the margin of the label, `m = z_y - logsumexp(z_j, j != y)`, (…,).

    It is `class_margins` of one class, in fewer passes over the logits.
    """
    return ops.squeeze(_label_margin(ops.expand_dims(index, axis=-1), logits), axis=-1)


@custom_row_gradient
def _label_margin(label: Tensor, logits: Tensor) -> Any:
    """Computes z_y - logsumexp(z_j, j != y), (…, 1)."""
    if keras.backend.backend() == "torch" and not keras.utils.is_keras_tensor(logits):
        return _label_margin_on_torch(label, logits)
    is_label = ops.equal(ops.arange(logits.shape[-1], dtype=label.dtype), label)
    others = ops.where(is_label, _MIN_LOG, logits)
    top = ops.amax(others, axis=-1, keepdims=True)
    exp = ops.exp(others - top)
    total = ops.sum(exp, axis=-1, keepdims=True)

    def gradient(upstream: Tensor) -> tuple[None, Tensor]:
        return None, ops.where(is_label, upstream, exp * (-upstream / total))

    return take(logits, label) - top - ops.log(total), gradient


def _label_margin_on_torch(label: Tensor, logits: Tensor) -> Any:
    """Computes the same with PyTorch's fused kernel, as for the log-probability."""
    import torch

    label = label.long()
    others = logits.scatter(-1, label, _MIN_LOG)
    log_probs = torch.log_softmax(others, dim=-1)
    # The largest log-probability is minus the log of the sum relative to the largest logit.
    top, minus_log_sum = others.amax(-1, keepdim=True), log_probs.amax(-1, keepdim=True)
    margin = logits.gather(-1, label) - top + minus_log_sum
    return margin, lambda upstream: (None, _pull_on_torch(label, log_probs, upstream))


def take(values: Tensor, label: Tensor) -> Tensor:
    """Gathers the values (…, n) of the labels (…, n) from the values (…, K) of all classes."""
    if keras.backend.backend() == "tensorflow" and not keras.utils.is_keras_tensor(values):
        import tensorflow as tf

        # One operation in place of twenty, which matters in eager execution.
        return tf.gather(values, label, axis=-1, batch_dims=len(values.shape) - 1)
    return ops.take_along_axis(values, label, axis=-1)


def take_where(is_label: Tensor, values: Tensor, label: Tensor) -> Tensor:
    """Gathers the value of one label (…, 1), for values that are used elsewhere, too.

    A compiler fuses its gradient with the gradient of the other use; the gradient of `take` would
    be a separate array.
    """
    if keras.backend.backend() == "torch":
        return take(values, label)  # nothing is fused in eager execution
    return ops.sum(ops.where(is_label, values, 0.0), axis=-1, keepdims=True)


def _log(probabilities: Tensor) -> Tensor:
    """Computes the log of probabilities, never positive, and finite for 0."""
    log_prob = ops.log(ops.where(probabilities < _TINY, _TINY, probabilities))
    # Rounding may make a probability slightly larger than 1. The gradient at 1 is kept.
    return ops.where(log_prob > 0.0, 0.0, log_prob)


def _finite(log_prob: Tensor) -> Tensor:
    """Replaces -inf, because formulas would multiply it by zero and produce NaN."""
    return ops.clip(log_prob, _MIN_LOG, math.inf)
