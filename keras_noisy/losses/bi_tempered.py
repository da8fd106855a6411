from typing import Unpack

from keras import ops

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.row_loss import RowLoss
from keras_noisy.losses.tempered_softmax import tempered_log_softmax


@register
class BiTempered(RowLoss):
    """Bi-tempered logistic loss: a bounded logarithm over a heavy-tailed softmax.

    Formula:

    ```
    loss = -log_t1(P_y) - (1 - sum_j P_j^(2 - t1)) / (2 - t1)
    P_j = exp_t2(z_j - lambda),    lambda such that sum_j P_j = 1

    log_t(x) = (x^(1 - t) - 1) / (1 - t),    exp_t(x) = max(0, 1 + (1 - t) x)^(1 / (1 - t))
    ```

    For `t1 = t2 = 1`, where these are the usual logarithm and exponential, it is the
    cross-entropy. The normaliser `lambda` is found by Newton's method, until the total mass is 1
    with an error below 1e-6 (for 1000 classes; float32 sums over more classes are less accurate).
    The gradient is exact. The published code makes 5 steps of a fixed-point iteration, which has
    an error of 25 % for 1000 classes, `t2 = 1.5` and logits with a standard deviation of 10. With
    `from_logits=False`, `log p` is used as the logits. The probabilities `P` are those of
    `keras_noisy.losses.tempered_softmax`; predict with them in place of the softmax.

    Properties:

    - Range: [0, 1 / (1 - t1)).
    - Symmetric: no.
    - Use it: with a small `t2 - t1` if there are many classes; the gradient of an untrained network
      is about that of `keras_noisy.GCE` with `q = t2 - t1`. The defaults learn a thousand classes
      without a bias; (0.5, 1.5) stalls there, and a bias hardly helps.

    Args:
        t1: Number in [0, 1], the temperature of the logarithm. A smaller number gives a lower upper
            bound of the loss. Defaults to `0.8`.
        t2: Number in [1, 5], the temperature of the exponential. A larger number gives a heavier
            tail. Defaults to `1.2`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `t1` or `t2` is not such a number.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.BiTempered(t1=0.5, t2=1.0)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.3215

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.BiTempered(t1=0.8, t2=1.2, from_logits=True))
    ```

    References:

    - Amid, Warmuth, Anil, Koren, 2019, "Robust Bi-Tempered Logistic Loss Based on Bregman
      Divergences", [NeurIPS 2019](https://arxiv.org/abs/1906.03361).
    """

    hyperparameters = (
        Hyperparameter("t1", "[0, 1]"),
        Hyperparameter("t2", "[1, 5]"),
    )
    t1: float
    t2: float

    def __init__(self, t1: float = 0.8, t2: float = 1.2, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(t1=t1, t2=t2)

    def of_log_probs(self, log_prob: Tensor, log_probs: Tensor) -> Tensor:
        log_probs, log_prob = tempered_log_softmax(log_probs, self.t2, log_prob)
        # For masses that sum to 1, (1 - sum P^(2 - t1)) is sum P (1 - P^(1 - t1)), without
        # cancellation.
        mean = ops.sum(ops.exp(log_probs) * self._minus_log_t1(log_probs), axis=-1, keepdims=True)
        return self._minus_log_t1(log_prob) - (1.0 - self.t1) / (2.0 - self.t1) * mean

    def _minus_log_t1(self, log_prob: Tensor) -> Tensor:
        if self.t1 == 1.0:
            return -log_prob
        return one_minus_exp((1.0 - self.t1) * log_prob) / (1.0 - self.t1)

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("t2")
