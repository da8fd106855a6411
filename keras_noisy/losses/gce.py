import numbers
from typing import Any, Unpack

import keras

from keras_noisy.losses.label_loss import LabelLoss
from keras_noisy.losses.log_prob import one_minus_exp
from keras_noisy.losses.robust_loss import LossOptions

Tensor = Any

# Below, q u is no number in float32. The loss has been the cross-entropy since 1e-7.
_SMALLEST = 1e-30


@keras.saving.register_keras_serializable(package="keras_noisy")
class GCE(LabelLoss):
    """Generalised cross-entropy: between the cross-entropy and the mean absolute error.

    Formula:

    ```
    loss = (1 - p_y^q) / q
    ```

    For `q -> 0` it is the cross-entropy, for `q = 1` it is `1 - p_y`, half of `keras_noisy.MAE`. It
    lies in [0, 1/q].

    Args:
        q: Number in (0, 1]; larger is more robust and learns more slowly. Defaults to `0.7`.
        logit_bias: `None` (default), a float, or `"auto"`: added to the label's logit in training.
        from_logits: Whether `y_pred` holds logits. Defaults to `False`, probabilities.
        ignore_class: Integer label that does not count. Defaults to `None`.
        reduction: As in `keras.losses.Loss`. Defaults to `"sum_over_batch_size"`.
        name: Optional name of the instance.
        dtype: As in `keras.losses.Loss`, raised to float32 if it is less precise.

    Shapes, label formats and errors: see `keras_noisy.losses.RobustLoss`.

    Raises:
        ValueError: If `q` is not a number in (0, 1].

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.GCE(q=0.5)
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.5858

    References:

    - Zhang, Sabuncu, 2018, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
      Noisy Labels", [NeurIPS 2018](https://arxiv.org/abs/1805.07836).
    """

    def __init__(self, q: float = 0.7, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        is_number = isinstance(q, numbers.Real) and not isinstance(q, bool)
        if not is_number or not _SMALLEST <= q <= 1.0:
            raise ValueError(
                f"`q` must be a number in (0, 1], and not below {_SMALLEST:g}. Received: q={q!r}"
            )
        self.q = float(q)

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return one_minus_exp(self.q * log_prob) / self.q

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "q": self.q}
