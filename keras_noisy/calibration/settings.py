"""What to set in each loss for a number of classes."""

from typing import NamedTuple

import keras

from keras_noisy.calibration._optimizer import read_optimizer
from keras_noisy.calibration._verdict import REFERENCE_CLASSES, judge
from keras_noisy.calibration.average_error import average_error
from keras_noisy.calibration.match import match
from keras_noisy.losses import GCE, LOSSES, RobustLoss, WeightedSum
from keras_noisy.losses.gce import auto_q
from keras_noisy.theory import logit_bias


class Setting(NamedTuple):
    """A loss, and an argument to set for a number of classes.

    Attributes:
        loss: The loss without the setting, such as `"GCE(q=0.7)"`.
        setting: The argument, such as `"q=0.366"`, or the layer to add; empty if the loss needs no
            setting.
        before: The average error at logit 0 of an untrained network, without the setting.
        after: The average error with the setting.
        reference: The average error with 10 classes, without the setting.
        verdict: `"learns"`, `"learns slowly"` or `"stalls"`, with the setting and the optimizer.
    """

    loss: str
    setting: str
    before: float
    after: float
    reference: float
    verdict: str


def settings(
    num_classes: int,
    logit_std: float = 1.0,
    optimizer: keras.optimizers.Optimizer | str | None = None,
) -> list[Setting]:
    """Lists what to set in each loss of the package, so that it learns with a number of classes.

    For each loss with its default arguments, it lists the logit bias and, if there is one, the
    value of its own hyperparameter. One of the two is enough. The value is that of
    `keras_noisy.calibration.match` from 10 classes, except for GCE, whose `q` is that of
    `q="auto"`. Weights are not listed, although `match` changes those of normalised losses,
    because they act like a larger learning rate.

    The verdicts are those of `keras_noisy.diagnose` for batches of 128 samples. With an optimizer
    like Adam, which makes updates of about the same size from small gradients, most losses need no
    setting. Where one does, a `keras_noisy.LogitBias` with a schedule is listed in place of a
    constant bias, with which such an optimizer memorises wrong labels.

    Args:
        num_classes: Integer, at least 2.
        logit_std: Standard deviation of the logits of the untrained network, from 0 to 5. Defaults
            to `1.0`.
        optimizer: A `keras.optimizers.Optimizer` or its name, such as `"adamw"`. Defaults to
            `None`: SGD.

    Returns:
        A list of `Setting`, one or two for each loss.

    Raises:
        ValueError: If an argument is out of its range or not a number.

    Example:

    >>> from keras_noisy.calibration import settings
    >>> mae = next(s for s in settings(100) if s.loss == "MAE()")
    >>> mae.setting, round(mae.before, 4), round(mae.after, 4)
    ('logit_bias=2.52', -0.0123, -0.1329)
    """
    updates = read_optimizer(optimizer)
    rows = []
    for loss in (kind() for kind in LOSSES):
        before, reference = (
            float(average_error(loss, 0.0, k, logit_std)) for k in (num_classes, REFERENCE_CLASSES)
        )
        verdict = judge(updates.ratio(before, reference, num_classes))
        if verdict == "learns":
            rows.append(Setting(repr(loss), "", before, before, reference, verdict))
            continue
        better = []
        candidates = candidate_settings(loss, num_classes, logit_std, updates.needs_size)
        for text, candidate in candidates:
            after = float(average_error(candidate, 0.0, num_classes, logit_std))
            verdict = judge(updates.ratio(after, reference, num_classes))
            better.append(Setting(repr(loss), text, before, after, reference, verdict))
        # Settings that do not help are listed only if no setting helps.
        rows += [s for s in better if s.verdict == "learns"] or better
    return rows


def candidate_settings(
    loss: RobustLoss, num_classes: int, logit_std: float = 1.0, constant_bias: bool = True
) -> list[tuple[str, RobustLoss]]:
    """Returns what may be set in a loss for a number of classes, each with the resulting loss.

    The bias is a constant, or that of the first step of a `LogitBias` with a schedule.
    """
    if constant_bias:
        epsilon = logit_bias(num_classes, logit_std=logit_std)
        biased = (f"logit_bias={format_rounded(epsilon)}", loss.with_options(logit_bias=epsilon))
    else:
        biased = (
            "keras_noisy.LogitBias(training_steps=...)",
            loss.with_options(logit_bias="adaptive"),
        )
    return [biased, *_match_own(loss, num_classes, logit_std)]


def _match_own(
    loss: RobustLoss, num_classes: int, logit_std: float
) -> list[tuple[str, RobustLoss]]:
    """Returns the loss with its hyperparameter matched, if that does more than scale it."""
    if isinstance(loss, WeightedSum) or loss.calibration(num_classes).only_scales:
        return []
    if type(loss) is GCE:
        q = auto_q(num_classes, logit_std)
        return [(f"q={format_rounded(q)}", GCE(**{**loss.get_config(), "q": q}))]
    try:
        moved = match(loss, REFERENCE_CLASSES, num_classes, logit_std)
    except ValueError:
        return []
    if isinstance(moved, WeightedSum):
        return []
    before, after = loss.get_config(), moved.get_config()
    changed = [
        f"{key}={format_rounded(value)}" for key, value in after.items() if value != before[key]
    ]
    return [(", ".join(changed), moved)]


def format_rounded(value: float) -> str:
    """Formats an integer with all digits, another number with three."""
    return f"{value:g}" if isinstance(value, int) else f"{float(f'{value:.3g}'):g}"
