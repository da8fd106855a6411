import math
from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.focal_ce import FocalCE
from keras_noisy.losses.row_loss import RowLoss


@register
class EpsSoftmaxCE(RowLoss):
    """Cross-entropy or focal loss of the ε-softmax, which is close to a one-hot vector.

    Formula:

    ```
    loss = -(1 - P_y)^gamma log P_y,    P_j = (p_j + m [j = argmax p]) / (m + 1)
    ```

    The most probable class gets the mass `m` before the probabilities are divided by their sum. If
    it is the label, the loss is almost 0 and hardly pulls any more; if it is not, the gradient is
    that of the cross-entropy. The argmax is not differentiated, and classes that share the largest
    probability all count as the most probable one. For `m = 0` it is `keras_noisy.CE`, or
    `keras_noisy.FocalCE` for `gamma > 0`.

    The published code replaces `P_y` below 1e-8 by 1e-8, so that labels with `p_y < 1e-8 (m + 1)`,
    which with `m = 1e5` are most labels of a trained network, have no gradient of this loss;
    `floor=1e-8` does so, too. The published code also treats the factor of the focal loss as a
    constant in the derivative, which this one does not.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: in the sum with the MAE that was published, `keras_noisy.losses.get("eps-ce+mae",
      dataset=…, noise=…)`.

    Args:
        m: Number in [0, 1e9], the mass of the most probable class. Defaults to `1e4`.
        gamma: Number in [0, 50], the exponent of the focal loss. The published one is 0.1. Defaults
            to `0.0`: the cross-entropy.
        floor: Number in [0, 0.5], which replaces smaller `P_y`. Defaults to `0.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If one of them is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.EpsSoftmaxCE(m=4.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.1054
    >>> round(float(loss([0], [[0.25, 0.5, 0.25]])), 4)
    2.9957

    Usage with `compile()`:

    ```python
    loss = 0.05 * keras_noisy.EpsSoftmaxCE(m=1e4) + 1.0 * keras_noisy.MAE()
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Wang, Zhou, Zhai, Jiang, Ji, Liu, 2024, "ε-Softmax: Approximating One-Hot Vectors for
      Mitigating Label Noise", [NeurIPS 2024](https://arxiv.org/abs/2508.02387).
    """

    hyperparameters = (
        Hyperparameter("m", "[0, 1e9]"),
        *FocalCE.hyperparameters,
        Hyperparameter("floor", "[0, 0.5]"),
    )
    m: float
    gamma: float
    floor: float

    def __init__(
        self,
        m: float = 1e4,
        gamma: float = 0.0,
        floor: float = 0.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.set_hyperparameters(m=m, gamma=gamma, floor=floor)
        self._of_softmax = FocalCE(self.gamma, name="of_softmax")

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        is_top = ops.equal(log_prob, ops.amax(log_probs, axis=-1, keepdims=True))
        log_tilted = ops.where(
            is_top,
            ops.log1p(-one_minus_exp(log_prob) / (self.m + 1.0)),
            log_prob - math.log1p(self.m),
        )
        if self.floor > 0.0:
            log_floor = math.log(self.floor)
            log_tilted = ops.where(log_tilted < log_floor, log_floor, log_tilted)
        return self._of_softmax.of_log_prob(log_tilted)

    def calibration(self, num_classes: int) -> Calibration:
        reason = "EpsSoftmaxCE needs no change: it learns equally fast with any number of classes."
        return Calibration(is_needed=False, reason=reason)
