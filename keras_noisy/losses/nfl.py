from typing import Any, Unpack

import keras

from keras_noisy.losses.focal_ce import FocalCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.normalised_loss import NormalisedLoss
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class NFL(NormalisedLoss):
    """Normalised focal loss.

    Formula:

    ```
    loss = l_y / sum_j l_j,    l_j = -(1 - p_j)^gamma log p_j
    ```

    For `gamma = 0` it is `keras_noisy.NCE`. The gradient is that of the formula; the code published
    with the loss holds the factors `(1 - p_j)^gamma` constant in the derivative, above and below the
    line, which makes its gradient about 10 % smaller on a fresh network with 10 classes. To get that
    one, subclass `keras_noisy.losses.RowLoss` and put `keras.ops.stop_gradient` around those factors,
    as in the example of `keras_noisy.FocalCE`.

    Properties:

    - Range: [0, 1).
    - Symmetric: yes.
    - Use it: as `keras_noisy.NCE`, in a sum.

    Args:
        gamma: Number in [0, 50], the focus. Defaults to `0.5`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `gamma` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NFL(gamma=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.1695

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """

    def __init__(self, gamma: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self._numerator = FocalCE(gamma, name="numerator")
        self.gamma = self._numerator.gamma

    @property
    def numerator(self) -> LabelLoss:
        return self._numerator

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma}
