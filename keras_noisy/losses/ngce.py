from typing import Unpack

from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.gce import GCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.normalised_loss import NormalisedLoss


@register
class NGCE(NormalisedLoss):
    """Normalised generalised cross-entropy.

    Formula:

    ```
    loss = (1 - p_y^q) / (K - sum_j p_j^q)
    ```

    For `q -> 0` it is `keras_noisy.NCE`, for `q = 1` it is `(1 - p_y) / (K - 1)`.

    Properties:

    - Range: [0, 1 / (K - (K - 1)**(1 - q))].
    - Symmetric: yes.
    - Use it: like `keras_noisy.NCE`, in a sum.

    Args:
        q: Number in (0, 1], the exponent. Defaults to `0.7`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NGCE(q=1.0)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.25

    Usage with `compile()`:

    ```python
    loss = 10.0 * keras_noisy.NGCE() + 1.0 * keras_noisy.MAE()
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """

    hyperparameters = (Hyperparameter("q", "(0, 1]", smallest=1e-30),)
    q: float

    def __init__(self, q: float = 0.7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(q=q)
        self._numerator = GCE(self.q, name="numerator")

    @property
    def numerator(self) -> LabelLoss:
        return self._numerator
