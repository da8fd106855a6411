import math
from typing import Unpack

from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.ce import CE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.negative_loss import NegativeLoss

_CE = CE(name="flipped")


@register
class NNCE(NegativeLoss):
    """Normalised negative cross-entropy, the passive half of the active negative loss (ANL).

    Formula:

    ```
    loss = 1 - (A + l_y) / sum_j (A + l_j),    l_j = max(log p_j, -A),    A = -log(min_prob)
    ```

    For `p_y < min_prob` the gradient is 0 by definition. A logit bias gives such samples a
    gradient.

    Properties:

    - Range: [0, 1].
    - Symmetric: yes.
    - Use it: in the sum `alpha * NCE() + beta * NNCE()`, which is ANL-CE, with a penalty on the
      weights (`keras_noisy.losses.weight_penalty`).

    Args:
        min_prob: Number in (0, 0.5), and below 1/K for K classes. It replaces smaller
            probabilities. Defaults to `1e-7`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `min_prob` is not such a number; when called, if it is not below 1/K.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NNCE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6564

    Usage with `compile()`:

    ```python
    loss = 10.0 * keras_noisy.NCE() + 1.0 * keras_noisy.NNCE()
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Ye, Li, Dai, Liu, Sun, Tong, 2023, "Active Negative Loss Functions for Learning with Noisy
      Labels", [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/).
    """

    hyperparameters = (Hyperparameter("min_prob", "(0, 0.5)", smallest=1e-30),)
    min_prob: float

    def __init__(self, min_prob: float = 1e-7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(min_prob=min_prob)

    @property
    def flipped(self) -> LabelLoss:
        return _CE

    @property
    def bound(self) -> float:
        return -math.log(self.min_prob)
