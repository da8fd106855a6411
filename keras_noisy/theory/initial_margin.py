"""The margin of the label in an untrained network."""

import math

from keras_noisy._arguments import check_classes, check_logit_std


def initial_margin(num_classes: int, logit_std: float = 1.0) -> float:
    """Computes the label's margin in an untrained network, where its logit is 0.

    Formula:

    ```
    m_0 = -log E[sum_j e^{z_j}] = -log(K - 1) - logit_std^2 / 2
    ```

    where the sum is over the `K - 1` other classes, whose logits `z_j` are independent and normal
    with mean 0. The MAE pulls most at margin 0, so a logit bias of `-m_0` would give an untrained
    network the largest pull.

    Args:
        num_classes: Number of classes `K`, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to
            `1.0`.

    Returns:
        Float, the margin in units of the logits.

    Raises:
        ValueError: If `num_classes` or `logit_std` is out of its range.

    Example:

    >>> from keras_noisy.theory import initial_margin
    >>> [round(initial_margin(k), 2) for k in (10, 1000)]
    [-2.7, -7.41]
    """
    check_classes("num_classes", num_classes)
    check_logit_std(logit_std)
    return -math.log(num_classes - 1.0) - logit_std**2 / 2
