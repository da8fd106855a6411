"""The one number that a label-only loss needs of a sample: the label's log-probability `u`."""

from typing import Any

import keras
from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses.custom_gradient import custom_row_gradient

# A normal float32 number. The usual 1e-7 would cut off the gradient of hard samples.
_TINY = 1e-37


def label_log_prob(index: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    """Log-probability of the label.

    Formula:

    ```
    u = z_y - logsumexp(z)      from logits
    u = log p_y                 from probabilities
    ```

    Args:
        index: Integer tensor (…,) with values in [0, K).
        y_pred: Float tensor (…, K), logits or probabilities.
        from_logits: Which of the two it is.

    Returns:
        Float tensor (…,), never positive, and finite.
    """
    if from_logits and keras.backend.backend() == "torch":
        # PyTorch's fused kernel: what follows makes more passes where each runs on its own.
        return _finite(-ops.sparse_categorical_crossentropy(index, y_pred, from_logits=True))
    label = ops.expand_dims(index, axis=-1)
    if not from_logits:
        return ops.squeeze(_log(take(y_pred, label)), axis=-1)
    return _finite(ops.squeeze(_label_log_softmax(label, y_pred), axis=-1))


@custom_row_gradient
def _label_log_softmax(label: Tensor, logits: Tensor) -> Any:
    """z_y - logsumexp(z), (…, 1).

    Left to themselves, TensorFlow and JAX compute the exponentials twice, scatter into an array of zeros,
    and keep a copy in float32 of logits in half precision.
    """
    # Relative to the largest logit: a logsumexp of 1e4 has lost the digits that count.
    top = ops.amax(logits, axis=-1, keepdims=True)
    exp = ops.exp(logits - top)
    total = ops.sum(exp, axis=-1, keepdims=True)
    log_prob = take(logits, label) - top - ops.log(total)

    def gradient(upstream: Tensor) -> tuple[None, Tensor]:
        is_label = ops.equal(ops.arange(logits.shape[-1], dtype=label.dtype), label)
        of_label = upstream * one_minus_exp(log_prob)
        return None, ops.where(is_label, of_label, exp * (-upstream / total))

    return log_prob, gradient


def class_log_probs(y_pred: Tensor, from_logits: bool, bias: Tensor = None) -> Tensor:
    """Log-probability of every class.

    Args:
        y_pred: Float tensor (…, K), logits or probabilities.
        from_logits: Which of the two it is.
        bias: Optional float tensor (…, K), added to the logits first.

    Returns:
        Float tensor (…, K): `label_log_prob` as if each class were the label. It is finite.
    """
    if bias is None and not from_logits:
        return _finite(_log(y_pred))
    logits = y_pred if from_logits else _log(y_pred)
    if bias is not None:
        # Relative to the largest logit: beside a logit of 1e4 the bias would lose its digits.
        logits = logits - ops.stop_gradient(ops.amax(logits, axis=-1, keepdims=True)) + bias
    if keras.backend.backend() == "torch":
        return _finite(ops.log_softmax(logits, axis=-1))
    relative = logits - ops.stop_gradient(ops.amax(logits, axis=-1, keepdims=True))
    return _finite(relative - _log_sum_exp(relative))


@custom_row_gradient
def _log_sum_exp(relative: Tensor) -> Any:
    """logsumexp(z), (…, 1), of logits that have been made small."""
    log_sum = ops.log(ops.sum(ops.exp(relative), axis=-1, keepdims=True))
    # The exponentials anew, which a compiler does not keep then.
    return log_sum, lambda upstream: (upstream * ops.exp(relative - log_sum),)


def class_margins(logits: Tensor) -> Tensor:
    """Margin of every class, `m_k = z_k - logsumexp(z_j, j != k)`, (…, K).

    Unlike `log p_k - log(1 - p_k)` it keeps all digits of a class that is all but certain, and costs
    a few passes over the logits more.
    """
    top = ops.amax(logits, axis=-1, keepdims=True)
    relative = logits - ops.stop_gradient(top)
    exp = ops.exp(relative)
    # Without the largest, which would swallow the digits of the others; ties count as others.
    first = ops.expand_dims(ops.argmax(logits, axis=-1), axis=-1)
    is_first = ops.equal(ops.arange(logits.shape[-1], dtype=first.dtype), first)
    others = ops.sum(ops.where(is_first, 0.0, exp), axis=-1, keepdims=True)
    rest = ops.where(is_first, others, others + (take(exp, first) - exp))
    return relative - ops.log(ops.where(rest < _TINY, _TINY, rest))


@custom_row_gradient
def one_minus_exp(x: Tensor) -> Any:
    """1 - e^x for x <= 0, with every digit of the value and of its gradient.

    `-expm1(x)` alone has the value, but its gradient is derived as `expm1(x) + 1`, which keeps no digit
    of a small e^x.
    """
    return -ops.expm1(x), lambda upstream: (-upstream * ops.exp(x),)


def take(values: Tensor, label: Tensor) -> Tensor:
    """Values (…, n) of the labels (…, n), out of the values (…, K) of all classes."""
    return ops.take_along_axis(values, label, axis=-1)


def take_where(is_label: Tensor, values: Tensor, label: Tensor) -> Tensor:
    """`take` of one label (…, 1), for values that are used elsewhere, too.

    A compiler joins this gradient with the other one; that of a gather is an array of its own.
    """
    if keras.backend.backend() == "torch":
        return take(values, label)  # where each step runs on its own, that is less work
    return ops.sum(ops.where(is_label, values, 0.0), axis=-1, keepdims=True)


def _log(probabilities: Tensor) -> Tensor:
    """Log of probabilities, never positive, finite at 0."""
    log_prob = ops.log(ops.where(probabilities < _TINY, _TINY, probabilities))
    # Cuts off what rounding makes of a probability of 1; the gradient at 1 itself is kept.
    return ops.where(log_prob > 0.0, 0.0, log_prob)


def _finite(log_prob: Tensor) -> Tensor:
    """A logit of -inf rules a class out. Its -inf would meet zeros in the formulas."""
    return ops.where(log_prob < -1e30, -1e30, log_prob)
