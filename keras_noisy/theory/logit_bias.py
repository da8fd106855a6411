"""The logit bias that lets a bounded loss learn with many classes."""

import math
from functools import lru_cache

from keras_noisy._arguments import check_classes, check_logit_std
from keras_noisy.theory._root import find_root
from keras_noisy.theory.initial_pull import initial_pull

# The number of steps that reduce an interval of 30 to 1e-6, by a third each.
_STEPS = 45


def logit_bias(num_classes: int, reference_classes: int = 10, logit_std: float = 1.0) -> float:
    """Computes the logit bias for a number of classes, without training anything.

    Formula: with the bias eps, the average pull of the MAE on an untrained network with
    `num_classes` classes equals that with `reference_classes` classes and no bias,

    ```
    initial_pull(eps, num_classes) = initial_pull(0, reference_classes)
    ```

    so that training starts as with the few classes that bounded losses are known to learn. With
    the defaults, it is close to `log((K - 1) / 9) + 0.13`. It hardly depends on the loss. The
    source gives the idea of the rule and a plot; the equation is this package's interpretation.

    Args:
        num_classes: Integer, at least 2.
        reference_classes: Integer, at least 2. The number of classes that needs no bias.
            Defaults to `10`.
        logit_std: Standard deviation of the logits of the untrained network, from 0 to 5.
            Defaults to `1.0`.

    Returns:
        Float, eps in units of the logits; 0 if `num_classes <= reference_classes`.

    Raises:
        ValueError: If an argument is out of its range or not a number.

    Example:

    >>> from keras_noisy.calibration import logit_bias
    >>> [round(logit_bias(k), 3) for k in (10, 100, 1000)]
    [0.0, 2.518, 4.842]

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 4.
    """
    check_classes("num_classes", num_classes)
    check_classes("reference_classes", reference_classes)
    check_logit_std(logit_std)
    return _solve(int(num_classes), int(reference_classes), float(logit_std))


@lru_cache(maxsize=1024)
def _solve(num_classes: int, reference_classes: int, logit_std: float) -> float:
    if num_classes <= reference_classes:
        return 0.0
    target = math.log(initial_pull(0.0, reference_classes, logit_std))

    def excess(logit: float) -> float:
        return math.log(initial_pull(logit, num_classes, logit_std)) - target

    # The pull has one peak. The solution is below it, where the pull rises with the logit.
    peak = _peak(num_classes, logit_std)
    return find_root(excess, 0.0, peak) if excess(peak) > 0.0 else peak


def _peak(num_classes: int, logit_std: float) -> float:
    """Finds the logit with the largest pull, by ternary search.

    It is below the log of the mean of the sum over the other classes.
    """
    low, high = 0.0, math.log(num_classes - 1.0) + logit_std**2 / 2
    for _ in range(_STEPS):
        left, right = (2 * low + high) / 3, (low + 2 * high) / 3
        pulls = initial_pull([left, right], num_classes, logit_std)
        low, high = (left, high) if pulls[0] < pulls[1] else (low, right)
    return (low + high) / 2
