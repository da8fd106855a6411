from typing import Unpack

from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._registry import register
from keras_noisy.losses.focal_ce import FocalCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.normalised_loss import NormalisedLoss


@register
class NFL(NormalisedLoss):
    """Normalised focal loss.

    Formula:

    ```
    loss = l_y / sum_j l_j,    l_j = -(1 - p_j)^gamma log p_j
    ```

    For `gamma = 0` it is `keras_noisy.NCE`. The gradient is that of the formula. The code
    published with the loss treats the factors `(1 - p_j)^gamma` in numerator and denominator as
    constants in the derivative, which makes the gradient of an untrained network with 10 classes
    about 10 % smaller. To obtain that loss, subclass `keras_noisy.losses.RowLoss` and apply
    `keras.ops.stop_gradient` to these factors, as in the example of `keras_noisy.FocalCE`.

    Properties:

    - Range: [0, 1).
    - Symmetric: yes.
    - Use it: like `keras_noisy.NCE`, in a sum.

    Args:
        gamma: Number in [0, 50], the exponent. Defaults to `0.5`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `gamma` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NFL(gamma=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.1695

    Usage with `compile()`:

    ```python
    loss = 10.0 * keras_noisy.NFL() + 1.0 * keras_noisy.MAE()
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """

    hyperparameters = FocalCE.hyperparameters
    gamma: float

    def __init__(self, gamma: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(gamma=gamma)
        self._numerator = FocalCE(self.gamma, name="numerator")

    @property
    def numerator(self) -> LabelLoss:
        return self._numerator
