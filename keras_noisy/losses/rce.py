from typing import Any, Unpack

import keras

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class RCE(LabelLoss):
    """Reverse cross-entropy: the cross-entropy with label and prediction exchanged.

    Formula:

    ```
    loss = -sum_j p_j log [j = y] = A (1 - p_y),    with log 0 = -A
    ```

    It is `A / 2` times `keras_noisy.MAE`. The text of the paper sets `log 0 = -4`, which is the
    default here; the code published with it, and with most papers since, cuts one-hot labels off at
    1e-4 instead: for that, `A=9.2103`.

    Properties:

    - Range: [0, A].
    - Symmetric: yes.
    - Use it: as the second part of a sum, beside a loss that learns fast; alone as MAE.

    Args:
        A: Number in (0, 1e6], what is taken for `-log 0`. Defaults to `4.0`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `A` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.RCE()
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    2.0

    References:

    - Wang, Ma, Chen, Luo, Yi, Bailey, 2019, "Symmetric Cross Entropy for Robust Learning with Noisy
      Labels", [ICCV 2019](https://arxiv.org/abs/1908.06112).
    """

    def __init__(self, A: float = 4.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.A = check_number("A", A, "(0, 1e6]", not_below=1e-6)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return self.A * one_minus_exp(log_prob)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "A": self.A}
