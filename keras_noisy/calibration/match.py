"""The paper's rule for other losses than the MAE: one hyperparameter moves with the classes."""

import bisect
import math
from typing import Any, NamedTuple

import keras

from keras_noisy._arguments import check_classes
from keras_noisy.calibration.average_error import average_error
from keras_noisy.losses import (
    AEL,
    AGCE,
    AUL,
    CE,
    GCE,
    JS,
    NNCE,
    RCE,
    SCE,
    BiTempered,
    FocalCE,
    PHuberCE,
    RobustLoss,
    TaylorCE,
    WeightedSum,
)
from keras_noisy.losses.normalised_loss import NormalisedLoss
from keras_noisy.theory import logit_bias
from keras_noisy.theory.arguments import check_logit_std
from keras_noisy.theory.root import find_root


class Carrier(NamedTuple):
    """A hyperparameter that sets how hard a loss pulls at a fresh network, and its range."""

    argument: str
    low: float
    high: float


_CARRIERS = {
    GCE: Carrier("q", 1e-6, 1.0),
    SCE: Carrier("alpha", 1e-6, 1e6),
    TaylorCE: Carrier("order", 1, 100_000),
    PHuberCE: Carrier("tau", 1.0, 1e9),
    AGCE: Carrier("a", 1e-6, 1000.0),
    AUL: Carrier("a", 1.001, 1000.0),
    AEL: Carrier("a", 1e-3, 1000.0),  # and not below 1 / K, where the pull is at its largest
    JS: Carrier("weight", 1e-6, 1.0 - 1e-6),
    BiTempered: Carrier("t2", 1.0, 5.0),
}
# Their gradient is small, about 1 / (K log K), wherever the label's logit stands: a weight mends that.
_FLAT = (NormalisedLoss, NNCE)
_LARGEST_WEIGHT = 1e6


def match(
    loss: RobustLoss, from_classes: int, to_classes: int, logit_std: float = 1.0
) -> RobustLoss:
    """Moves a loss that is right for one number of classes to another, without training anything.

    Formula: one hyperparameter changes, so that the average error of a fresh network at logit 0 stays
    the same,

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
    | `BiTempered` | `t2` |
    | `NCE`, `NFL`, `NGCE`, `NNCE`, and sums with one of them | its weight; all of them by one factor |

    Where even the most robust value pulls harder than it should, as it may with fewer classes, that
    value is taken. The source gives the rule for GCE; for the others it is this package's reading.

    Args:
        loss: A loss of this package.
        from_classes: Integer, at least 2, the number of classes for which `loss` is right.
        to_classes: Integer, at least 2, the number of classes to move it to.
        logit_std: Standard deviation of the logits of the fresh network, from 0 to 5. Defaults to
            `1.0`.

    Returns:
        A loss with the same options and of the same class; for a single normalised loss, a weighted sum
        of it.

    Raises:
        ValueError: If no hyperparameter can carry the rule: the loss has none (`MAE`, `RCE`: use a
            logit bias), needs none (`CE`, `FocalCE`), or no value in its range pulls hard enough. And
            if an argument is none of the above.

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
    if isinstance(loss, (*_FLAT, WeightedSum)):
        return _match_weights(loss, target, to_classes, logit_std)
    # Not a subclass: what it makes of the argument, it alone knows.
    carrier = _CARRIERS.get(type(loss))
    needs_nothing = isinstance(loss, (CE, FocalCE))
    instead = ""
    if not needs_nothing and loss.logit_bias is None:
        instead = _instead(logit_bias(to_classes, from_classes, logit_std))
    if carrier is None or (isinstance(loss, (AGCE, AUL)) and loss.q == 1.0):
        raise ValueError(f"`loss` cannot be matched: {_why_not(loss)}{instead}")
    if isinstance(loss, AEL):
        carrier = carrier._replace(low=max(carrier.low, 1.0 / to_classes))

    def with_value(value: float) -> RobustLoss:
        return type(loss)(**{**loss.get_config(), carrier.argument: value})

    def pull(value: float) -> float:
        return _pull(with_value(value), to_classes, logit_std)

    pulls = {value: pull(value) for value in (carrier.low, carrier.high)}
    weakest, strongest = sorted(pulls, key=lambda value: pulls[value])
    if pulls[weakest] >= target:
        return with_value(weakest)
    if pulls[strongest] < target:
        raise ValueError(
            f"`loss` cannot be matched: with {from_classes} classes it pulls by {target:.3g} at a "
            f"fresh network, and with {to_classes} classes `{carrier.argument}` can make that "
            f"{pulls[strongest]:.3g} at most.{instead}"
        )
    if isinstance(loss, TaylorCE):
        return with_value(_nearest_order(pull, target))
    low, high = math.log(carrier.low), math.log(carrier.high)
    root = find_root(lambda x: math.log(pull(math.exp(x)) / target), low, high, tolerance=1e-4)
    return with_value(min(max(math.exp(root), carrier.low), carrier.high))


def _pull(loss: keras.losses.Loss, num_classes: int, logit_std: float) -> float:
    pull = -float(average_error(loss, 0.0, num_classes, logit_std))
    return max(pull, 1e-30)  # its logarithm is wanted


def _nearest_order(pull: Any, target: float) -> int:
    """The whole number whose pull is nearest to the target: the pull rises with it."""
    orders = range(1, 100_001)
    above = orders[bisect.bisect_left(orders, target, key=pull)]
    return min((max(above - 1, 1), above), key=lambda order: abs(math.log(pull(order) / target)))


def _match_weights(
    loss: RobustLoss, target: float, num_classes: int, logit_std: float
) -> RobustLoss:
    """The pull is linear in the weights."""
    whole = loss if isinstance(loss, WeightedSum) else WeightedSum([loss])
    parts = list(zip(whole.losses, whole.weights, strict=True))
    flat = [isinstance(part, _FLAT) for part, _ in parts]
    pulls = [w * _pull(part.for_classes(num_classes), num_classes, logit_std) for part, w in parts]
    carried = sum(p for p, is_flat in zip(pulls, flat, strict=True) if is_flat)
    if carried == 0.0:
        raise ValueError(
            "`loss` cannot be matched: of a sum, the weights of NCE, NFL, NGCE and NNCE are moved, and "
            f"it has none of them with a weight above 0. Received: {whole!r}"
        )
    factor = max(0.0, (target - (sum(pulls) - carried)) / carried)
    weights = [w * factor if is_flat else w for (_, w), is_flat in zip(parts, flat, strict=True)]
    if max(weights) > _LARGEST_WEIGHT:
        raise ValueError(
            f"`loss` cannot be matched: a weight would have to be {max(weights):.3g}, and "
            f"{_LARGEST_WEIGHT:g} is the largest. Received: {whole!r}"
        )
    return WeightedSum(whole.losses, weights, name=loss.name)


def _why_not(loss: RobustLoss) -> str:
    name = type(loss).__name__
    if isinstance(loss, (CE, FocalCE)):
        return f"{name} needs nothing: it pulls as hard with any number of classes."
    if isinstance(loss, RCE):
        return f"A scales all of {name}, as a learning rate does, and moves nothing."
    if isinstance(loss, (AGCE, AUL)):
        return f"with q=1, a does not enter the gradient of {name}."
    return f"{name} has no hyperparameter that could carry the rule."


def _instead(bias: float) -> str:
    return f" Use logit_bias={bias:.4g} instead." if bias else ""
