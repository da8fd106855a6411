from keras_noisy.losses._registry import register
from keras_noisy.losses.ce import CE
from keras_noisy.losses.normalised_loss import NormalisedLoss


@register
class NCE(NormalisedLoss):
    """Normalised cross-entropy.

    Formula:

    ```
    loss = log p_y / sum_j log p_j
    ```

    Properties:

    - Range: [0, 1).
    - Symmetric: yes.
    - Use it: in a sum, such as `10.0 * NCE() + 0.1 * AGCE(a=1.8, q=3.0)`. Alone, its gradient is
      about `1 / (K log K)` for any unlikely label. With many classes it stalls, and neither a
      large weight nor a logit bias helps.

    Args:
        **options: The options of all losses: `logit_bias=None`, `from_logits=False`,
            `ignore_class=None`, `label_smoothing=0.0`, `reduction="sum_over_batch_size"`,
            `name=None` and `dtype=None`. See `keras_noisy.losses.RobustLoss`, which also describes
            shapes, label formats and errors.

    Example:

    >>> import keras_noisy
    >>> loss = keras_noisy.NCE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    0.2

    Usage with `compile()`:

    ```python
    loss = 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0)
    model.compile("adam", loss=loss.with_options(from_logits=True))
    ```

    References:

    - Ma, Huang, Wang, Romano, Erfani, Bailey, 2020, "Normalized Loss Functions for Deep Learning
      with Noisy Labels", [ICML 2020](https://arxiv.org/abs/2006.13554).
    """

    numerator = CE(name="numerator")
