import math
from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class PHuberCE(LabelLoss):
    """Partially Huberised cross-entropy: linear where the label is unlikely.

    Formula:

    ```
    loss = -log p_y                       if p_y > 1 / tau
           1 + log(tau) - tau p_y         otherwise
    ```

    Both pieces meet with the same slope. For `tau = 1` it is `1 - p_y`, half of `keras_noisy.MAE`,
    for large `tau` the cross-entropy.

    Properties:

    - Range: [0, 1 + log(tau)].
    - Symmetric: no; only for `tau=1`.
    - Use it: where few labels are wrong and the gradient of hard samples should be bounded; `tau`
      should grow with the number of classes (published: 2 for 10, 10 to 50 for 100).

    Args:
        tau: Number in [1, 1e30]: labels less likely than `1 / tau` are on the linear piece. Defaults
            to `10.0`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `tau` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.PHuberCE(tau=2.0)
    >>> round(float(loss([0], [[0.25, 0.5, 0.25]])), 4)
    1.1931

    References:

    - Menon, Rawat, Reddi, Kumar, 2020, "Can gradient clipping mitigate label noise?",
      [ICLR 2020](https://openreview.net/forum?id=rklB76EKPr).
    """

    def __init__(self, tau: float = 10.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.tau = check_number("tau", tau, "[1, 1e30]")

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # With log(tau p_y) no power of tau comes near the limits of float32.
        excess = log_prob + math.log(self.tau)
        linear = 1.0 + math.log(self.tau) - ops.exp(ops.where(excess > 0.0, 0.0, excess))
        return ops.where(excess > 0.0, -log_prob, linear)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tau": self.tau}
