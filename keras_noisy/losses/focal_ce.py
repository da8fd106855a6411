from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.custom_gradient import custom_row_gradient
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class FocalCE(LabelLoss):
    """Focal cross-entropy: leaves well-classified samples alone.

    Formula:

    ```
    loss = -(1 - p_y)^gamma log p_y
    ```

    For `gamma = 0` it is the cross-entropy. The gradient is that of the formula. Much public code
    for noisy labels holds the factor `(1 - p_y)^gamma` constant in the derivative ("detach"), which
    is another loss. To get that one:

    ```python
    import keras
    import keras_noisy


    class DetachedFocalCE(keras_noisy.losses.LabelLoss):
        def of_log_prob(self, log_prob):
            factor = (1.0 - keras.ops.exp(log_prob)) ** 0.5
            return -keras.ops.stop_gradient(factor) * log_prob
    ```

    `keras.losses.CategoricalFocalCrossentropy` has a factor `alpha=0.25` besides, and cuts off
    probabilities below 1e-7 with their gradient.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: against class imbalance, and as the loss that `keras_noisy.NFL` normalises; alone it
      memorises wrong labels.

    Args:
        gamma: Number in [0, 50], the focus. Defaults to `0.5`, as papers on noisy labels set it; 2 is
            usual in object detection.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `gamma` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.FocalCE(gamma=2.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.1733

    References:

    - Lin, Goyal, Girshick, He, Dollár, 2017, "Focal Loss for Dense Object Detection",
      [ICCV 2017](https://arxiv.org/abs/1708.02002).
    """

    def __init__(self, gamma: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.gamma = check_number("gamma", gamma, "[0, 50]")

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        if self.gamma == 0.0:
            return -log_prob
        return _focal(log_prob, ops.convert_to_tensor(self.gamma, dtype=log_prob.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma}


@custom_row_gradient
def _focal(log_prob: Tensor, gamma: Tensor) -> Any:
    # At p_y = 1 the power has no derivative for gamma < 1; the loss has slope 0 there.
    log_prob = ops.where(log_prob > -1e-30, -1e-30, log_prob)
    error = -ops.expm1(log_prob)
    power = ops.exp(gamma * ops.log(error))  # in less time than a power takes

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * power * (gamma * ops.exp(log_prob) * log_prob / error - 1.0), None

    return -power * log_prob, gradient
