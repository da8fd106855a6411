"""Moves the hyperparameters of losses from one number of classes to another."""

import bisect
import math
from typing import Any

import keras

from keras_noisy._arguments import check_classes, check_logit_std
from keras_noisy.calibration.average_error import average_error
from keras_noisy.losses import RobustLoss, WeightedSum
from keras_noisy.losses._hyperparameter import Calibration, Hyperparameter
from keras_noisy.theory import logit_bias
from keras_noisy.theory._root import find_root

_MAX_WEIGHT = 1e6


def match(
    loss: RobustLoss, from_classes: int, to_classes: int, logit_std: float = 1.0
) -> RobustLoss:
    """Moves a loss from one number of classes to another, without training anything.

    Formula: one hyperparameter is changed, so that the average error of an untrained network at
    logit 0 stays the same,

    ```
    average_error(result, 0, to_classes) = average_error(loss, 0, from_classes)
    ```

    | loss | hyperparameter |
    | --- | --- |
    | `GCE` | `q` |
    | `SCE` | `alpha` |
    | `TaylorCE` | `order`, to the nearest whole number |
    | `PHuberCE` | `tau` |
    | `AGCE`, `AUL` | `a`, unless `q` is 1; for `q > 1` it hardly does more than scale the loss |
    | `AEL` | `a` |
    | `JS` | `weight` |
    | `MAERescale` | `scale` |
    | `AMSE` | `a`, which hardly does more than scale the loss |
    | `BiTempered` | `t2` |
    | `NCE`, `NFL`, `NGCE`, `NNCE`, `NNFL`, and sums with them | the weights, by one factor |

    Each loss states its hyperparameter in the method `calibration`. If even the most robust value
    pulls harder than it should, which may happen with fewer classes, that value is used. The source
    gives the rule for GCE; its application to other losses is this package's own.

    Args:
        loss: A loss of this package.
        from_classes: Integer, at least 2, the number of classes for which `loss` works well.
        to_classes: Integer, at least 2, the number of classes to move it to.
        logit_std: Standard deviation of the logits of the untrained network, from 0 to 5. Defaults
            to `1.0`.

    Returns:
        A loss of the same class with the same options. For a single normalised loss, it is a
        weighted sum of that loss.

    Raises:
        ValueError: If an argument is not one of the above; if the loss has no suitable
            hyperparameter (`MAE`, `RCE`: use a logit bias) or needs none (`CE`, `FocalCE`,
            `ForwardCE`, `EpsSoftmaxCE`); or if no value in its range pulls hard enough.

    Example:

    >>> import keras_noisy
    >>> from keras_noisy.calibration import match
    >>> loss = match(keras_noisy.GCE(q=0.7), from_classes=100, to_classes=1000)
    >>> round(loss.q, 3)
    0.482

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 3.
    """
    check_classes("from_classes", from_classes)
    check_classes("to_classes", to_classes)
    check_logit_std(logit_std)
    if not isinstance(loss, RobustLoss):
        raise ValueError(f"`loss` must be a loss of keras_noisy. Received: loss={loss!r}")
    target = _pull(loss, from_classes, logit_std)
    calibration = loss.calibration(to_classes)
    if calibration.by_weight or isinstance(loss, WeightedSum):
        return _match_weights(loss, target, to_classes, logit_std)
    instead = ""
    if calibration.is_needed and loss.logit_bias is None:
        bias = logit_bias(to_classes, from_classes, logit_std)
        instead = f" Use logit_bias={bias:.4g} instead." if bias else ""
    # A subclass may use the hyperparameter in another way, so it has to define the method, too.
    if calibration.argument is not None and "calibration" not in vars(type(loss)):
        calibration = RobustLoss.calibration(loss, to_classes)
    if calibration.argument is None:
        raise ValueError(f"`loss` cannot be matched: {calibration.reason}{instead}")
    hyperparameter = _find_hyperparameter(loss, calibration)
    low, high = hyperparameter.limits
    low = max(low, calibration.low or low)

    def with_value(value: float) -> RobustLoss:
        value = int(value) if hyperparameter.is_integer else value
        return type(loss)(**{**loss.get_config(), hyperparameter.name: value})

    def pull(value: float) -> float:
        return _pull(with_value(value), to_classes, logit_std)

    pulls = {value: pull(value) for value in (low, high)}
    weakest, strongest = sorted(pulls, key=lambda value: pulls[value])
    if pulls[weakest] >= target:
        return with_value(weakest)
    if pulls[strongest] < target:
        raise ValueError(
            f"`loss` cannot be matched: with {from_classes} classes, its pull in an untrained "
            f"network is {target:.3g}, and with {to_classes} classes, `{hyperparameter.name}` can "
            f"make that {pulls[strongest]:.3g} at most.{instead}"
        )
    if hyperparameter.is_integer:
        return with_value(_nearest_integer(pull, target, int(low), int(high)))
    root = find_root(
        lambda x: math.log(pull(math.exp(x)) / target),
        math.log(low),
        math.log(high),
        tolerance=1e-4,
    )
    return with_value(min(max(math.exp(root), low), high))


def _find_hyperparameter(loss: RobustLoss, calibration: Calibration) -> Hyperparameter:
    return next(each for each in loss.hyperparameters if each.name == calibration.argument)


def _pull(loss: keras.losses.Loss, num_classes: int, logit_std: float) -> float:
    """Returns minus the average error at logit 0, positive so that it has a logarithm."""
    return max(-float(average_error(loss, 0.0, num_classes, logit_std)), 1e-30)


def _nearest_integer(pull: Any, target: float, low: int, high: int) -> int:
    """Returns the integer whose pull is nearest to the target. The pull rises with the integer."""
    integers = range(low, high + 1)
    above = integers[bisect.bisect_left(integers, target, key=pull)]
    return min((max(above - 1, low), above), key=lambda i: abs(math.log(pull(i) / target)))


def _match_weights(
    loss: RobustLoss, target: float, num_classes: int, logit_std: float
) -> RobustLoss:
    """Changes the weights of parts that are calibrated by weight. The pull is linear in them."""
    whole = loss if isinstance(loss, WeightedSum) else WeightedSum([loss])
    parts = list(zip(whole.losses, whole.weights, strict=True))
    by_weight = [part.calibration(num_classes).by_weight for part, _ in parts]
    pulls = [w * _pull(part.for_classes(num_classes), num_classes, logit_std) for part, w in parts]
    changing = sum(p for p, changes in zip(pulls, by_weight, strict=True) if changes)
    if changing == 0.0:
        raise ValueError(
            "`loss` cannot be matched: in a sum, the weights of NCE, NFL, NGCE, NNCE and NNFL "
            f"are changed, and it has none of them with a weight above 0. Received: {whole!r}"
        )
    factor = max(0.0, (target - (sum(pulls) - changing)) / changing)
    weights = [
        w * factor if changes else w for (_, w), changes in zip(parts, by_weight, strict=True)
    ]
    if max(weights) > _MAX_WEIGHT:
        raise ValueError(
            f"`loss` cannot be matched: a weight would have to be {max(weights):.3g}, and "
            f"{_MAX_WEIGHT:g} is the largest. Received: {whole!r}"
        )
    return WeightedSum(whole.losses, weights, name=loss.name)
