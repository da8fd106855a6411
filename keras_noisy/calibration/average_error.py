"""What a loss does to the label's logit of a freshly initialised network, on average."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from keras_noisy._arguments import check_classes, check_flag
from keras_noisy.calibration.gradient import gradient
from keras_noisy.losses import LabelLoss, RobustLoss, WeightedSum
from keras_noisy.theory.arguments import check_logit_std
from keras_noisy.theory.fresh_logits import fresh_logits
from keras_noisy.theory.log_sum import log_sum

# Logits of one average, of a loss that needs whole rows of them, and of those held at once.
_SAMPLED = 2**18
_AT_ONCE = 2**21


def average_error(
    loss: keras.losses.Loss,
    logits: ArrayLike,
    num_classes: int,
    logit_std: float = 1.0,
    from_logits: bool | None = None,
) -> NDArray:
    """Average error of a fresh network at the label's logit, for any loss.

    Formula:

    ```
    <delta_y>(z) = E[dL / dz_y]   at z_y = z,   other logits z_j ~ N(0, logit_std^2), independent
    ```

    Where it is large and negative, the loss pulls the label's logit up and learning is possible; where
    it is all but 0, the network stalls. A logit bias of the loss is part of it. Losses that are a
    function of the label's probability are averaged by quadrature, to the digits of float32, but for the
    kink of `PHuberCE`, which leaves about 1 % of the greatest error; those that need the whole row over a
    Latin hypercube of about 2^18 logits, the same in every call, to about 0.1 %. The derivative itself is
    that of the backend's automatic differentiation.

    Args:
        loss: A loss of this package, or any other `keras.losses.Loss` for labels that are integers
            (n,) or (n, 1) or one-hot, which is found out. It must treat all classes alike: class
            weights have no place here.
        logits: Array of any shape, the label's logit `z` (dimensionless).
        num_classes: Number of classes, at least 2.
        logit_std: Standard deviation of the logits at initialisation, from 0 to 5. Defaults to `1.0`.
        from_logits: Whether a loss that is not of this package is called with logits or with
            probabilities. Defaults to `None`: what its attribute or its configuration
            says of `from_logits`; with probabilities, if they don't.

    Returns:
        Float64 array of the shape of `logits`, negative where the loss pulls.

    Raises:
        ValueError: If an argument is none of the above.
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


def option_of(loss: keras.losses.Loss, name: str, default: Any = None) -> Any:
    """What a loss says of itself: from Keras 3.16 on, some of its own do in their configuration alone."""
    if hasattr(loss, name):
        return getattr(loss, name)
    return loss.get_config().get(name, default)


def _error(loss: Any, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    if isinstance(loss, WeightedSum):
        parts = zip(loss.losses, loss.weights, strict=True)
        return np.sum([w * _error(part, z, num_classes, logit_std) for part, w in parts], axis=0)
    of_label = isinstance(loss, LabelLoss) and loss.logit_bias != "adaptive"
    # Unless a subclass of the user's goes another way.
    if of_label and type(loss).loss_of_labels is LabelLoss.loss_of_labels:
        return _error_of_label(loss, z, num_classes, logit_std)
    return _error_of_row(loss, z, num_classes, logit_std)


def _error_of_label(loss: LabelLoss, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    """dL/dz_y = L'(u) (1 - p_y) for the label's log-probability u, averaged over its margin."""
    loss = loss.for_classes(num_classes)
    log_sums, weights = log_sum(num_classes - 1, logit_std)
    margin = z[:, np.newaxis] - log_sums + loss.epsilon(num_classes)
    slope = gradient(loss.of_log_prob, -np.logaddexp(0.0, -margin))
    return (slope * np.exp(-np.logaddexp(0.0, margin))) @ weights


def _error_of_row(loss: Any, z: NDArray, num_classes: int, logit_std: float) -> NDArray:
    samples = 2 ** int(np.clip(np.log2(_SAMPLED / num_classes), 4, 14))
    others = fresh_logits(samples, num_classes - 1, logit_std)
    losses = _losses_of_logits(loss, num_classes)
    at_once = max(1, _AT_ONCE // (samples * num_classes))
    errors = []
    for some in np.split(z, range(at_once, len(z), at_once)):
        label = np.broadcast_to(some[:, np.newaxis, np.newaxis], (len(some), samples, 1))
        rows = np.concatenate(
            [label, np.broadcast_to(others, (len(some), *others.shape))], axis=-1
        ).reshape(-1, num_classes)
        errors.append(gradient(losses, rows)[:, 0].reshape(len(some), samples).mean(axis=1))
    return np.concatenate(errors)


# From labels (n,), a tensor y_pred and the number of classes to losses.
Call = Callable[[NDArray, Any, int], Any]


def _with_logits(loss: keras.losses.Loss, from_logits: bool | None) -> Call:
    """A loss of others as a function of integer labels and logits."""
    if option_of(loss, "ignore_class") is not None:
        loss = type(loss).from_config({**loss.get_config(), "ignore_class": None})
    if from_logits is None:
        from_logits = option_of(loss, "from_logits", False)
    formats: dict[str, Callable[[NDArray, int], NDArray]] = {
        "integers (n,)": lambda labels, num_classes: labels,
        "integers (n, 1)": lambda labels, num_classes: labels[:, np.newaxis],
        "one-hot (n, K)": lambda labels, num_classes: np.eye(num_classes, dtype="float32")[labels],
    }

    def with_format(write: Callable[[NDArray, int], NDArray]) -> Call:
        def call(labels: NDArray, logits: Any, num_classes: int) -> Any:
            y_true = ops.convert_to_tensor(write(labels, num_classes))  # as Keras does
            losses = loss.call(y_true, logits if from_logits else ops.softmax(logits))
            # Some average over the batch themselves.
            return losses if len(losses.shape) else losses * len(labels)

        return call

    for write in formats.values():
        if _treats_classes_alike(call := with_format(write)):
            return call
    raise ValueError(
        f"`loss` must take labels as one of {list(formats)} and treat all classes alike, without "
        f"class weights. Received: loss={loss!r}"
    )


def _losses_of_logits(loss: Any, num_classes: int) -> Callable[[Any], Any]:
    """A function from logits (n, K) to the losses of class 0 as the label."""
    if isinstance(loss, RobustLoss):
        loss = loss.with_options(from_logits=True, ignore_class=None)
        return lambda logits: loss.call(np.zeros(logits.shape[0], dtype="int32"), logits)
    return lambda logits: loss(np.zeros(logits.shape[0], dtype="int32"), logits, num_classes)


def _treats_classes_alike(call: Call) -> bool:
    """Whether a loss gives the label that it is told the same meaning in all classes.

    One for one-hot labels does not if it is told integers, unless it refuses them in the first place.
    """
    num_classes = 5
    logits = np.random.default_rng(0).normal(size=(3, num_classes)).astype("float32")

    def losses(logits: NDArray, label: int) -> NDArray:
        labels = np.full(len(logits), label, dtype="int32")
        return ops.convert_to_numpy(call(labels, ops.convert_to_tensor(logits), num_classes))

    try:
        as_first, other = losses(logits, 0), losses(logits, 3)
        as_fourth = losses(np.roll(logits, 3, axis=-1), 3)
    except Exception:  # each backend has its own
        return False
    # A shape that was broadcast tells that the label was not understood.
    understood = as_first.size in (1, len(logits))
    alike = np.allclose(as_first, as_fourth, rtol=1e-3)
    return understood and alike and not np.allclose(as_first, other, rtol=1e-3)
