"""The predictions of one batch, and the logit bias that applies to them."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_noisy._core.labels import count_classes, describe_tensor, is_invalid_distribution
from keras_noisy._core.log_prob import class_log_probs
from keras_noisy._core.logit_bias import (
    adapt_logit_bias,
    prediction_entropy,
    resolve_logit_bias,
)
from keras_noisy._core.record import find_chunks, take_bias
from keras_noisy._core.tracing import raise_if_any
from keras_noisy._typing import Tensor


def computed_once(function: Callable[[Any], Any]) -> Any:
    """Decorates a method as a property that is computed at its first use.

    `functools.cached_property` has a lock on Python 3.11, which PyTorch's compiler does not
    support.
    """
    name = f"_{function.__name__}"

    def get(self: Any) -> Any:
        if name not in self.__dict__:
            self.__dict__[name] = function(self)
        return self.__dict__[name]

    return property(get, doc=function.__doc__)


class Predictions:
    """Predictions (…, K) of a model, with what its layers have recorded for the loss.

    Args:
        y_pred: Logits or probabilities, as the model returned them.
        from_logits: Whether `y_pred` contains logits.
        logit_bias: The argument of the loss.
        dtype: Float type to compute in.

    Attributes:
        values: Float tensor (…, K), `y_pred` in `dtype`.
        from_logits: The argument.
        num_classes: The number of classes K.
        chunks: The features and weights that logits are made from, or `None`.
        max_bias: Float or scalar tensor, the bias without the reduction of an adaptive one.
        is_adaptive: Whether each sample receives a share of `max_bias`.
    """

    def __init__(self, y_pred: Tensor, from_logits: bool, logit_bias: Any, dtype: str) -> None:
        if from_logits and hasattr(y_pred, "_keras_logits"):  # set by Keras's softmax
            raise ValueError(
                "`y_pred` must be logits with `from_logits=True`, but it is the output of a "
                "softmax. Received: from_logits=True. Set `from_logits=False` or remove the "
                "softmax."
            )
        self.from_logits = from_logits
        self.values = ops.convert_to_tensor(y_pred, dtype=dtype)
        self.num_classes = count_classes("y_pred", self.values)
        # Records belong to `y_pred`; a converted tensor has none.
        self.chunks = find_chunks(y_pred) if from_logits else None
        if logit_bias == "layer":
            self.max_bias, self.is_adaptive = take_bias(y_pred)
        else:
            self.max_bias = resolve_logit_bias(logit_bias, self.num_classes)
            self.is_adaptive = logit_bias == "adaptive"
        if isinstance(self.max_bias, float):
            self.is_adaptive = self.is_adaptive and self.max_bias != 0.0
        else:
            self.max_bias = ops.cast(self.max_bias, self.values.dtype)

    @property
    def bias_is_negative(self) -> bool:
        # A bias that changes during training or between samples is never negative.
        return isinstance(self.max_bias, float) and self.max_bias < 0.0

    def find_invalid(self) -> Tensor | None:
        """Returns which rows are not probabilities although they should be.

        Returns:
            A boolean tensor (…,), or `None` if all rows are known to be valid.

        Raises:
            ValueError: In an eager call, if there is such a row.
        """
        if self.from_logits:
            return None
        return raise_if_any(
            is_invalid_distribution(self.values),
            lambda: (
                "`y_pred` must be probabilities in [0, 1], in rows that sum to 1, with "
                f"`from_logits=False`. Received: {describe_tensor(self.values)}. "
                "Set `from_logits=True` if they are logits."
            ),
        )

    @computed_once
    def log_probs(self) -> Tensor:
        """The log-probability of every class, (…, K), without the bias."""
        return class_log_probs(self.values, self.from_logits)

    @computed_once
    def bias(self) -> Any:
        """The logit bias: a float, a scalar tensor, or a tensor (…, 1) if it is adaptive."""
        return (
            self.adapt_bias(prediction_entropy(self.log_probs))
            if self.is_adaptive
            else self.max_bias
        )

    def adapt_bias(self, entropy: Tensor) -> Tensor:
        """Computes the adaptive bias (…, 1) from the entropy (…, 1) of the predictions."""
        return adapt_logit_bias(self.max_bias, entropy, self.num_classes)
