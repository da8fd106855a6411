import numbers

import numpy as np
from numpy.typing import NDArray


def symmetric(num_classes: int, rate: float) -> NDArray[np.float64]:
    """Transition matrix of symmetric (uniform) label noise.

    Formula: a label is wrong with probability `rate`, and then any other class with equal
    probability,

    ```
    T[i, j] = P(noisy = j | true = i) = (1 - rate) [i = j] + rate / (K - 1) [i != j]
    ```

    The true class is excluded from the draw, so that `rate` is the share of wrong labels. (Some
    authors draw from all K classes, which leaves only `rate (K - 1) / K` wrong.)

    Args:
        num_classes: Integer K, at least 2.
        rate: Share of wrong labels, a number in [0, 1].

    Returns:
        Float64 array (K, K) whose rows sum to 1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import keras_noisy
    >>> keras_noisy.noise.symmetric(num_classes=3, rate=0.4)
    array([[0.6, 0.2, 0.2],
           [0.2, 0.6, 0.2],
           [0.2, 0.2, 0.6]])

    References:

    - Patrini, Rozza, Menon, Nock, Qu, 2017, "Making Deep Neural Networks Robust to Label Noise: a
      Loss Correction Approach", [CVPR 2017](https://arxiv.org/abs/1609.03683).
    """
    is_integer = isinstance(num_classes, numbers.Integral) and not isinstance(num_classes, bool)
    if not is_integer or num_classes < 2:
        raise ValueError(
            f"`num_classes` must be an integer of at least 2. Received: num_classes={num_classes!r}"
        )
    is_number = isinstance(rate, numbers.Real) and not isinstance(rate, bool)
    if not is_number or not 0.0 <= rate <= 1.0:
        raise ValueError(f"`rate` must be a number in [0, 1]. Received: rate={rate!r}")
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1.0))
    np.fill_diagonal(matrix, 1.0 - rate)
    return matrix
