from typing import Any, Unpack

from keras import ops

from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class FocalCE(LabelLoss):
    """Focal cross-entropy: leaves well-classified samples alone.

    Formula:

    ```
    loss = -(1 - p_y)^gamma log p_y
    ```

    For `gamma = 0` it is the cross-entropy. The gradient is that of the formula. Many
    implementations for noisy labels treat the factor `(1 - p_y)^gamma` as a constant in the
    derivative ("detach"), which is a different loss. To obtain that loss:

    ```python
    import keras
    import keras_noisy


    class DetachedFocalCE(keras_noisy.losses.LabelLoss):
        def of_log_prob(self, log_prob):
            factor = (1.0 - keras.ops.exp(log_prob)) ** 0.5
            return -keras.ops.stop_gradient(factor) * log_prob
    ```

    `keras.losses.CategoricalFocalCrossentropy` has an additional factor `alpha=0.25`, and clips
    probabilities at 1e-7, which removes their gradient.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: against class imbalance; alone it memorises wrong labels. `keras_noisy.NFL` is its
      normalised form.

    Args:
        gamma: Number in [0, 50], the exponent. Defaults to `0.5`, the usual value for noisy labels;
            2 is usual in object detection.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `gamma` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.FocalCE(gamma=2.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.1733

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.FocalCE(gamma=2.0, from_logits=True))
    ```

    References:

    - Lin, Goyal, Girshick, He, Dollár, 2017, "Focal Loss for Dense Object Detection",
      [ICCV 2017](https://arxiv.org/abs/1708.02002).
    """

    hyperparameters = (Hyperparameter("gamma", "[0, 50]", usual=(0.0, 5.0)),)
    gamma: float

    def __init__(self, gamma: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(gamma=gamma)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        if self.gamma == 0.0:
            return -log_prob
        return _focal(log_prob, ops.convert_to_tensor(self.gamma, dtype=log_prob.dtype))

    def calibration(self, num_classes: int) -> Calibration:
        reason = "FocalCE needs no change: it learns equally fast with any number of classes."
        return Calibration(is_needed=False, reason=reason)


@custom_row_gradient
def _focal(log_prob: Tensor, gamma: Tensor) -> Any:
    # At p_y = 1 the power has no derivative for gamma < 1, but the loss has the slope 0.
    log_prob = ops.where(log_prob > -1e-30, -1e-30, log_prob)
    error = -ops.expm1(log_prob)
    power = ops.exp(gamma * ops.log(error))  # faster than `ops.power`

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * power * (gamma * ops.exp(log_prob) * log_prob / error - 1.0), None

    return -power * log_prob, gradient
