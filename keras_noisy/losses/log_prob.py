"""The one number that a label-only loss needs of a sample: the label's log-probability `u`."""

from typing import Any

import keras
from keras import ops

Tensor = Any


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
        Float tensor (…,), never positive.
    """
    if not from_logits:
        return _log(_take(y_pred, index))
    if keras.backend.backend() == "jax":
        # Relative to the largest logit: a logsumexp of 1e4 has lost the digits that count.
        relative = y_pred - ops.stop_gradient(ops.max(y_pred, axis=-1, keepdims=True))
        return _not_positive(_take(relative, index) - ops.log(ops.sum(ops.exp(relative), axis=-1)))
    # TensorFlow's and PyTorch's fused kernels; on JAX this op would build a one-hot tensor.
    return _not_positive(-ops.sparse_categorical_crossentropy(index, y_pred, from_logits=True))


def class_log_probs(y_pred: Tensor, from_logits: bool) -> Tensor:
    """Log-probability of every class, (…, K): `label_log_prob` as if each were the label."""
    return ops.log_softmax(y_pred, axis=-1) if from_logits else _log(y_pred)


def one_minus_exp(x: Tensor) -> Tensor:
    """1 - e^x for x <= 0, with every digit of the value and of its gradient.

    `-expm1(x)` alone has the value, but JAX derives its gradient as `expm1(x) + 1`, which keeps no
    digit of a small e^x.
    """
    return ops.where(x > -1.0, -ops.expm1(x), 1.0 - ops.exp(x))


def _take(values: Tensor, index: Tensor) -> Tensor:
    return ops.squeeze(ops.take_along_axis(values, ops.expand_dims(index, -1), axis=-1), axis=-1)


def _log(probabilities: Tensor) -> Tensor:
    """Log of probabilities, never positive, finite at 0."""
    # 1e-37 is a normal float32 number. The usual 1e-7 would cut off the gradient of hard samples.
    tiny = 1e-37
    return _not_positive(ops.log(ops.where(probabilities < tiny, tiny, probabilities)))


def _not_positive(log_prob: Tensor) -> Tensor:
    """Cuts off what rounding makes of a probability of 1; the gradient at 1 itself is kept."""
    return ops.where(log_prob > 0.0, 0.0, log_prob)
