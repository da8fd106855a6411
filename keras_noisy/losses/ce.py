from keras_noisy._core.batch import Predictions
from keras_noisy._typing import Tensor
from keras_noisy.losses._hyperparameter import Calibration
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class CE(LabelLoss):
    """Cross-entropy.

    Formula:

    ```
    loss = -log p_y
    ```

    It is the baseline for noise-robust losses: unbounded, it learns with any number of classes,
    and memorises wrong labels. It equals `keras.losses.SparseCategoricalCrossentropy`, but does
    not clip probabilities at 1e-7.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: as the reference to compare with, and as one part of a sum.

    Args:
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.CE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6931

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.CE(from_logits=True))
    ```
    """

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return -log_prob

    def average_without_bias(self, predictions: Predictions) -> Tensor:
        return -predictions.mean_log_prob

    def calibration(self, num_classes: int) -> Calibration:
        reason = "CE needs no change: it learns equally fast with any number of classes."
        return Calibration(is_needed=False, reason=reason)
