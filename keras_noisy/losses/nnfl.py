import math
from typing import Unpack

from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._registry import register
from keras_noisy.losses.focal_ce import FocalCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.negative_loss import NegativeLoss
from keras_noisy.losses.nnce import NNCE


@register
class NNFL(NegativeLoss):
    """Normalised negative focal loss, the passive half of the active negative loss ANL-FL.

    Formula:

    ```
    loss = 1 - (A - l_y) / sum_j (A - l_j),    l_j = min(-(1 - p_j)^gamma log p_j, A)

    A = -(1 - min_prob)^gamma log(min_prob)
    ```

    For `gamma = 0` it is `keras_noisy.NNCE`. For `p_y < min_prob` the gradient is 0 by definition.
    The gradient is that of the formula; the published code treats the factors `(1 - p_j)^gamma` as
    constants in the derivative.

    Properties:

    - Range: [0, 1].
    - Symmetric: yes.
    - Use it: in the sum `alpha * NFL() + beta * NNFL()`, which is ANL-FL, with a penalty on the
      weights (`keras_noisy.losses.weight_penalty`).

    Args:
        gamma: Number in [0, 50], the exponent. Defaults to `0.5`.
        min_prob: Number in (0, 0.5), and below 1/K for K classes. It replaces smaller
            probabilities. Defaults to `1e-7`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If one of them is not such a number; when called, if `min_prob` is not below
            1/K.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NNFL()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6562

    Usage with `compile()`:

    ```python
    loss = 10.0 * keras_noisy.NFL() + 1.0 * keras_noisy.NNFL()
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Ye, Li, Dai, Liu, Sun, Tong, 2023, "Active Negative Loss Functions for Learning with Noisy
      Labels", [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/).
    """

    hyperparameters = (*FocalCE.hyperparameters, *NNCE.hyperparameters)
    gamma: float

    def __init__(
        self, gamma: float = 0.5, min_prob: float = 1e-7, **options: Unpack[LossOptions]
    ) -> None:
        super().__init__(**options)
        self.set_hyperparameters(gamma=gamma, min_prob=min_prob)
        self._flipped = FocalCE(self.gamma, name="flipped")

    @property
    def flipped(self) -> LabelLoss:
        return self._flipped

    @property
    def bound(self) -> float:
        return -((1.0 - self.min_prob) ** self.gamma) * math.log(self.min_prob)
