from typing import Any

import keras

from keras_noisy.losses.label_loss import LabelLoss

Tensor = Any


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

    Args:
        logit_bias: `None` (default), a float, or `"auto"`: added to the label's logit in training.
        from_logits: Whether `y_pred` holds logits. Defaults to `False`, probabilities.
        ignore_class: Integer label that does not count. Defaults to `None`.
        reduction: As in `keras.losses.Loss`. Defaults to `"sum_over_batch_size"`.
        name: Optional name of the instance.
        dtype: As in `keras.losses.Loss`, raised to float32 if it is less precise.

    Shapes, label formats and errors: see `keras_noisy.losses.RobustLoss`.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.CE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.6931
    """

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return -log_prob
