from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class AEL(LabelLoss):
    """Asymmetric exponential loss.

    Formula:

    ```
    loss = exp(-p_y / a)
    ```

    It is *asymmetric*, which tolerates noise as long as the true class stays the most frequent one
    by a margin: each wrong label may be at most `exp(-1 / a)` times as frequent as the right one.

    Properties:

    - Range: [exp(-1 / a), 1].
    - Symmetric: no.
    - Use it: as `keras_noisy.AGCE`, in a sum with `keras_noisy.NCE`, or with a logit bias.

    Args:
        a: Number in (0, 1000], not below 0.001; smaller learns faster at first. Defaults to `2.5`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `a` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AEL(a=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.3679

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    def __init__(self, a: float = 2.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.a = check_number("a", a, "(0, 1000]", not_below=1e-3)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return ops.exp(-ops.exp(log_prob) / self.a)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "a": self.a}
