import math
from typing import Unpack

from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class PHuberCE(LabelLoss):
    """Partially Huberised cross-entropy: linear where the label is unlikely.

    Formula:

    ```
    loss = -log p_y                       if p_y > 1 / tau
           1 + log(tau) - tau p_y         otherwise
    ```

    The slope is continuous. For `tau = 1` it is `1 - p_y`, half of `keras_noisy.MAE`; for large
    `tau`, it approaches the cross-entropy.

    Properties:

    - Range: [0, 1 + log(tau)].
    - Symmetric: no; only for `tau=1`.
    - Use it: if few labels are wrong and the gradient of hard samples should be bounded; `tau`
      should increase with the number of classes (published: 2 for 10, 10 to 50 for 100).

    Args:
        tau: Number in [1, 1e30]. The loss is linear in `p_y` below `1 / tau`. Defaults to `10.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `tau` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.PHuberCE(tau=2.0)
    >>> round(float(loss([0], [[0.25, 0.5, 0.25]])), 4)
    1.1931

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.PHuberCE(tau=10.0, from_logits=True))
    ```

    References:

    - Menon, Rawat, Reddi, Kumar, 2020, "Can gradient clipping mitigate label noise?",
      [ICLR 2020](https://openreview.net/forum?id=rklB76EKPr).
    """

    hyperparameters = (Hyperparameter("tau", "[1, 1e30]", usual=(1.0, 10000.0)),)
    tau: float

    def __init__(self, tau: float = 10.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(tau=tau)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # In terms of log(tau p_y), because tau itself may be too large for float32.
        excess = log_prob + math.log(self.tau)
        linear = 1.0 + math.log(self.tau) - ops.exp(ops.where(excess > 0.0, 0.0, excess))
        return ops.where(excess > 0.0, -log_prob, linear)

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("tau")
