from typing import Any, Self, Unpack

from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._core.tracing import constant_in_graphs
from keras_noisy._typing import Tensor
from keras_noisy.losses._configured_loss import LossOptions
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.theory import gce_q

# The exponent that the authors of the loss recommend, and the largest number of classes for which
# "auto" uses it.
_REFERENCE = (0.7, 30)


def auto_q(num_classes: int, logit_std: float = 1.0) -> float:
    """Returns the exponent of `GCE(q="auto")` for a number of classes."""
    q, reference_classes = _REFERENCE
    return gce_q(max(num_classes, reference_classes), q, reference_classes, logit_std)


_calibrated = constant_in_graphs(auto_q)


@register
class GCE(LabelLoss):
    """Generalised cross-entropy: between the cross-entropy and the mean absolute error.

    Formula:

    ```
    loss = (1 - p_y^q) / q
    ```

    For `q -> 0` it is the cross-entropy. For `q = 1` it is `1 - p_y`, half of `keras_noisy.MAE`.
    Many implementations clip probabilities at 1e-7 and lose the gradient of harder samples; this
    one does not clip.

    `q="auto"` is 0.7 up to 30 classes, and smaller for more classes: 0.62 for 50, 0.53 for 100,
    0.37 for 1000. The average gradient of an untrained network then equals that for 0.7 and 30
    classes (`keras_noisy.theory.gce_q`). The rule is that of Staats et al. (2025), Figure 3, which
    does not specify the reference. With 30 classes as the reference, the results for 50 to 2000
    classes were best. With a reference of 100 classes, a thousand classes are learnt very slowly;
    with a reference of 10, a network with a few hundred classes memorises wrong labels
    (docs/gce_q.md).

    Properties:

    - Range: [0, 1 / q].
    - Symmetric: no; only for `q=1`.
    - Use it: as a strong default for up to about 100 classes; for more, use `q="auto"`, a smaller
      `q`, or a logit bias.

    Args:
        q: Number in (0, 1], where a larger number is more robust and learns more slowly; or
            `"auto"`, which depends on the number of classes. Defaults to `0.7`.
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Raises:
        ValueError: If `q` is neither a number in (0, 1] nor `"auto"`.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.GCE(q=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.5858
    >>> round(keras_noisy.GCE(q="auto").for_classes(1000).q, 3)
    0.366

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.GCE(q=0.7, from_logits=True))
    ```

    References:

    - Zhang, Sabuncu, 2018, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
      Noisy Labels", [NeurIPS 2018](https://arxiv.org/abs/1805.07836).
    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 3: q from the number of
      classes.
    """

    hyperparameters = (
        Hyperparameter("q", "(0, 1]", smallest=1e-30, word="auto", usual=(0.01, 1.0)),
    )
    q: Any

    def __init__(self, q: float | str = 0.7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.set_hyperparameters(q=q)

    def for_classes(self, num_classes: int) -> Self:
        if self.q != "auto":
            return self
        return self._copy(q=_calibrated(num_classes))

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return one_minus_exp(self.q * log_prob) / self.q

    def calibration(self, num_classes: int) -> Calibration:
        return Calibration("q", low=1e-6)
