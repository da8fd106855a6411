import math
from typing import Any, Self, Unpack

from keras import ops

from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._core.tracing import constant_in_graphs
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss

# The margin to which the authors scale that of an untrained network, about that with 10 classes.
_MARGIN = 2.6


def auto_scale(num_classes: int) -> float:
    """Returns the scale of `MAERescale(scale="auto")` for a number of classes."""
    others = num_classes - 1.0
    # Minus the mean of the margin, for logits of standard deviation 1 and many classes.
    margin = math.log(others) + 0.5 - (math.e - 1.0) / (2.0 * others)
    return min(1.0, _MARGIN / margin) if num_classes > 10 else 1.0


_calibrated = constant_in_graphs(auto_scale)


@register
class MAERescale(LabelLoss):
    """Mean absolute error of a scaled margin, which learns with any number of classes.

    Formula:

    ```
    loss = sigmoid(-s m) / s,    m = log p_y - log(1 - p_y),    s = scale
    ```

    The margin `m` is the log-odds of the label. For `s = 1` the loss is `1 - p_y`, half of
    `keras_noisy.MAE`. A smaller `s` makes it wider: it pulls at labels whose probability is far too
    small for the MAE, as a logit bias does, but it still pulls at labels near the decision
    boundary, and it pulls most where `p_y` is 1/2, whatever `s` is.

    `scale="auto"` is 1 up to 10 classes, and smaller for more classes: 0.51 for 100, 0.35 for 1000.
    It is `2.6 / |E[m]|`, with the mean margin of an untrained network,
    `|E[m]| = log(K - 1) + 1/2 - (e - 1) / (2 (K - 1))`, so that untrained networks are as far from
    the middle of the loss as with 10 classes. The authors state the gradient, and divide by its
    largest value 1/4; `4 * keras_noisy.MAERescale()` is their scale.

    From probabilities, and in a `ClassHead`, samples whose `p_y` rounds to 1 have no gradient. From
    logits, the margin is precise there, which takes a few more passes over the logits than other
    losses of `p_y`.

    Properties:

    - Range: [0, 1 / scale).
    - Symmetric: no; only for `scale=1`.
    - Use it: for many classes in place of `keras_noisy.MAE` with a logit bias; it needs no layer.

    Args:
        scale: Number in (0, 10], not below 0.01, the factor of the margin; or `"auto"`, which
            depends on the number of classes. Defaults to `"auto"`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `scale` is neither such a number nor `"auto"`.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.MAERescale(scale=0.5)
    >>> round(float(loss([1], [[0.1, 0.2, 0.7]])), 4)
    1.3333
    >>> round(keras_noisy.MAERescale().for_classes(1000).scale, 3)
    0.351

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.MAERescale(from_logits=True))
    ```

    References:

    - Ou, Zhang, 2023, "A Curriculum View of Robust Loss Functions",
      [arXiv 2305.02139](https://arxiv.org/abs/2305.02139).
    """

    hyperparameters = (
        Hyperparameter("scale", "(0, 10]", smallest=0.01, word="auto", usual=(0.05, 2.0)),
    )
    scale: Any
    uses_margin = True

    def __init__(self, scale: float | str = "auto", **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(scale=scale)

    def for_classes(self, num_classes: int) -> Self:
        if self.scale != "auto":
            return self
        return self._copy(scale=_calibrated(num_classes))

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return _rescaled(log_prob, ops.convert_to_tensor(self.scale, dtype=log_prob.dtype))

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("scale")


@custom_row_gradient
def _rescaled(log_prob: Tensor, scale: Tensor) -> Any:
    # At p_y = 1 the margin is infinite. The loss and its gradient by the logit are 0 there.
    log_prob = ops.where(log_prob > -1e-30, -1e-30, log_prob)
    error = -ops.expm1(log_prob)
    margin = scale * (log_prob - ops.log(error))

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        return -upstream * ops.sigmoid(margin) * ops.sigmoid(-margin) / error, None

    return ops.sigmoid(-margin) / scale, gradient
