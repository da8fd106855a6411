from typing import Unpack

from keras_noisy._core.batch import Predictions
from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class SCE(LabelLoss):
    """Symmetric cross-entropy: cross-entropy plus reverse cross-entropy.

    Formula:

    ```
    loss = -alpha log p_y + beta A (1 - p_y)
    ```

    The name refers to the exchange of label and prediction. The loss is not symmetric in the sense
    of noise tolerance. `A` is 4 as in the text of the paper. Its code clips one-hot labels at 1e-4
    instead, which corresponds to `A=9.2103`.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: if cross-entropy overfits a little; with many classes it is close to `alpha` times the
      cross-entropy.

    Args:
        alpha: Number in [0, 1e6], the weight of the cross-entropy. Defaults to `0.1`.
        beta: Number in [0, 1e6], the weight of the reverse cross-entropy. Defaults to `1.0`.
        A: Number in (0, 1e6], the value that replaces `-log 0`. Defaults to `4.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If one of them is not such a number, or if both weights are 0.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.SCE(alpha=1.0, beta=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    1.6931

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.SCE(alpha=0.1, beta=1.0, from_logits=True))
    ```

    References:

    - Wang, Ma, Chen, Luo, Yi, Bailey, 2019, "Symmetric Cross Entropy for Robust Learning with Noisy
      Labels", [ICCV 2019](https://arxiv.org/abs/1908.06112).
    """

    hyperparameters = (
        Hyperparameter("alpha", "[0, 1e6]", usual=(0.01, 10.0)),
        Hyperparameter("beta", "[0, 1e6]", usual=(0.01, 10.0)),
        Hyperparameter("A", "(0, 1e6]", smallest=1e-6, usual=(1.0, 10.0)),
    )
    alpha: float
    beta: float
    A: float

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        A: float = 4.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.set_hyperparameters(alpha=alpha, beta=beta, A=A)
        if self.alpha == self.beta == 0.0:
            raise ValueError("`alpha` or `beta` must be positive. Received: alpha=0, beta=0")

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return self.beta * self.A * one_minus_exp(log_prob) - self.alpha * log_prob

    def average_without_bias(self, predictions: Predictions) -> Tensor:
        reverse = self.beta * self.A * (1.0 - 1.0 / predictions.num_classes)
        return reverse - self.alpha * predictions.mean_log_prob

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("alpha", low=1e-6)
