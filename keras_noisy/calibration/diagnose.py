"""Predicts whether a loss will learn on a model, before any training."""

import dataclasses
import math
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._core.model_layers import find_layers
from keras_noisy.calibration._optimizer import BATCH_SIZE, Updates, read_optimizer
from keras_noisy.calibration._verdict import REFERENCE_CLASSES, judge
from keras_noisy.calibration.average_error import average_error, check_loss, get_option
from keras_noisy.calibration.initial_logits import InitialLogits, initial_logits
from keras_noisy.calibration.settings import candidate_settings, format_rounded
from keras_noisy.layers import LogitBias
from keras_noisy.losses import RobustLoss
from keras_noisy.theory import logit_bias

# A logit counts as pulled if its pull is at least this share of the largest one with 10 classes.
_PULLED_SHARE = 0.1
_POINTS = 17
# The theory covers standard deviations up to this one.
_MAX_STD = 5.0


class Change(NamedTuple):
    """A change that lets a loss learn.

    Attributes:
        setting: The argument to set, such as `"logit_bias=4.84"` or `"q=0.366"`, or the layer to
            add.
        ratio: The update after the change, as a share of that with 10 classes and no change.
        verdict: The verdict after the change.
    """

    setting: str
    ratio: float
    verdict: str


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """The result of `keras_noisy.diagnose`, for printing and with fields.

    Attributes:
        loss: The loss, as Python code.
        optimizer: The class of the optimizer; `"SGD"` if none was given.
        num_classes: The number of classes K.
        logit_mean: The mean of the logits at initialisation.
        logit_std: The standard deviation of the logits at initialisation.
        error: The average error of the loss over these logits, negative if the loss pulls.
        reference_error: The average error with 10 classes.
        pulling_share: The share of the logits at which the loss pulls at least by a tenth of its
            largest pull with 10 classes.
        update_ratio: The optimizer's first updates, as a share of those with 10 classes.
        verdict: `"learns"`, `"learns slowly"` or `"stalls"`, with the optimizer.
        changes: Changes that improve the verdict, a tuple of `Change`; empty if none is known.
    """

    loss: str
    optimizer: str
    num_classes: int
    logit_mean: float
    logit_std: float
    error: float
    reference_error: float
    pulling_share: float
    update_ratio: float
    verdict: str
    changes: tuple[Change, ...]

    @property
    def ratio(self) -> float:
        """The average error as a share of that with 10 classes; 0 if there is no pull there."""
        return self.error / self.reference_error if self.reference_error < 0.0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields and the ratio as values for JSON."""
        fields = dataclasses.asdict(self)
        return {
            **fields,
            "ratio": self.ratio,
            "changes": [change._asdict() for change in self.changes],
        }

    def __str__(self) -> str:
        will = {"learns": "will learn", "learns slowly": "will learn slowly"}
        verdict = will.get(self.verdict, "will stall")
        outcome = f"the mean pull is {_as_fraction(self.ratio)} what it is with "
        outcome += f"{REFERENCE_CLASSES} classes"
        if not math.isclose(self.update_ratio, self.ratio, rel_tol=1e-3):
            outcome += f", the first update {_as_fraction(self.update_ratio)} that"
        lines = [
            f"{self.loss} with {self.num_classes} classes",
            f"  logits at initialisation: mean {self.logit_mean:.2f}, standard deviation "
            f"{self.logit_std:.2f}",
            f"  average error at the label's logit: {self.error:.3g} "
            f"({self.reference_error:.3g} with {REFERENCE_CLASSES} classes)",
            f"  share of the logits that it pulls at: {self.pulling_share:.1%}",
            f"  {verdict} with {self.optimizer}: {outcome}",
        ]
        for change in self.changes:
            effect = f"{will[change.verdict]}: {_as_fraction(change.ratio)} that"
            lines.append(f"  change: {change.setting} ({effect})")
        return "\n".join(lines)


def diagnose(
    model: keras.Model,
    x: Any,
    loss: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer | str | None = None,
    batch_size: int = BATCH_SIZE,
) -> Diagnosis:
    """Predicts before any training whether a loss will learn on a model, and what to change if not.

    It measures the model's logits on `x` in training mode, averages the error of the loss over
    them (`keras_noisy.calibration.average_error`, with their standard deviation), and compares it
    with the average error with 10 classes, where bounded losses are known to learn. The model is
    not changed.

    Formula:

    ```
    ratio        = mean of average_error(loss, z, K) / mean of average_error(loss, z, 10)
    update_ratio = update_size(first gradient) / update_size(first gradient with 10 classes)
    ```

    over the logits z. The denominators are without the logit bias. The gradient of a weight in the
    last layer is taken as the mean error divided by the root of `K * batch_size`, and
    `keras_noisy.theory.update_size` says how far an optimizer moves a weight: with SGD, in
    proportion to the gradient, so that both ratios are equal; with Adam, about as far for all
    gradients.

    The verdict is "learns" for an update ratio from 1/6 on, "stalls" below 1/20, and "learns
    slowly" between. docs/diagnosis.md compares it with trainings. It does not predict what is
    memorised later. With SGD, a weight of the loss does not change the verdict. If the loss takes
    its bias from a `keras_noisy.LogitBias` layer, the bias is that of the first step; a layer that
    gets labels is not considered.

    Args:
        model: A `keras.Model`, built and not trained, that returns logits or probabilities of shape
            (batch, …, K).
        x: Inputs of the model, arrays (n, …); a few hundred samples are enough.
        loss: A loss of this package, or another `keras.losses.Loss`, which must return a loss for
            each sample and have no class weights.
        optimizer: A `keras.optimizers.Optimizer` or its name, such as `"adamw"`. Defaults to
            `None`: SGD.
        batch_size: Integer, the number of samples in a batch. Use that of the training if the
            model has batch normalisation. Defaults to `128`.

    Returns:
        A `Diagnosis`.

    Raises:
        ValueError: If an argument is not one of the above, if the optimizer is none of those in
            `keras_noisy.theory.update_size`, or if the model returns logits and the loss expects
            probabilities, or the other way around.

    Example:

    >>> import keras, numpy as np
    >>> import keras_noisy
    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1000)])
    >>> x = np.random.default_rng(0).normal(size=(32, 64)).astype("float32")
    >>> diagnosis = keras_noisy.diagnose(model, x, keras_noisy.MAE(from_logits=True))
    >>> diagnosis.verdict, [change.setting for change in diagnosis.changes]
    ('stalls', ['logit_bias=4.84'])
    >>> keras_noisy.diagnose(model, x, keras_noisy.MAE(from_logits=True), "adamw").verdict
    'learns'

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figures 1 and 2.
    """
    check_loss(loss)
    logits = initial_logits(model, x, batch_size)
    _check_output(loss, logits)
    loss = _with_initial_bias(loss, model, logits.num_classes)
    # A loss of another package without the option is assumed to fit the model.
    from_logits = get_option(loss, "from_logits", not logits.from_probabilities)
    # The reference has no bias, so that the ratio shows the effect of the bias.
    bare = loss.with_options(logit_bias=None) if isinstance(loss, RobustLoss) else loss
    z = np.linspace(logits.values.min(), logits.values.max(), _POINTS)

    def mean_errors(loss: keras.losses.Loss, num_classes: int, bias: float = 0.0) -> NDArray:
        # A softmax does not depend on the mean of the logits.
        at = z - logits.mean + bias
        errors = average_error(loss, at, num_classes, logits.std, from_logits)
        return np.interp(logits.values, z, errors)

    updates = read_optimizer(optimizer)
    errors = mean_errors(loss, logits.num_classes)
    reference_error = float(mean_errors(bare, REFERENCE_CLASSES).mean())

    def update_ratio(errors: NDArray) -> float:
        return updates.ratio(float(errors.mean()), reference_error, logits.num_classes, batch_size)

    ratio = update_ratio(errors)
    better = _list_changes(loss, logits.num_classes, updates) if judge(ratio) != "learns" else []
    after = [
        (change, update_ratio(mean_errors(other, logits.num_classes, bias)))
        for change, other, bias in better
    ]
    largest = np.linspace(-4.0, 10.0, 2 * _POINTS)
    pulls = -average_error(bare, largest, REFERENCE_CLASSES, logits.std, from_logits)
    return Diagnosis(
        loss=repr(loss) if isinstance(loss, RobustLoss) else type(loss).__name__,
        optimizer=updates.name,
        num_classes=logits.num_classes,
        logit_mean=logits.mean,
        logit_std=logits.std,
        error=float(errors.mean()),
        reference_error=reference_error,
        pulling_share=float((-errors >= max(_PULLED_SHARE * pulls.max(), 1e-30)).mean()),
        update_ratio=ratio,
        verdict=judge(ratio),
        changes=tuple(Change(change, r, judge(r)) for change, r in after if judge(r) == "learns"),
    )


def _with_initial_bias(loss: Any, model: keras.Model, num_classes: int) -> Any:
    """Returns the loss with the first bias of the model's layer as its own logit bias."""
    if getattr(loss, "logit_bias", None) != "layer":
        return loss
    layers = find_layers(model, LogitBias)
    if len(layers) != 1:
        raise ValueError(
            "`model` must have one LogitBias layer for a loss that takes its logit bias from it. "
            f"Received: {model.name!r} with {len(layers)} of them"
        )
    return loss.with_options(logit_bias=layers[0].initial_bias(num_classes))


def _list_changes(
    loss: Any, num_classes: int, updates: Updates
) -> list[tuple[str, keras.losses.Loss, float]]:
    """Lists what may help a loss: the change as text, the loss after it, and a bias to add."""
    if isinstance(loss, RobustLoss):
        candidates = candidate_settings(loss, num_classes, constant_bias=updates.needs_size)
        return [(text, other, 0.0) for text, other in candidates]
    epsilon = logit_bias(num_classes)
    return [(f"keras_noisy.LogitBias({format_rounded(epsilon)})", loss, epsilon)]


def _check_output(loss: keras.losses.Loss, logits: InitialLogits) -> None:
    if logits.std > _MAX_STD:
        raise ValueError(
            "`model` must return logits of an untrained network, with a standard deviation of at "
            f"most {_MAX_STD:g}: scale the inputs, or take a model that is not trained. "
            f"Received: standard deviation {logits.std:.3g}"
        )
    values = logits.values
    if not logits.from_probabilities and values.min() >= 0.0 and 0.0 < values.max() <= 1.0:
        raise ValueError(
            "`model` must return logits, or probabilities that sum to 1, not those of a sigmoid. "
            f"Received: values from {values.min():.3g} to {values.max():.3g}"
        )
    from_logits = get_option(loss, "from_logits")
    if from_logits is not None and bool(from_logits) == logits.from_probabilities:
        kind = "probabilities" if logits.from_probabilities else "logits"
        raise ValueError(
            f"`loss` must fit the model, which returns {kind}: set "
            f"from_logits={not from_logits}. Received: from_logits={from_logits}"
        )


def _as_fraction(ratio: float) -> str:
    return f"1/{1 / ratio:.0f} of" if 0.0 < ratio < 2 / 3 else f"{ratio:.2g} times"
