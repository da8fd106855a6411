from typing import Unpack

from keras_noisy._core.batch import Predictions
from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class RCE(LabelLoss):
    """Reverse cross-entropy: the cross-entropy with label and prediction exchanged.

    Formula:

    ```
    loss = -sum_j p_j log [j = y] = A (1 - p_y),    with log 0 = -A
    ```

    It is `A / 2` times `keras_noisy.MAE`. The text of the paper sets `log 0 = -4`, which is the
    default here. The code of that paper, and of most later papers, clips one-hot labels at 1e-4
    instead, which corresponds to `A=9.2103`.

    Properties:

    - Range: [0, A].
    - Symmetric: yes.
    - Use it: in a sum with a loss that learns fast; alone, like `keras_noisy.MAE`.

    Args:
        A: Number in (0, 1e6], the value that replaces `-log 0`. Defaults to `4.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `A` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.RCE()
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    2.0

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.RCE(from_logits=True, logit_bias="adaptive"))
    ```

    References:

    - Wang, Ma, Chen, Luo, Yi, Bailey, 2019, "Symmetric Cross Entropy for Robust Learning with Noisy
      Labels", [ICCV 2019](https://arxiv.org/abs/1908.06112).
    """

    hyperparameters = (Hyperparameter("A", "(0, 1e6]", smallest=1e-6, usual=(1.0, 10.0)),)
    A: float

    def __init__(self, A: float = 4.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(A=A)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return self.A * one_minus_exp(log_prob)

    def average_without_bias(self, predictions: Predictions) -> float:
        return self.A * (1.0 - 1.0 / predictions.num_classes)

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration(reason="A only scales RCE, as a learning rate does.")
