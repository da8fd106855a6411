import math
from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions

_HALF = -math.log(2.0)


@keras.saving.register_keras_serializable(package="keras_noisy")
class AGCE(LabelLoss):
    """Asymmetric generalised cross-entropy.

    Formula:

    ```
    loss = ((a + 1)^q - (a + p_y)^q) / q
    ```

    For `a -> 0` it is `keras_noisy.GCE`. *Asymmetric* losses tolerate noise as long as the true
    class stays the most frequent one by a margin: for `q >= 1` none is needed, else each wrong label
    may be at most `(a / (a + 1))^(1 - q)` times as frequent as the right one.

    Properties:

    - Range: [0, ((a + 1)**q - a**q) / q].
    - Symmetric: no; only for `q=1`.
    - Use it: in a sum with `keras_noisy.NCE`, one of the strongest combinations published; alone it
      stalls with many classes unless `a` and `q` are small or a logit bias is given.

    Args:
        a: Number in (0, 1000]. Defaults to `0.6`. For `q < 1` smaller learns faster, for `q > 1` larger:
            an unlikely label is pulled in proportion to `a^(q - 1) p_y`.
        q: Number in (0, 10]. Defaults to `0.6`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `a` or `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AGCE(a=1.0, q=2.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.875

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    def __init__(self, a: float = 0.6, q: float = 0.6, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.a = check_number("a", a, "(0, 1000]", not_below=1e-30)
        self.q = check_number("q", q, "(0, 10]", not_below=1e-30)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # GCE's formula for the ratio (a + p) / (a + 1) instead of p. Near p = 1 its logarithm comes
        # from 1 - p, elsewhere from p, so that no digit is lost for any a.
        is_likely = log_prob > _HALF
        error = one_minus_exp(ops.where(is_likely, log_prob, 0.0))
        log_ratio = ops.where(
            is_likely,
            ops.log1p(-error / (self.a + 1.0)),
            ops.log((self.a + ops.exp(log_prob)) / (self.a + 1.0)),
        )
        return (self.a + 1.0) ** self.q * one_minus_exp(self.q * log_ratio) / self.q

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "a": self.a, "q": self.q}
