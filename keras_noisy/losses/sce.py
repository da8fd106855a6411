from typing import Any, Unpack

import keras

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class SCE(LabelLoss):
    """Symmetric cross-entropy: cross-entropy plus reverse cross-entropy.

    Formula:

    ```
    loss = -alpha log p_y + beta A (1 - p_y)
    ```

    The name speaks of the exchange of label and prediction; the loss is not symmetric in the sense
    of noise tolerance. `A` is 4 as in the text of the paper; its code cuts one-hot labels off at 1e-4
    instead: for that, `A=9.2103`.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: where cross-entropy overfits a little; with many classes it is close to `alpha` times
      the cross-entropy.

    Args:
        alpha: Number in [0, 1e6], the weight of the cross-entropy. Defaults to `0.1`.
        beta: Number in [0, 1e6], the weight of the reverse cross-entropy. Defaults to `1.0`.
        A: Number in (0, 1e6], what is taken for `-log 0`. Defaults to `4.0`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If one of them is not such a number, or if both weights are 0.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.SCE(alpha=1.0, beta=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    1.6931

    References:

    - Wang, Ma, Chen, Luo, Yi, Bailey, 2019, "Symmetric Cross Entropy for Robust Learning with Noisy
      Labels", [ICCV 2019](https://arxiv.org/abs/1908.06112).
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        A: float = 4.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = check_number("alpha", alpha, "[0, 1e6]")
        self.beta = check_number("beta", beta, "[0, 1e6]")
        self.A = check_number("A", A, "(0, 1e6]", not_below=1e-6)
        if self.alpha == self.beta == 0.0:
            raise ValueError("`alpha` or `beta` must be positive. Received: alpha=0, beta=0")

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return self.beta * self.A * one_minus_exp(log_prob) - self.alpha * log_prob

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta, "A": self.A}
