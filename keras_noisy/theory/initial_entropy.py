"""How unsure a freshly initialised network is."""

import math

from keras_noisy._arguments import check_classes
from keras_noisy.theory.arguments import check_logit_std


def initial_entropy(num_classes: int, logit_std: float = 1.0) -> float:
    """Average entropy of a fresh network's prediction, for many classes.

    Formula:

    ```
    E[-sum_j p_j log p_j] ~ log K - logit_std^2 / 2
    ```

    with normal logits of mean 0. It is the limit of many classes: for `logit_std=1` the average is
    0.5 % above it for 100 classes and 6 % for 11.

    Args:
        num_classes: Number of classes `K`, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to
            `1.0`.

    Returns:
        The entropy in nats; 0 where the formula would be negative.

    Raises:
        ValueError: If `num_classes` or `logit_std` is out of its range.

    Example:

    >>> from keras_noisy.theory import initial_entropy
    >>> round(initial_entropy(1000), 2)
    6.41
    """
    check_classes("num_classes", num_classes)
    check_logit_std(logit_std)
    return max(0.0, math.log(num_classes) - logit_std**2 / 2)
