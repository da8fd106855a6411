"""The formula of the logit bias, and its reduction for certain predictions.

Its value for a number of classes is in `theory`, its schedule in `layers/logit_bias.py`.
"""

from typing import Any

from keras import ops

from keras_noisy._arguments import is_number
from keras_noisy._core.custom_gradient import custom_row_gradient
from keras_noisy._core.record import RecordingLayer
from keras_noisy._core.tracing import constant_in_graphs
from keras_noisy._typing import Tensor
from keras_noisy.theory import initial_entropy, initial_margin, logit_bias

_calibrated = constant_in_graphs(logit_bias)
_initial_margin = constant_in_graphs(initial_margin)
_initial_entropy = constant_in_graphs(initial_entropy)

# Up to this bias, gradients are precise in float32. A million classes need a bias of 12.
MAX_LOGIT_BIAS = 60.0
# An adaptive bias falls as soon as the network learns anything, so it starts higher than a
# constant one. The factor was found by experiment; see docs/adaptive_bias.md.
_ADAPTIVE_FACTOR = 1.2
# A bias for each class starts at this share of the bias with the largest pull. It was found by
# experiment; see docs/classwise_bias.md.
_CLASS_FACTOR = 0.75


def read_logit_bias(value: Any) -> float | str | None:
    """Returns the argument `logit_bias` of a loss as a plain Python value.

    A layer becomes `"layer"`: the loss finds its bias in the predictions.
    """
    if isinstance(value, RecordingLayer) and value.records == "bias":
        return "layer"
    words = (None, "auto", "adaptive", "layer")
    return check_logit_bias("logit_bias", value, words, "a LogitBias layer")


def check_logit_bias(argument: str, value: Any, words: tuple[Any, ...], *others: str) -> Any:
    """Returns a logit bias as a plain Python value: one of the words, or a number.

    Raises:
        ValueError: If `value` is neither. The message also names `others`, which the caller has
            checked before.
    """
    if (value is None or isinstance(value, str)) and value in words:
        return value
    if is_number(value) and -MAX_LOGIT_BIAS <= value <= MAX_LOGIT_BIAS:
        return float(value)
    allowed = ["None" if word is None else f'"{word}"' for word in words]
    raise ValueError(
        f"`{argument}` must be {', '.join([*allowed, *others])}, or a number from "
        f"{-MAX_LOGIT_BIAS:g} to {MAX_LOGIT_BIAS:g}. Received: {argument}={value!r}"
    )


def resolve_logit_bias(value: float | str | None, num_classes: int) -> float:
    """Returns the logit bias for a number of classes; for `"adaptive"`, the largest one.

    `"class"` is the largest one of a bias that differs between classes.
    """
    if value == "layer":
        raise ValueError(
            "`logit_bias` must not be a layer, whose bias changes in training, where one number "
            f"is needed. Received: logit_bias={value!r}"
        )
    if value == "class":
        return -_CLASS_FACTOR * _initial_margin(num_classes)
    if isinstance(value, str):
        return (_ADAPTIVE_FACTOR if value == "adaptive" else 1.0) * _calibrated(num_classes)
    return float(value or 0.0)


def adapt_logit_bias(logit_bias: Any, entropy: Tensor, num_classes: int) -> Tensor:
    """Computes the adaptive bias of each sample, which is smaller for more certain predictions.

    Formula, for the entropy `H` of the prediction and its average `H_0` in an untrained network:

    ```
    eps -> eps min(1, H / H_0),    H = -sum_j p_j log p_j
    ```

    It depends on the prediction alone, not on the label, and has no gradient.

    Args:
        logit_bias: Number or scalar tensor, the bias in an untrained network.
        entropy: Float tensor (…, 1), the entropy of the predictions.
        num_classes: Number of classes.

    Returns:
        Float tensor (…, 1).
    """
    share = ops.stop_gradient(entropy) / _initial_entropy(num_classes)
    return logit_bias * ops.clip(share, 0.0, 1.0)


def prediction_entropy(log_probs: Tensor) -> Tensor:
    """Computes the entropy (…, 1) from log-probabilities (…, K), without a gradient."""
    log_probs = ops.stop_gradient(log_probs)
    return -ops.sum(ops.exp(log_probs) * log_probs, axis=-1, keepdims=True)


def add_logit_bias(log_prob: Tensor, logit_bias: Any) -> Tensor:
    """Computes the label's log-probability after the bias was added to the label's logit.

    Formula: the label's margin `m = u - log(1 - e^u)` becomes `m + eps`, that is

    ```
    u -> -softplus(log(1 - e^u) - u - eps)
    ```

    Args:
        log_prob: Float tensor (…,), never positive.
        logit_bias: Number from -60 to 60, or a float tensor of them that broadcasts.

    Returns:
        Float tensor (…,), never positive.
    """
    if isinstance(logit_bias, float) and logit_bias == 0.0:
        return log_prob
    return _add(log_prob, ops.convert_to_tensor(logit_bias, dtype=log_prob.dtype))


@custom_row_gradient
def _add(log_prob: Tensor, logit_bias: Tensor) -> Any:
    error = -ops.expm1(log_prob)
    # It is -inf for a label of probability 1, which softplus maps to 0.
    minus_margin = ops.log(error) - log_prob

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        return upstream / (ops.exp(log_prob + logit_bias) + error), None

    return -ops.softplus(minus_margin - logit_bias), gradient
