"""The exponent of GCE for a number of classes."""

import math
from functools import lru_cache

from keras_noisy._arguments import check_classes, check_logit_std, check_number
from keras_noisy.theory._root import find_root
from keras_noisy.theory.initial_pull import initial_pull

_SMALLEST = 1e-6


def gce_q(
    num_classes: int, q: float = 0.7, reference_classes: int = 30, logit_std: float = 1.0
) -> float:
    """Computes the exponent q of GCE for a number of classes, without training anything.

    Formula: at logit 0 of an untrained network, the average pull with `num_classes` classes and the
    result equals that with `reference_classes` classes and the exponent `q`,

    ```
    initial_pull(0, num_classes, q=result) = initial_pull(0, reference_classes, q=q)
    ```

    The result is at most 1.

    Args:
        num_classes: Integer, at least 2.
        q: Number in (0, 1], the exponent for `reference_classes` classes. Defaults to `0.7`.
        reference_classes: Integer, at least 2. Defaults to `30`, with which q = 0.7 gave the best
            results (docs/gce_q.md).
        logit_std: Standard deviation of the logits of the untrained network, from 0 to 5.
            Defaults to `1.0`.

    Returns:
        Float in (0, 1].

    Raises:
        ValueError: If an argument is out of its range or not a number.

    Example:

    >>> from keras_noisy.theory import gce_q
    >>> [round(gce_q(k), 3) for k in (10, 100, 1000)]
    [1.0, 0.532, 0.366]
    >>> round(gce_q(1000, reference_classes=100), 3)
    0.482

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 3.
    """
    check_classes("num_classes", num_classes)
    check_classes("reference_classes", reference_classes)
    check_logit_std(logit_std)
    q = check_number("q", q, "(0, 1]")
    return _solve(int(num_classes), q, int(reference_classes), float(logit_std))


@lru_cache(maxsize=1024)
def _solve(num_classes: int, q: float, reference_classes: int, logit_std: float) -> float:
    if num_classes == reference_classes:
        return q
    target = math.log(initial_pull(0.0, reference_classes, logit_std, q))

    def excess(log_q: float) -> float:
        return math.log(initial_pull(0.0, num_classes, logit_std, math.exp(log_q))) - target

    low = math.log(_SMALLEST)
    if excess(0.0) >= 0.0:
        return 1.0
    return math.exp(find_root(excess, low, 0.0)) if excess(low) > 0.0 else _SMALLEST
