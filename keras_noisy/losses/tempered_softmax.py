"""The heavy-tailed softmax of the bi-tempered loss."""

from typing import Any

from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._core.labels import count_classes
from keras_noisy._core.log_prob import class_log_probs
from keras_noisy._core.tracing import to_tensor, while_any
from keras_noisy._typing import Tensor

# The largest number of Newton steps for the normaliser, before the last one.
_STEPS = 5
# Two steps later, such an error of the total mass is below 1e-6.
_CLOSE = 1e-2


def tempered_softmax(logits: Any, temperature: float = 1.2) -> Tensor:
    """Computes the probabilities that a network trained with `keras_noisy.BiTempered` predicts.

    Formula:

    ```
    P_j = exp_t(z_j - lambda),    lambda such that sum_j P_j = 1,    t = temperature
    exp_t(x) = max(0, 1 + (1 - t) x)^(1 / (1 - t))
    ```

    The loss compares the label with these probabilities, so they are the ones to calibrate, to
    rank by or to average with those of other networks. The most probable class is that of the
    softmax.

    Args:
        logits: Float array or tensor (…, K). For a network that ends with a softmax, and a loss
            with `from_logits=False`, the logs of its outputs.
        temperature: Number in [1, 5], the `t2` of the loss. 1 is the softmax; a larger number gives
            a heavier tail. Defaults to `1.2`.

    Returns:
        Float tensor (…, K), in float32 or float64, whose rows sum to 1 with an error below 1e-6 for
        1000 classes.

    Raises:
        ValueError: If `temperature` is not such a number, or if K < 2.

    Example:

    >>> from keras_noisy.losses import tempered_softmax
    >>> [round(float(p), 3) for p in tempered_softmax([[8.0, 0.0, 0.0]], temperature=1.2)[0]]
    [0.983, 0.008, 0.008]
    """
    temperature = check_number("temperature", temperature, "[1, 5]")
    values = to_tensor(logits)
    values = ops.cast(values, "float64" if "float64" in str(values.dtype) else "float32")
    count_classes("logits", values.shape)
    return ops.exp(tempered_log_softmax(class_log_probs(values, from_logits=True), temperature)[0])


def tempered_log_softmax(
    log_probs: Tensor, temperature: float, *others: Tensor
) -> tuple[Tensor, ...]:
    """Computes log P from log-probabilities (…, K), whose differences are those of the logits.

    Returns:
        A tuple of log P of `log_probs`, and of each of `others`, which are entries (…, n) of the
        same rows.
    """
    if temperature == 1.0:
        return log_probs, *others
    tail = temperature - 1.0
    normaliser = _normaliser(log_probs, ops.convert_to_tensor(tail, dtype=log_probs.dtype))
    return tuple(_log_tempered(each - normaliser, tail) for each in (log_probs, *others))


def _log_tempered(x: Tensor, tail: Any) -> Tensor:
    """Computes log exp_t2(x) for x <= 0 and t2 = 1 + tail."""
    return -ops.log1p(-tail * x) / tail


@custom_row_gradient
def _normaliser(log_probs: Tensor, tail: Tensor) -> Any:
    """Computes the lambda of the formula, (…, 1), by Newton's method.

    It solves mass^-tail = 1, which is almost linear in lambda.
    """

    def step(log_probs: Tensor, normaliser: Tensor) -> tuple[Tensor, Tensor]:
        # Both sums start from the logarithms. If they shared the masses, a compiler that fuses each
        # sum into one pass would have to write the masses to memory.
        log_masses = _log_tempered(log_probs - normaliser, tail)
        mass = ops.sum(ops.exp(log_masses), axis=-1, keepdims=True)
        slope = ops.sum(ops.exp((1.0 + tail) * log_masses), axis=-1, keepdims=True)
        change = mass * ops.expm1(tail * ops.log(mass)) / (tail * slope)
        return normaliser + change, ops.abs(mass - 1.0)

    fixed = ops.stop_gradient(log_probs)
    start = ops.zeros_like(fixed[..., :1])
    normaliser, _ = while_any(
        lambda _, error: error > _CLOSE,
        lambda normaliser, _: step(fixed, normaliser),
        (start, ops.ones_like(start)),
        max_iterations=_STEPS,
    )
    # The last step has the derivative of the solution, for second derivatives.
    normaliser, _ = step(log_probs, ops.stop_gradient(normaliser))

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        slopes = ops.exp((1.0 + tail) * _log_tempered(log_probs - normaliser, tail))
        return upstream / ops.sum(slopes, axis=-1, keepdims=True) * slopes, None

    return normaliser, gradient
