from typing import Any, Unpack

import keras
from keras import ops

from keras_noisy._arguments import check_integer
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions


@keras.saving.register_keras_serializable(package="keras_noisy")
class TaylorCE(LabelLoss):
    """Taylor cross-entropy: the first terms of the cross-entropy's Taylor series around `p_y = 1`.

    Formula:

    ```
    loss = sum_{i = 1..order} (1 - p_y)^i / i
    ```

    With one term it is `1 - p_y`, half of `keras_noisy.MAE`; with many it is the cross-entropy.
    Where `p_y = 0` it is `harmonic(order) = 1 + 1/2 + … + 1/order`.

    Properties:

    - Range: [0, harmonic(order)].
    - Symmetric: no; only for `order=1`.
    - Use it: as `keras_noisy.GCE`, with a whole number to choose; about 2 for few classes, more for
      many.

    Args:
        order: Integer in [1, 100000], the number of terms; more learn faster and are less robust.
            Time and memory grow with it, with one-hot labels K times more. Defaults to `2`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `order` is not such an integer.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.TaylorCE(order=2)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.625

    References:

    - Feng, Shu, Lin, Lv, Li, An, 2020, "Can Cross Entropy Loss Be Robust to Label Noise?",
      [IJCAI-20](https://www.ijcai.org/proceedings/2020/305).
    """

    def __init__(self, order: int = 2, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.order = check_integer("order", order, 1, 100_000)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        powers = ops.arange(1, self.order + 1, dtype=log_prob.dtype)
        terms = ops.power(ops.expand_dims(one_minus_exp(log_prob), axis=-1), powers) / powers
        return ops.sum(terms, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order}
