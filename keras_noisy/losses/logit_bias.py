"""The logit bias: a constant added to the label's logit, inside the training loss only."""

import numbers
from typing import Any

from keras import ops

from keras_noisy.losses.tracing import constant_in_graphs
from keras_noisy.theory import logit_bias

Tensor = Any

_calibrated = constant_in_graphs(logit_bias)

# Up to here the gradient keeps its digits in float32. The calibrated bias of a million classes is 12.
_LARGEST = 60.0
# Where both forms below hold every digit.
_LIKELY = -1.0


def check_logit_bias(value: Any, argument: str = "logit_bias", optional: bool = True) -> None:
    """Raises a ValueError unless `value` is a usable logit bias."""
    if (isinstance(value, str) and value == "auto") or (optional and value is None):
        return
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(
            f'`{argument}` must be {"None, " if optional else ""}"auto", or a number from '
            f"{-_LARGEST:g} to {_LARGEST:g}. Received: {argument}={value!r}"
        )


def resolve_logit_bias(value: float | str | None, num_classes: int) -> float:
    """The bias in force for a number of classes; `"auto"` takes the calibrated one."""
    if value == "auto":
        return _calibrated(num_classes)
    return float(value or 0.0)


def add_logit_bias(log_prob: Tensor, epsilon: Any) -> Tensor:
    """Label's log-probability after `epsilon` was added to the label's logit.

    Formula: for the label's margin `m = u - log(1 - e^u)` it is `m -> m + eps`, that is

    ```
    u -> -log1p(e^{-eps} (e^{-u} - 1))
    ```

    Args:
        log_prob: Float tensor (…,), never positive.
        epsilon: Number, or scalar float tensor, from -60 to 60.

    Returns:
        Float tensor (…,), never positive.
    """
    if isinstance(epsilon, float) and epsilon == 0.0:
        return log_prob
    epsilon = ops.convert_to_tensor(epsilon, dtype=log_prob.dtype)
    # The formula keeps every digit of a likely label, and overflows for one that is all but
    # impossible. That one takes the same thing by way of its margin, which in turn overflows at
    # u = 0. Each form is fed a harmless number where the other one counts, lest an overflow there
    # turn the gradient into NaN.
    is_likely = log_prob > _LIKELY
    likely = ops.where(is_likely, log_prob, _LIKELY)
    unlikely = ops.where(is_likely, _LIKELY, log_prob)
    margin = unlikely - ops.log1p(-ops.exp(unlikely))
    return ops.where(
        is_likely,
        -ops.log1p(ops.exp(-epsilon) * ops.expm1(-likely)),
        -ops.softplus(-(margin + epsilon)),
    )
