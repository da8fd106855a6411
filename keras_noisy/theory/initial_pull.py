"""The average gradient of GCE and MAE at the label's logit of an untrained network."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes, check_logit_std, is_number
from keras_noisy.theory._log_sum import log_sum


def initial_pull(
    logit: ArrayLike, num_classes: int, logit_std: float = 1.0, q: float = 1.0
) -> NDArray:
    """Computes the average pull of GCE at the label's logit of an untrained network.

    Formula:

    ```
    initial_pull(z) = E[p^q (1 - p)],   p = e^z / (e^z + S),   S = sum_j e^{z_j}
    ```

    where the sum is over the K - 1 other classes, and the `z_j` are independent and normal with
    mean 0 and standard deviation `logit_std`, like the logits of an untrained network. The result
    is minus the average error `<delta_k>(z_k)` of the source.
    `keras_noisy.calibration.average_error` computes that for any loss.

    Args:
        logit: Array of any shape, the label's logit `z` (dimensionless).
        num_classes: Number of classes `K`, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to
            `1.0`.
        q: Number above 0, the exponent of GCE. Defaults to `1.0`, the loss 1 - p, half of the MAE.

    Returns:
        Float64 array of the shape of `logit`, values in [0, 1]. The errors are about 1e-12 for
        `logit_std` up to 1, and 1e-4 for 5.

    Raises:
        ValueError: If `num_classes`, `logit_std` or `q` is out of its range.

    Example:

    >>> import numpy as np
    >>> from keras_noisy.theory import initial_pull
    >>> np.round(initial_pull(0.0, num_classes=10), 4)
    np.float64(0.0664)

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figures 1 and 2.
    """
    check_classes("num_classes", num_classes)
    check_logit_std(logit_std)
    if not is_number(q) or not 0.0 < q < np.inf:
        raise ValueError(f"`q` must be a number above 0. Received: q={q!r}")
    log_sums, weights = log_sum(int(num_classes) - 1, float(logit_std))
    margin = np.asarray(logit, dtype="float64")[..., np.newaxis] - log_sums
    # In terms of log p and log(1 - p), which are precise near 0 and 1.
    return np.exp(-q * np.logaddexp(0.0, -margin) - np.logaddexp(0.0, margin)) @ weights
