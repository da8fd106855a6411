from typing import Any, Unpack

import keras

from keras_noisy._arguments import check_number
from keras_noisy.losses.gce import GCE
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.normalised_loss import NormalisedLoss
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
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
    - Use it: as `keras_noisy.NCE`, in a sum.

    Args:
        q: Number in (0, 1]. Defaults to `0.7`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NGCE(q=1.0)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.25

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """

    def __init__(self, q: float = 0.7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.q = check_number("q", q, "(0, 1]", not_below=1e-30)
        self._numerator = GCE(self.q, name="numerator")

    @property
    def numerator(self) -> LabelLoss:
        return self._numerator

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "q": self.q}
