from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class AUL(LabelLoss):
    """Asymmetric unhinged loss.

    Formula:

    ```
    loss = ((a - p_y)^q - (a - 1)^q) / q
    ```

    *Asymmetric* losses tolerate noise if the true class is the most frequent one by a certain
    margin. For `q <= 1`, no margin is needed. For `q > 1`, each wrong label may be at most `((a -
    1) / a)^(q - 1)` times as frequent as the true one.

    Properties:

    - Range: [0, (a**q - (a - 1)**q) / q].
    - Symmetric: no; only for `q=1`.
    - Use it: like `keras_noisy.AGCE`, in a sum with `keras_noisy.NCE`, or with a logit bias.

    Args:
        a: Number in (1, 1000], not below 1.001. Defaults to `5.5`.
        q: Number in (0, 10]. Defaults to `3.0`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `a` or `q` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.AUL(a=2.0, q=2.0)
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    0.625

    Usage with `compile()`:

    ```python
    loss = keras_noisy.AUL(a=5.5, q=3.0, from_logits=True, logit_bias="adaptive")
    model.compile("adam", loss=loss)
    ```

    References:

    - Zhou, Liu, Jiang, Gao, Ji, 2021, "Asymmetric Loss Functions for Learning with Noisy Labels",
      [ICML 2021](https://arxiv.org/abs/2106.03110).
    """

    hyperparameters = (
        Hyperparameter("a", "(1, 1000]", smallest=1.001, usual=(1.1, 10.0)),
        Hyperparameter("q", "(0, 10]", smallest=1e-30, usual=(0.1, 5.0)),
    )
    a: float
    q: float

    def __init__(self, a: float = 5.5, q: float = 3.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(a=a, q=q)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        # In terms of (a - p) / (a - 1) = 1 + (1 - p) / (a - 1), which is precise near p = 1.
        rest = self.a - 1.0
        log_ratio = ops.log1p(one_minus_exp(log_prob) / rest)
        return rest**self.q * ops.expm1(self.q * log_ratio) / self.q

    def calibration(self, num_classes: int) -> Calibration:
        if self.q == 1.0:
            return Calibration(reason="with q=1, the gradient of AUL does not depend on a.")
        return Calibration("a", only_scales=self.q > 1.0)
