"""The logit bias: added to the label's logit, inside the training loss only."""

from typing import Any

from keras import ops

from keras_noisy._arguments import is_number
from keras_noisy._typing import Tensor
from keras_noisy.losses.custom_gradient import custom_row_gradient
from keras_noisy.losses.prediction_bias import BiasSource
from keras_noisy.losses.tracing import constant_in_graphs
from keras_noisy.theory import initial_entropy, logit_bias

_calibrated = constant_in_graphs(logit_bias)
_initial_entropy = constant_in_graphs(initial_entropy)

# Up to here the gradient keeps its digits in float32. The calibrated bias of a million classes is 12.
LARGEST = 60.0
# Of an adaptive bias, which falls as soon as anything is learnt: how much more it begins with than one that
# stays. Measured; docs/adaptive_bias.md.
_LEAD = 1.2


def read_logit_bias(value: Any) -> float | str | None:
    """The argument `logit_bias` of a loss, as plain Python: a layer is found by its predictions."""
    if isinstance(value, BiasSource):
        return "layer"
    words = (None, "auto", "adaptive", "layer")
    return check_logit_bias(value, "logit_bias", words, "a LogitBias layer")


def check_logit_bias(value: Any, argument: str, words: tuple[Any, ...], *others: str) -> Any:
    """A usable logit bias, as plain Python: one of the words, or a number.

    Raises:
        ValueError: If it is none; the message also names `others` that the caller has looked for.
    """
    if (value is None or isinstance(value, str)) and value in words:
        return value
    if is_number(value) and -LARGEST <= value <= LARGEST:
        return float(value)
    allowed = ["None" if word is None else f'"{word}"' for word in words]
    raise ValueError(
        f"`{argument}` must be {', '.join([*allowed, *others])}, or a number from {-LARGEST:g} to "
        f"{LARGEST:g}. Received: {argument}={value!r}"
    )


def resolve_logit_bias(value: float | str | None, num_classes: int) -> float:
    """The bias for a number of classes: for `"auto"` the calibrated one; for `"adaptive"` the largest."""
    if value == "layer":
        raise ValueError(
            "`logit_bias` must not be that of a layer, which changes in training, where one number is "
            f"needed. Received: logit_bias={value!r}"
        )
    if isinstance(value, str):
        return (_LEAD if value == "adaptive" else 1.0) * _calibrated(num_classes)
    return float(value or 0.0)


def adapt_logit_bias(epsilon: float, entropy: Tensor, num_classes: int) -> Tensor:
    """The bias of each sample, smaller where the network is surer: `"adaptive"`.

    Formula, with the entropy `H` of the prediction and its average `H_0` in a fresh network:

    ```
    eps -> eps min(1, H / H_0),    H = -sum_j p_j log p_j
    ```

    No gradient flows through it, and the label does not enter.

    Args:
        epsilon: Number, the bias of a fresh network.
        entropy: Float tensor (…, 1), that of the prediction.
        num_classes: Number of classes.

    Returns:
        Float tensor (…, 1).
    """
    share = ops.stop_gradient(entropy) / _initial_entropy(num_classes)
    return epsilon * ops.clip(share, 0.0, 1.0)


def entropy_of(log_probs: Tensor) -> Tensor:
    """Entropy of predictions, (…, 1), from their log-probabilities (…, K), without a gradient."""
    log_probs = ops.stop_gradient(log_probs)
    return -ops.sum(ops.exp(log_probs) * log_probs, axis=-1, keepdims=True)


def add_logit_bias(log_prob: Tensor, epsilon: Any) -> Tensor:
    """Label's log-probability after `epsilon` was added to the label's logit.

    Formula: for the label's margin `m = u - log(1 - e^u)` it is `m -> m + eps`, that is

    ```
    u -> -softplus(log(1 - e^u) - u - eps)
    ```

    Args:
        log_prob: Float tensor (…,), never positive.
        epsilon: Number, or float tensor that broadcasts, from -60 to 60.

    Returns:
        Float tensor (…,), never positive.
    """
    if isinstance(epsilon, float) and epsilon == 0.0:
        return log_prob
    return _add(log_prob, ops.convert_to_tensor(epsilon, dtype=log_prob.dtype))


@custom_row_gradient
def _add(log_prob: Tensor, epsilon: Tensor) -> Any:
    # -inf for a label that is certain, which softplus takes.
    minus_margin = ops.log(-ops.expm1(log_prob)) - log_prob

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        return upstream / (ops.exp(log_prob + epsilon) - ops.expm1(log_prob)), None

    return -ops.softplus(minus_margin - epsilon), gradient
