from keras_noisy._core.batch import Predictions
from keras_noisy._core.numerics import one_minus_exp
from keras_noisy._typing import Tensor
from keras_noisy.losses._registry import register
from keras_noisy.losses.label_loss import LabelLoss


@register
class MAE(LabelLoss):
    """Mean absolute error between the one-hot label and the predicted distribution.

    Formula:

    ```
    loss = sum_j |[j = y] - p_j| = 2 (1 - p_y)
    ```

    It tolerates symmetric label noise, but with many classes its gradient almost vanishes for the
    predictions of an untrained network, so it needs a logit bias. Two other scales are in use. Some
    authors omit the factor 2: use `0.5 * keras_noisy.MAE()`. `keras.losses.MeanAbsoluteError` on
    one-hot targets divides by the number of classes, which makes the gradient much smaller. For a
    soft target, the loss is the average over labels drawn from it, `2 sum_k t_k (1 - p_k)`.

    Properties:

    - Range: [0, 2].
    - Symmetric: yes.
    - Use it: alone up to about 10 classes; with `logit_bias="adaptive"` (or `"auto"`) for more.

    Args:
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.MAE()
    >>> float(loss([1], [[0.25, 0.5, 0.25]]))
    1.0
    >>> biased = keras_noisy.MAE(logit_bias=1.0, from_logits=True)
    >>> round(float(biased([1], [[0.0, 0.0, 0.0]])), 4)
    0.8478

    Usage with `compile()`:

    ```python
    model.compile("adam", loss=keras_noisy.MAE(from_logits=True, logit_bias="adaptive"))
    ```

    References:

    - Ghosh, Kumar, Sastry, 2017, "Robust Loss Functions under Label Noise for Deep Neural
      Networks", [AAAI-17](https://arxiv.org/abs/1712.09482).
    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): with a logit bias.
    """

    def of_log_prob(self, log_prob: Tensor) -> Tensor:
        return 2.0 * one_minus_exp(log_prob)

    def average_without_bias(self, predictions: Predictions) -> float:
        return 2.0 * (1.0 - 1.0 / predictions.num_classes)
