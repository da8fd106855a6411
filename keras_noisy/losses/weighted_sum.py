import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

import keras

from keras_noisy._arguments import check_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.robust_loss import LossOptions, RobustLoss, as_arguments

# What a sum has only once. Its parts may have names of their own.
_SHARED = ("logit_bias", "from_logits", "ignore_class", "reduction", "dtype")


@keras.saving.register_keras_serializable(package="keras_noisy")
class WeightedSum(RobustLoss):
    """Weighted sum of losses, with one logit bias for all of them.

    Formula:

    ```
    loss = sum_i weight_i loss_i
    ```

    Written with operators: `10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0)`.

    Args:
        losses: Losses of this package, or subclasses of its bases. A sum among them is taken apart.
        weights: Numbers in [0, 1e6], one for each loss, products of nested ones too. Defaults to 1 for each.
        **options: As in `keras_noisy.losses.RobustLoss`, for all parts alike. One that is not given is
            taken from the parts, which must agree in it; the names of the parts do not count.

    Raises:
        ValueError: If a part is no loss of this package, if a weight is not such a number, if there
            are not as many weights as losses, if all are 0 (when called), or if the parts differ in an option that is not given.

    Example:

    >>> import keras_noisy
    >>> loss = 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.MAE()
    >>> round(float(loss([1], [[0.25, 0.5, 0.25]])), 4)
    2.1
    >>> loss = loss.with_options(from_logits=True, logit_bias=2.0)
    >>> [part.logit_bias for part in loss.losses]
    [2.0, 2.0]
    """

    def __init__(
        self,
        losses: Sequence[RobustLoss],
        weights: Sequence[float] | None = None,
        **options: Unpack[LossOptions],
    ) -> None:
        parts = _parts(losses, weights)
        common: Any = {k: _in_common(k, parts) for k in _SHARED if k not in options}
        super().__init__(**{**common, **options})
        config = super().get_config()
        shared: Any = {key: config[key] for key in _SHARED}
        self.losses = [loss.with_options(**shared) for loss, _ in parts]
        self.weights = [weight for _, weight in parts]

    def for_classes(self, num_classes: int) -> Self:
        losses = [loss.for_classes(num_classes) for loss in self.losses]
        if all(own is loss for own, loss in zip(losses, self.losses, strict=True)):
            return self
        resolved = copy.copy(self)
        resolved.losses = losses
        return resolved

    def loss_of_labels(self, index: Tensor, y_pred: Tensor) -> Tensor:
        return sum(weight * loss.loss_of_labels(index, y_pred) for loss, weight in self._counting())

    def loss_of_targets(self, targets: Tensor, y_pred: Tensor) -> Tensor:
        return sum(
            weight * loss.loss_of_targets(targets, y_pred) for loss, weight in self._counting()
        )

    def _counting(self) -> list[tuple[RobustLoss, float]]:
        """The parts whose weight is not 0."""
        parts = [(loss, w) for loss, w in zip(self.losses, self.weights, strict=True) if w]
        if not parts:
            raise ValueError(f"`weights` must not all be 0. Received: weights={self.weights!r}")
        return parts

    def __repr__(self) -> str:
        # What the parts share stands once, behind the sum.
        text = " + ".join(
            f"{weight:.4g} * {type(loss).__name__}({as_arguments(loss._own_arguments())})"
            for loss, weight in zip(self.losses, self.weights, strict=True)
        )
        options = self._own_options()
        return f"({text}).with_options({as_arguments(options)})" if options else text

    def with_options(self, **options: Unpack[LossOptions]) -> Self:
        return type(self)(self.losses, self.weights, **{**super().get_config(), **options})

    def get_config(self) -> dict[str, Any]:
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {**super().get_config(), "losses": losses, "weights": list(self.weights)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        losses = [
            keras.saving.deserialize_keras_object(loss) if isinstance(loss, Mapping) else loss
            for loss in config["losses"]
        ]
        return cls(**{**config, "losses": losses})


def _parts(losses: Any, weights: Any) -> list[tuple[RobustLoss, float]]:
    """Pairs of a loss and its weight; sums among the losses are taken apart."""
    losses = list(losses) if isinstance(losses, Sequence) else [losses]
    if not losses or not all(isinstance(loss, RobustLoss) for loss in losses):
        raise ValueError(f"`losses` must be losses of keras_noisy. Received: losses={losses!r}")
    weights = [1.0] * len(losses) if weights is None else list(weights)
    if len(weights) != len(losses):
        raise ValueError(
            f"`weights` must be one number for each of {len(losses)} losses. "
            f"Received: weights={weights!r}"
        )
    parts = []
    for loss, weight in zip(losses, weights, strict=True):
        factor = _check_weight(weight)
        if isinstance(loss, WeightedSum):
            inner = zip(loss.losses, loss.weights, strict=True)
            parts += [(part, _check_weight(factor * own)) for part, own in inner]
        else:
            parts.append((loss, factor))
    return parts


def _check_weight(weight: Any) -> float:
    return check_number("weights", weight, "[0, 1e6]")


def _in_common(option: str, parts: list[tuple[RobustLoss, float]]) -> Any:
    values = [RobustLoss.get_config(loss)[option] for loss, _ in parts]
    if any(value != values[0] for value in values):
        raise ValueError(
            f"`{option}` must be the same in all parts of a sum; leave it out and give it to the sum, "
            f"`(…).with_options({option}=…)`. Received: {option}={values!r}"
        )
    return values[0]
