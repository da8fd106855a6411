from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.row_loss import RowLoss


@register
class AMSE(RowLoss):
    """Asymmetric mean squared error, the passive half of the joint asymmetric loss (JAL).

    Formula:

    ```
    loss = sum_j (a [j = y] - p_j)^2 / K
    ```

    For `a = 1` it is the mean squared error between the one-hot label and the prediction. A larger
    `a` makes it more robust and its gradient larger. Unlike those of other losses, its value is not
    0 for a perfect prediction.

    Properties:

    - Range: [(a - 1)**2 / K, (a**2 + 1) / K].
    - Symmetric: no.
    - Use it: in the sum `alpha * NCE() + beta * AMSE()`, which is JAL-CE, with a penalty on the
      weights (`keras_noisy.losses.weight_penalty`).

    Args:
        a: Number in [1, 1000], the value that the label's probability is compared with. Defaults to
            `30.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `a` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AMSE(a=2.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.7917

    Usage with `compile()`:

    ```python
    loss = 5.0 * keras_noisy.NCE() + 1.0 * keras_noisy.AMSE(a=20.0)
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Wang, Liu, Zhou, Hu, Zhai, Jiang, Ji, 2025, "Joint Asymmetric Loss for Learning with Noisy
      Labels", [ICCV 2025](https://arxiv.org/abs/2507.17692).
    """

    hyperparameters = (Hyperparameter("a", "[1, 1000]"),)
    a: float

    def __init__(self, a: float = 30.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(a=a)

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        # K loss = (a - 1)^2 + 2 a (1 - p_y) - sum_j p_j (1 - p_j), without cancellation.
        spread = ops.exp(log_probs) * one_minus_exp(log_probs)
        error = 2.0 * self.a * one_minus_exp(log_prob) - ops.sum(spread, axis=-1, keepdims=True)
        return ((self.a - 1.0) ** 2 + error) / log_probs.shape[-1]

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("a", only_scales=True)
