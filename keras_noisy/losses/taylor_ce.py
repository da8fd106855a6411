from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class TaylorCE(LabelLoss):
    """Taylor cross-entropy: the first terms of the cross-entropy's Taylor series around `p_y = 1`.

    Formula:

    ```
    loss = sum_{i = 1..order} (1 - p_y)^i / i
    ```

    With one term it is `1 - p_y`, half of `keras_noisy.MAE`. With many terms it approaches the
    cross-entropy. For `p_y = 0` it is `harmonic(order) = 1 + 1/2 + … + 1/order`.

    Properties:

    - Range: [0, harmonic(order)].
    - Symmetric: no; only for `order=1`.
    - Use it: like `keras_noisy.GCE`, with an integer hyperparameter; about 2 for few classes, more
      for many.

    Args:
        order: Integer in [1, 100000], the number of terms. With more terms, the loss learns faster
            and is less robust. Time and memory are proportional to it, and K times larger with
            one-hot labels. Defaults to `2`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `order` is not such an integer.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.TaylorCE(order=2)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.625

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.TaylorCE(order=6, from_logits=True))
    ```

    References:

    - Feng, Shu, Lin, Lv, Li, An, 2020, "Can Cross Entropy Loss Be Robust to Label Noise?",
      [IJCAI-20](https://www.ijcai.org/proceedings/2020/305).
    """

    hyperparameters = (Hyperparameter("order", "[1, 100000]", is_integer=True, usual=(1, 1000)),)
    order: int

    def __init__(self, order: int = 2, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(order=order)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        powers = ops.arange(1, self.order + 1, dtype=log_prob.dtype)
        terms = ops.power(ops.expand_dims(one_minus_exp(log_prob), axis=-1), powers) / powers
        return ops.sum(terms, axis=-1)

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("order")
