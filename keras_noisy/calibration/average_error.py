"""The average gradient of a loss at the label's logit of an untrained network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes, check_flag, check_logit_std
from keras_noisy.calibration._gradient import gradient
from keras_noisy.losses import LabelLoss, RobustLoss, WeightedSum
from keras_noisy.theory._log_sum import log_sum
from keras_noisy.theory._untrained_logits import untrained_logits

# The number of logits in an average over rows, and the number of logits in memory at a time.
_SAMPLED = 2**18
_AT_ONCE = 2**21


def average_error(
    loss: keras.losses.Loss,
    logits: ArrayLike,
    num_classes: int,
    logit_std: float = 1.0,
    from_logits: bool | None = None,
) -> NDArray:
    """Computes the average error of an untrained network at the label's logit, for any loss.

    Formula:

    ```
    <delta_y>(z) = E[dL / dz_y]   at z_y = z,   other logits z_j ~ N(0, logit_std^2), independent
    ```

    If it is large and negative, the loss pulls the label's logit up, and the network can learn. If
    it is almost 0, the network stalls. The logit bias of the loss is included. Losses that depend
    on the label's probability alone are averaged by quadrature, with the accuracy of float32,
    except for `PHuberCE`, whose kink causes errors of about 1 % of the largest average error.
    Losses that depend on all probabilities are averaged over a Latin hypercube of about 2^18
    logits, which is the same in every call, with an accuracy of about 0.1 %. The derivative is
    computed by the backend's automatic differentiation.

    Args:
        loss: A loss of this package, or another `keras.losses.Loss` for labels that are integers
            (n,) or (n, 1) or one-hot; the format is determined by calling it. It must treat all
            classes alike, without class weights.
        logits: Array of any shape, the label's logit `z` (dimensionless).
        num_classes: Number of classes, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to
            `1.0`.
        from_logits: Boolean, whether to call a loss of another package with logits or with
            probabilities. Defaults to `None`: the value in its attribute or its configuration, and
            probabilities if it has none.

    Returns:
        Float64 array of the shape of `logits`, negative where the loss pulls.

    Raises:
        ValueError: If an argument is not one of the above.
        RuntimeError: If the backend of Keras has no automatic differentiation (NumPy, OpenVINO).

    Example:

    >>> import keras_noisy
    >>> from keras_noisy.calibration import average_error
    >>> [round(float(average_error(keras_noisy.MAE(), 0.0, k)), 4) for k in (10, 1000)]
    [-0.1329, -0.0012]
    >>> round(float(average_error(keras_noisy.MAE(logit_bias="auto"), 0.0, 1000)), 4)
    -0.1329

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figures 1 and 2.
    """
    check_classes("num_classes", num_classes)
    check_logit_std(logit_std)
    check_loss(loss)
    from_logits = check_flag("from_logits", from_logits, or_none=True)
    z = np.asarray(logits, dtype="float64")
    if z.size == 0:
        return z
    if not isinstance(loss, RobustLoss):
        loss = _with_logits(loss, from_logits)
    return _error(loss, z.ravel(), int(num_classes), float(logit_std)).reshape(z.shape)


def check_loss(loss: Any) -> None:
    if not isinstance(loss, keras.losses.Loss):
        raise ValueError(
            "`loss` must be an instance of keras.losses.Loss, such as keras_noisy.MAE(). "
            f"Received: loss={loss!r}"
        )


def get_option(loss: keras.losses.Loss, name: str, default: Any = None) -> Any:
    """Returns an option of a loss, which Keras 3.16 may have in its configuration only."""
    if hasattr(loss, name):
        return getattr(loss, name)
    return loss.get_config().get(name, default)


def _error(loss: Any, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    if isinstance(loss, WeightedSum):
        parts = zip(loss.losses, loss.weights, strict=True)
        return np.sum([w * _error(part, z, num_classes, logit_std) for part, w in parts], axis=0)
    if isinstance(loss, RobustLoss):
        given, loss = loss, loss.for_classes(num_classes)
        if not loss.treats_classes_alike:
            raise ValueError(
                "`loss` must treat all classes alike; in ForwardCE, give the rate of the noise in "
                f"place of a matrix. Received: loss={given!r}"
            )
    # A subclass of the user may compute its losses in another way.
    is_label_loss = isinstance(loss, LabelLoss) and type(loss).per_sample is LabelLoss.per_sample
    if is_label_loss and loss.logit_bias != "adaptive" and not loss.label_smoothing:
        return _label_loss_error(loss, z, num_classes, logit_std)
    return _row_loss_error(loss, z, num_classes, logit_std)


def _label_loss_error(loss: LabelLoss, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    """Averages dL/dz_y = L'(u) (1 - p_y), for the label's log-probability u, over its margin."""
    log_sums, weights = log_sum(num_classes - 1, logit_std)
    margin = z[:, np.newaxis] - log_sums + loss.logit_bias_for(num_classes)
    # Filled up to a power of two, because JAX compiles each operation for each shape.
    flat = np.zeros(max(64, 1 << (margin.size - 1).bit_length()))
    flat[: margin.size] = margin.ravel()
    slope = gradient(loss.of_log_prob, -np.logaddexp(0.0, -flat))
    slope = slope[: margin.size].reshape(margin.shape)
    return (slope * np.exp(-np.logaddexp(0.0, margin))) @ weights


def _row_loss_error(loss: Any, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    samples = 2 ** int(np.clip(np.log2(_SAMPLED / num_classes), 4, 14))
    others = untrained_logits(samples, num_classes - 1, logit_std)
    losses = _bind_first_class(loss, num_classes)
    at_once = max(1, _AT_ONCE // (samples * num_classes))
    errors = []
    for some in np.split(z, range(at_once, len(z), at_once)):
        label = np.broadcast_to(some[:, np.newaxis, np.newaxis], (len(some), samples, 1))
        rows = np.concatenate(
            [label, np.broadcast_to(others, (len(some), *others.shape))], axis=-1
        ).reshape(-1, num_classes)
        errors.append(gradient(losses, rows)[:, 0].reshape(len(some), samples).mean(axis=1))
    return np.concatenate(errors)


# Computes losses from labels (n,), a tensor of logits (n, K) and K.
Call = Callable[[NDArray, Any, int], Any]


def _with_logits(loss: keras.losses.Loss, from_logits: bool | None) -> Call:
    """Returns a loss of another package as a function of integer labels and logits."""
    if get_option(loss, "ignore_class") is not None:
        loss = type(loss).from_config({**loss.get_config(), "ignore_class": None})
    if from_logits is None:
        from_logits = get_option(loss, "from_logits", False)
    formats: dict[str, Callable[[NDArray, int], NDArray]] = {
        "integers (n,)": lambda labels, num_classes: labels,
        "integers (n, 1)": lambda labels, num_classes: labels[:, np.newaxis],
        "one-hot (n, K)": lambda labels, num_classes: np.eye(num_classes, dtype="float32")[labels],
    }

    def with_format(write: Callable[[NDArray, int], NDArray]) -> Call:
        def call(labels: NDArray, logits: Any, num_classes: int) -> Any:
            y_true = ops.convert_to_tensor(write(labels, num_classes))  # as Keras does
            losses = loss.call(y_true, logits if from_logits else ops.softmax(logits))
            # Some losses average over the batch in `call`.
            return losses if len(losses.shape) else losses * len(labels)

        return call

    for write in formats.values():
        if _treats_classes_alike(call := with_format(write)):
            return call
    raise ValueError(
        f"`loss` must take labels as one of {list(formats)} and treat all classes alike, without "
        f"class weights. Received: loss={loss!r}"
    )


def _bind_first_class(loss: Any, num_classes: int) -> Callable[[Any], Any]:
    """Returns a function from logits (n, K) to losses, with class 0 as the label."""
    if isinstance(loss, RobustLoss):
        loss = loss.with_options(from_logits=True, ignore_class=None)
        return lambda logits: loss.call(np.zeros(logits.shape[0], dtype="int32"), logits)
    return lambda logits: loss(np.zeros(logits.shape[0], dtype="int32"), logits, num_classes)


def _treats_classes_alike(call: Call) -> bool:
    """Returns whether a loss understands the format of labels and treats all classes alike.

    A loss for one-hot labels that accepts integers without an error treats classes differently.
    """
    num_classes = 5
    logits = np.random.default_rng(0).normal(size=(3, num_classes)).astype("float32")

    def losses(logits: NDArray, label: int) -> NDArray:
        labels = np.full(len(logits), label, dtype="int32")
        return ops.convert_to_numpy(call(labels, ops.convert_to_tensor(logits), num_classes))

    try:
        as_first, other = losses(logits, 0), losses(logits, 3)
        as_fourth = losses(np.roll(logits, 3, axis=-1), 3)
    except Exception:  # each backend raises its own type
        return False
    # Another shape shows that labels were broadcast.
    understood = as_first.size in (1, len(logits))
    alike = np.allclose(as_first, as_fourth, rtol=1e-3)
    return understood and alike and not np.allclose(as_first, other, rtol=1e-3)
