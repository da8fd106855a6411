from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.custom_gradient import custom_row_gradient
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions
from keras_noisy.losses.row_loss import RowLoss
from keras_noisy.losses.tracing import while_any

# Newton steps for the normaliser, at most, before the last one.
_STEPS = 5
# So small an error of the mass is below 1e-6 two steps later.
_CLOSE = 1e-2


@keras.saving.register_keras_serializable(package="keras_noisy")
class BiTempered(RowLoss):
    """Bi-tempered logistic loss: a bounded logarithm over a heavy-tailed softmax.

    Formula:

    ```
    loss = -log_t1(P_y) - (1 - sum_j P_j^(2 - t1)) / (2 - t1)
    P_j = exp_t2(z_j - lambda),    lambda such that sum_j P_j = 1

    log_t(x) = (x^(1 - t) - 1) / (1 - t),    exp_t(x) = max(0, 1 + (1 - t) x)^(1 / (1 - t))
    ```

    For `t1 = t2 = 1`, where these are the usual logarithm and exponential, it is the cross-entropy.
    The normaliser `lambda` is found by Newton's method until the total mass is 1 to 1e-6 (with 1000
    classes; float32 sums are less exact beyond), and the gradient is exact. Public code takes 5 steps
    of a fixed-point iteration: with 1000 classes, `t2 = 1.5` and logits of standard deviation 10 it
    is off by a quarter. With `from_logits=False` the logits are taken to be `log p`.

    Properties:

    - Range: [0, 1 / (1 - t1)).
    - Symmetric: no.
    - Use it: with `t2 - t1` small where there are many classes: on a fresh network it pulls about as
      `keras_noisy.GCE` with `q = t2 - t1` does. The defaults learn with a thousand classes and no
      bias; (0.5, 1.5) stalls there, and hardly gains by one.

    Args:
        t1: Number in [0, 1], the temperature of the logarithm; smaller bounds the loss lower.
            Defaults to `0.8`.
        t2: Number in [1, 5], the temperature of the exponential; larger makes the tail heavier.
            Defaults to `1.2`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `t1` or `t2` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.BiTempered(t1=0.5, t2=1.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.3215

    References:

    - Amid, Warmuth, Anil, Koren, 2019, "Robust Bi-Tempered Logistic Loss Based on Bregman
      Divergences", [NeurIPS 2019](https://arxiv.org/abs/1906.03361).
    """

    def __init__(self, t1: float = 0.8, t2: float = 1.2, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.t1 = check_number("t1", t1, "[0, 1]")
        self.t2 = check_number("t2", t2, "[1, 5]")

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        if self.t2 > 1.0:
            tail = self.t2 - 1.0
            normaliser = _normaliser(log_probs, ops.convert_to_tensor(tail, dtype=log_probs.dtype))
            log_prob = _log_tempered(log_prob - normaliser, tail)
            log_probs = _log_tempered(log_probs - normaliser, tail)
        # (1 - sum P^(2 - t1)) is sum P (1 - P^(1 - t1)) for masses that sum to 1: nothing cancels.
        mean = ops.sum(ops.exp(log_probs) * self._minus_log_t1(log_probs), axis=-1, keepdims=True)
        return self._minus_log_t1(log_prob) - (1.0 - self.t1) / (2.0 - self.t1) * mean

    def _minus_log_t1(self, log_prob: Tensor) -> Tensor:
        if self.t1 == 1.0:
            return -log_prob
        return one_minus_exp((1.0 - self.t1) * log_prob) / (1.0 - self.t1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "t1": self.t1, "t2": self.t2}


def _log_tempered(x: Tensor, tail: Any) -> Tensor:
    """log exp_t2(x) for x <= 0 and t2 = 1 + tail."""
    return -ops.log1p(-tail * x) / tail


@custom_row_gradient
def _normaliser(log_probs: Tensor, tail: Tensor) -> Any:
    """The lambda of the formula, (…, 1), which is 0 where t2 is 1 and rises with it.

    By Newton's method for mass^-tail = 1, which is almost linear in lambda.
    """

    def step(log_probs: Tensor, normaliser: Tensor) -> tuple[Tensor, Tensor]:
        # Both sums from the logarithms: where a compiler makes one pass of each, sharing the masses
        # would have it write them down.
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
        at_most=_STEPS,
    )
    # The last step has the derivative of the solution, should this one be derived.
    normaliser, _ = step(log_probs, ops.stop_gradient(normaliser))

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        slopes = ops.exp((1.0 + tail) * _log_tempered(log_probs - normaliser, tail))
        return upstream / ops.sum(slopes, axis=-1, keepdims=True) * slopes, None

    return normaliser, gradient
