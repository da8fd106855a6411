import math
from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss

# Below this log-probability, p_y does not change m_y in float32. exp(30) times a weight is finite.
_UNLIKELY = -30.0
# From this weight on, the difference log m_y - log p_y is precise enough in float32.
_ROUNDING_MATTERS_BELOW = 0.5


@register
class JS(LabelLoss):
    """Weighted Jensen-Shannon divergence between the one-hot label and the prediction.

    Formula:

    ```
    loss = (H(m) - (1 - w) H(p)) / Z,    m = w onehot(y) + (1 - w) p,    Z = -(1 - w) log(1 - w)
    ```

    where `H` is the entropy and `w = weight`. The terms of the classes other than the label
    cancel, so the loss is a function of `p_y` alone. With `m_y = w + (1 - w) p_y`, it is

    ```
    loss = -(w log m_y + (1 - w) ((1 - p_y) log(1 - w) + p_y log(m_y / p_y))) / Z
    ```

    For `w -> 0` it approaches the cross-entropy, and for `w -> 1` it approaches `1 - p_y`, half of
    `keras_noisy.MAE`. For a soft target, it is the average over labels drawn from the target, not
    the divergence from the target. The generalised loss of the same paper (GJS), which compares
    two augmented views, is a different loss.

    Properties:

    - Range: [0, 1 + weight * log(weight) / ((1 - weight) * log(1 - weight))].
    - Symmetric: no.
    - Use it: between cross-entropy and MAE, like `keras_noisy.GCE`; published weights range from
      0.1 for few wrong labels or many classes to 0.9 for many wrong labels of 10 classes.

    Args:
        weight: Number in (0, 1), not within 1e-6 of either end, the share of the label in the
            mixture `m`. Defaults to `0.5`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `weight` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.JS()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6226

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.JS(weight=0.5, from_logits=True))
    ```

    References:

    - Englesson, Azizpour, 2021, "Generalized Jensen-Shannon Divergence Loss for Learning with Noisy
      Labels", [NeurIPS 2021](https://arxiv.org/abs/2105.04522).
    """

    hyperparameters = (
        Hyperparameter("weight", "(0, 1)", smallest=1e-6, largest=1 - 1e-6, usual=(0.01, 0.99)),
    )
    weight: float

    def __init__(self, weight: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(weight=weight)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        w = self.weight
        p, error = ops.exp(log_prob), one_minus_exp(log_prob)
        log_mixture = ops.log1p(-(1.0 - w) * error)
        log_ratio = log_mixture - log_prob  # of m_y to p_y
        if w < _ROUNDING_MATTERS_BELOW:
            is_likely = log_prob > _UNLIKELY
            precise = ops.log1p(w * ops.expm1(-ops.where(is_likely, log_prob, 0.0)))
            log_ratio = ops.where(is_likely, precise, log_ratio)
        log_rest = math.log1p(-w)
        divergence = -w * log_mixture - (1.0 - w) * (error * log_rest + p * log_ratio)
        return divergence / (-(1.0 - w) * log_rest)

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("weight")
