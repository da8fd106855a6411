import copy
from typing import Any, Self, Unpack

import keras

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions
from keras_noisy.losses.tracing import constant_in_graphs
from keras_noisy.theory import gce_q

# The exponent that the loss's authors recommend, and for how many classes "auto" takes it.
_REFERENCE = (0.7, 30)


def auto_q(num_classes: int, logit_std: float = 1.0) -> float:
    """What `GCE(q="auto")` takes for a number of classes."""
    q, reference_classes = _REFERENCE
    return gce_q(max(num_classes, reference_classes), q, reference_classes, logit_std)


_calibrated = constant_in_graphs(auto_q)


@keras.saving.register_keras_serializable(package="keras_noisy")
class GCE(LabelLoss):
    """Generalised cross-entropy: between the cross-entropy and the mean absolute error.

    Formula:

    ```
    loss = (1 - p_y^q) / q
    ```

    For `q -> 0` it is the cross-entropy, for `q = 1` it is `1 - p_y`, half of `keras_noisy.MAE`. Much
    public code clips probabilities at 1e-7 and loses the gradient of harder samples; nothing is clipped
    here.

    `q="auto"` is 0.7 up to 30 classes, and less with more, so that a fresh network is pulled as by
    0.7 with 30 classes (`keras_noisy.theory.gce_q`): 0.62 for 50, 0.53 for 100, 0.37 for 1000. The
    rule is that of Staats et al. (2025), Figure 3, which leaves the reference open. 30 classes is where
    it measured best over 50 to 2000: matched from 100 classes it stalls with a thousand unless trained
    for long, matched from 10 it memorises with a few hundred (docs/gce_q.md).

    Properties:

    - Range: [0, 1 / q].
    - Symmetric: no; only for `q=1`.
    - Use it: as a strong default for up to about 100 classes; with more, take `q="auto"`, a smaller
      `q`, or a logit bias.

    Args:
        q: Number in (0, 1], larger is more robust and learns more slowly; or `"auto"`, from the
            number of classes. Defaults to `0.7`.
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Raises:
        ValueError: If `q` is neither a number in (0, 1] nor `"auto"`.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.GCE(q=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.5858
    >>> round(keras_noisy.GCE(q="auto").for_classes(1000).q, 3)
    0.366

    References:

    - Zhang, Sabuncu, 2018, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
      Noisy Labels", [NeurIPS 2018](https://arxiv.org/abs/1805.07836).
    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 3: q from the number of classes.
    """

    def __init__(self, q: float | str = 0.7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        # Below, q u is no number in float32. The loss has been the cross-entropy since 1e-7.
        self.q = check_number("q", q, "(0, 1]", not_below=1e-30, word="auto")

    def for_classes(self, num_classes: int) -> Self:
        if self.q != "auto":
            return self
        resolved = copy.copy(self)
        resolved.q = _calibrated(num_classes)
        return resolved

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return one_minus_exp(self.q * log_prob) / self.q

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "q": self.q}
