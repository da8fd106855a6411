"""How hard the MAE pulls at the label's logit of a freshly initialised network."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_noisy.theory.arguments import check_classes, check_logit_std

# Both integrals run over integrands that fall off doubly exponentially or as a Gaussian. There the
# plain trapezoidal rule converges faster than any power of the step: these are exact to 1e-10.
_NORMAL_STEP = 0.05
_NORMAL_REACH = 9.0
_LOG_TIME_STEP = 0.05
_LOG_TIME_BELOW = 60.0
_LOG_TIME_ABOVE = 6.0


def initial_pull(logit: ArrayLike, num_classes: int, logit_std: float = 1.0) -> NDArray:
    """Average pull of the MAE, as 1 - p, at the label's logit of a fresh network.

    Formula:

    ```
    initial_pull(z) = E[p (1 - p)],   p = e^z / (e^z + S),   S = sum over the K - 1 other classes of e^{z_j}
    ```

    with `z_j` independent and normal, mean 0 and standard deviation `logit_std`: the logits of a
    network that has not been trained. It is minus the average error `<delta_k>(z_k)` of the source.
    The average is exact: with `a = e^z` and the Laplace transform `phi(t) = E[exp(-t e^{z_j})]`,

    ```
    E[p (1 - p)] = int_0^inf a t e^{-a t} (-d/dt phi(t)^{K-1}) dt
    ```

    Args:
        logit: Array of any shape, the label's logit `z` (dimensionless).
        num_classes: Number of classes `K`, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to
            `1.0`.

    Returns:
        Float64 array of the shape of `logit`, values in [0, 1/4].

    Raises:
        ValueError: If `num_classes` or `logit_std` is out of its range.

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
    # At 600 there is no pull left, and no overflow yet.
    scale = np.exp(np.minimum(np.asarray(logit, dtype="float64"), 600.0))[..., np.newaxis]
    time, density = _others(int(num_classes), float(logit_std))
    scaled = scale * time
    return _LOG_TIME_STEP * (scaled * np.exp(-scaled) * density).sum(axis=-1)


@lru_cache(maxsize=32)
def _others(num_classes: int, logit_std: float) -> tuple[NDArray, NDArray]:
    """A grid of t, and -d/d(log t) phi(t)^(K-1) on it: what is the same for every label logit."""
    log_sum = np.log(num_classes - 1.0) + logit_std**2 / 2
    log_time = np.arange(
        -log_sum - _LOG_TIME_BELOW,
        _LOG_TIME_ABOVE + _NORMAL_REACH * logit_std,
        _LOG_TIME_STEP,
    )
    normal = np.arange(-_NORMAL_REACH, _NORMAL_REACH + _NORMAL_STEP / 2, _NORMAL_STEP)
    weight = np.exp(-(normal**2) / 2)
    weight /= weight.sum()
    rate = np.exp(log_time[:, np.newaxis] + logit_std * normal)
    # 1 - phi, not phi: it is tiny where K is large, and all that matters there.
    missing = -np.expm1(-rate) @ weight
    log_others = (num_classes - 2.0) * np.log1p(-np.minimum(missing, 1.0 - 1e-16))
    slope = (rate * np.exp(-rate)) @ weight
    return np.exp(log_time), (num_classes - 1.0) * slope * np.exp(log_others)
