from typing import Unpack

from keras import ops

from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class AEL(LabelLoss):
    """Asymmetric exponential loss.

    Formula:

    ```
    loss = exp(-p_y / a)
    ```

    *Asymmetric* losses tolerate noise if the true class is the most frequent one by a certain
    margin: each wrong label may be at most `exp(-1 / a)` times as frequent as the true one.

    Properties:

    - Range: [exp(-1 / a), 1].
    - Symmetric: no.
    - Use it: like `keras_noisy.AGCE`, in a sum with `keras_noisy.NCE`, or with a logit bias.

    Args:
        a: Number in (0, 1000], not below 0.001. With a smaller number, the loss learns faster at
            first. Defaults to `2.5`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `a` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AEL(a=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.3679

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.AEL(a=2.5, from_logits=True, logit_bias="adaptive"))
    ```

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    hyperparameters = (Hyperparameter("a", "(0, 1000]", smallest=1e-3, usual=(0.05, 10.0)),)
    a: float

    def __init__(self, a: float = 2.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(a=a)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return ops.exp(-ops.exp(log_prob) / self.a)

    def calibration(self, num_classes: int) -> Calibration:
        # Below 1 / K, a smaller `a` makes the pull smaller again.
        return Calibration("a", low=1.0 / num_classes)
