from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class AUL(LabelLoss):
    """Asymmetric unhinged loss.

    Formula:

    ```
    loss = ((a - p_y)^q - (a - 1)^q) / q
    ```

    It is *asymmetric*, which tolerates noise as long as the true class stays the most frequent one
    by a margin: for `q <= 1` none is needed, else each wrong label may be at most
    `((a - 1) / a)^(q - 1)` times as frequent as the right one.

    Properties:

    - Range: [0, (a**q - (a - 1)**q) / q].
    - Symmetric: no; only for `q=1`.
    - Use it: as `keras_noisy.AGCE`, in a sum with `keras_noisy.NCE`, or with a logit bias.

    Args:
        a: Number in (1, 1000], not below 1.001. Defaults to `5.5`.
        q: Number in (0, 10]. Defaults to `3.0`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `a` or `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AUL(a=2.0, q=2.0)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.625

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    def __init__(self, a: float = 5.5, q: float = 3.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.a = check_number("a", a, "(1, 1000]", not_below=1.001)
        self.q = check_number("q", q, "(0, 10]", not_below=1e-30)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # By way of (a - p) / (a - 1) = 1 + (1 - p) / (a - 1), which keeps the digits near p = 1.
        rest = self.a - 1.0
        log_ratio = ops.log1p(one_minus_exp(log_prob) / rest)
        return rest**self.q * ops.expm1(self.q * log_ratio) / self.q

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "a": self.a, "q": self.q}
