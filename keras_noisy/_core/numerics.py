"""Elementary functions whose value and gradient are precise everywhere."""

from typing import Any

from keras import ops

from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._typing import Tensor


@custom_row_gradient
def one_minus_exp(x: Tensor) -> Any:
    """Computes 1 - e^x for x <= 0 without cancellation.

    `-expm1(x)` alone has an accurate value, but backends derive its gradient as `expm1(x) + 1`,
    which rounds a small e^x away.
    """
    return -ops.expm1(x), lambda upstream: (-upstream * ops.exp(x),)
