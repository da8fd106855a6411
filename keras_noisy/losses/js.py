import math
from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions

# exp(30) times any weight is a float32 number; and a label less likely than exp(-30) is lost in m.
_UNLIKELY = -30.0


@keras.saving.register_keras_serializable(package="keras_noisy")
class JS(LabelLoss):
    """Weighted Jensen-Shannon divergence between the one-hot label and the prediction.

    Formula:

    ```
    loss = (H(m) - (1 - w) H(p)) / Z,    m = w onehot(y) + (1 - w) p,    Z = -(1 - w) log(1 - w)
    ```

    with the entropy `H` and `w = weight`. All classes but the label cancel, so that it is a
    function of `p_y` alone, and with `m_y = w + (1 - w) p_y`

    ```
    loss = -(w log m_y + (1 - w) ((1 - p_y) log(1 - w) + p_y log(m_y / p_y))) / Z
    ```

    For `w -> 0` it is the cross-entropy, for `w -> 1` it approaches `1 - p_y`, half of
    `keras_noisy.MAE`. For a soft target it is the average over labels drawn
    from it, and not the divergence from the target itself. The generalised loss of the same paper
    (GJS), which compares two augmented views, is not this one.

    Properties:

    - Range: [0, 1 + weight * log(weight) / ((1 - weight) * log(1 - weight))].
    - Symmetric: no.
    - Use it: between cross-entropy and MAE, as `keras_noisy.GCE`; published weights go from 0.1 with
      few wrong labels or many classes to 0.9 with many wrong ones of 10 classes.

    Args:
        weight: Number in (0, 1), not within 1e-6 of either end; the share of the label in the
            mixture. Defaults to `0.5`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `weight` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.JS()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6226

    References:

    - Englesson, Azizpour, 2021, "Generalized Jensen-Shannon Divergence Loss for Learning with Noisy
      Labels", [NeurIPS 2021](https://arxiv.org/abs/2105.04522).
    """

    def __init__(self, weight: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.weight = check_number("weight", weight, "(0, 1)", not_below=1e-6, not_above=1 - 1e-6)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        w = self.weight
        p, error = ops.exp(log_prob), one_minus_exp(log_prob)
        log_mixture = ops.log1p(-(1.0 - w) * error)
        is_likely = log_prob > _UNLIKELY
        log_ratio = ops.where(  # of m_y to p_y
            is_likely,
            ops.log1p(w * ops.expm1(-ops.where(is_likely, log_prob, 0.0))),
            log_mixture - log_prob,
        )
        log_rest = math.log1p(-w)
        divergence = -w * log_mixture - (1.0 - w) * (error * log_rest + p * log_ratio)
        return divergence / (-(1.0 - w) * log_rest)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}
