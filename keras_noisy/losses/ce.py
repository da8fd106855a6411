import keras

from keras_noisy._typing import Tensor
from keras_noisy.losses.label_loss import LabelLoss


@keras.saving.register_keras_serializable(package="keras_noisy")
class CE(LabelLoss):
    """Cross-entropy.

    Formula:

    ```
    loss = -log p_y
    ```

    The unbounded loss that noise-robust ones are measured against: it learns with any number of
    classes, and memorises wrong labels. It equals `keras.losses.SparseCategoricalCrossentropy`, but
    does not cut off probabilities below 1e-7.

    Properties:

    - Range: [0, inf).
    - Symmetric: no.
    - Use it: as the reference to compare with, and as one part of a sum.

    Args:
        **options: `logit_bias=None`, `from_logits=False`, `ignore_class=None`,
            `reduction="sum_over_batch_size"`, `name=None`, `dtype=None`; see
            `keras_noisy.losses.RobustLoss`, also for shapes, label formats and errors.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.CE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6931
    """

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return -log_prob
