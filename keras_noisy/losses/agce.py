import math
from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss

_HALF = -math.log(2.0)
# From it on, (a + p) / (a + 1) is precise to 1.2e-7 if it is computed from 1 - p in float32.
_ROUNDING_MATTERS_BELOW = 0.5


@register
class AGCE(LabelLoss):
    """Asymmetric generalised cross-entropy.

    Formula:

    ```
    loss = ((a + 1)^q - (a + p_y)^q) / q
    ```

    For `a -> 0` it is `keras_noisy.GCE`. *Asymmetric* losses tolerate noise if the true class is
    the most frequent one by a certain margin. For `q >= 1`, no margin is needed. For `q < 1`, each
    wrong label may be at most `(a / (a + 1))^(1 - q)` times as frequent as the true one.

    Properties:

    - Range: [0, ((a + 1)**q - a**q) / q].
    - Symmetric: no; only for `q=1`.
    - Use it: in a sum with `keras_noisy.NCE`, one of the strongest published combinations; alone it
      stalls with many classes unless `a` and `q` are small or it has a logit bias.

    Args:
        a: Number in (0, 1000]. The gradient for an unlikely label is proportional to
            `a^(q - 1) p_y`, so the loss learns faster with a smaller `a` for `q < 1`, and with a
            larger `a` for `q > 1`. Defaults to `0.6`.
        q: Number in (0, 10]. Defaults to `0.6`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `a` or `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AGCE(a=1.0, q=2.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.875

    Usage with `compile()`:

    ```python
    loss = keras_noisy.AGCE(a=0.6, q=0.6, from_logits=True, logit_bias="adaptive")
    model.compile("adam", loss=loss)
    ```

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    hyperparameters = (
        Hyperparameter("a", "(0, 1000]", smallest=1e-30, usual=(0.01, 10.0)),
        Hyperparameter("q", "(0, 10]", smallest=1e-30, usual=(0.1, 5.0)),
    )
    a: float
    q: float

    def __init__(self, a: float = 0.6, q: float = 0.6, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(a=a, q=q)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # GCE's formula for the ratio (a + p) / (a + 1) instead of p.
        scale = self.a + 1.0
        if self.a >= _ROUNDING_MATTERS_BELOW:
            log_ratio = ops.log1p(-one_minus_exp(log_prob) / scale)
        else:
            # From 1 - p near p = 1, and from p elsewhere, where 1 - p is rounded.
            is_likely = log_prob > _HALF
            error = one_minus_exp(ops.where(is_likely, log_prob, 0.0))
            log_ratio = ops.where(
                is_likely,
                ops.log1p(-error / scale),
                ops.log((self.a + ops.exp(log_prob)) / scale),
            )
        return scale**self.q * one_minus_exp(self.q * log_ratio) / self.q

    def calibration(self, num_classes: int) -> Calibration:
        if self.q == 1.0:
            return Calibration(reason="with q=1, the gradient of AGCE does not depend on a.")
        return Calibration("a", low=1e-6, only_scales=self.q > 1.0)
