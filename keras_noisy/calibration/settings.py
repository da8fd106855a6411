"""What to set in each loss for a number of classes."""

from typing import NamedTuple

from keras_noisy.calibration.average_error import average_error
from keras_noisy.calibration.match import match
from keras_noisy.calibration.verdict import REFERENCE_CLASSES, verdict_of
from keras_noisy.losses import AGCE, AUL, GCE, LOSSES, RobustLoss, WeightedSum
from keras_noisy.losses.gce import auto_q
from keras_noisy.theory import logit_bias


class Setting(NamedTuple):
    """A loss, and something to set in it for a number of classes.

    Attributes:
        loss: The loss as it is, such as `"GCE(q=0.7)"`.
        setting: What to set, such as `"q=0.366"`; empty, if the loss learns as it is.
        before: Average error at logit 0 of a fresh network, as the loss is.
        after: The same with the setting.
        reference: The same as the loss is, but with 10 classes.
        verdict: `"learns"`, `"learns slowly"` or `"stalls"`, with the setting.
    """

    loss: str
    setting: str
    before: float
    after: float
    reference: float
    verdict: str


def settings(num_classes: int, logit_std: float = 1.0) -> list[Setting]:
    """What to set in each loss of the package so that it learns with a number of classes.

    For each, with its default arguments, the logit bias and, where there is one, the value of its own
    hyperparameter: either of the two will do. It is what `keras_noisy.calibration.match` finds from 10
    classes, but for GCE, whose `q` is that of `q="auto"`. A weight, which `match` gives the normalised
    losses, is not among them: it acts as a larger learning rate.

    Args:
        num_classes: Integer, at least 2.
        logit_std: Standard deviation of the logits of the fresh network, from 0 to 5. Defaults to
            `1.0`.

    Returns:
        List of `Setting`, one or two for each loss, with the average errors before and after.

    Raises:
        ValueError: If an argument is out of its range or not a number.

    Example:

    >>> from keras_noisy.calibration import settings
    >>> mae = next(s for s in settings(100) if s.loss == "MAE()")
    >>> mae.setting, round(mae.before, 4), round(mae.after, 4)
    ('logit_bias=2.52', -0.0123, -0.1329)
    """
    rows = []
    for loss in (kind() for kind in LOSSES):
        before, reference = (
            float(average_error(loss, 0.0, k, logit_std)) for k in (num_classes, REFERENCE_CLASSES)
        )
        verdict = verdict_of(before / reference)
        if verdict == "learns":
            rows.append(Setting(repr(loss), "", before, before, reference, verdict))
            continue
        better = []
        for text, candidate in settings_of(loss, num_classes, logit_std):
            after = float(average_error(candidate, 0.0, num_classes, logit_std))
            verdict = verdict_of(after / reference)
            better.append(Setting(repr(loss), text, before, after, reference, verdict))
        # What does not help is not worth a line, unless nothing does.
        rows += [s for s in better if s.verdict == "learns"] or better
    return rows


def settings_of(
    loss: RobustLoss, num_classes: int, logit_std: float = 1.0
) -> list[tuple[str, RobustLoss]]:
    """What might be set in a loss for a number of classes, and the loss with it."""
    epsilon = logit_bias(num_classes, logit_std=logit_std)
    biased = (f"logit_bias={rounded(epsilon)}", loss.with_options(logit_bias=epsilon))
    return [biased, *_with_own(loss, num_classes, logit_std)]


def _with_own(loss: RobustLoss, num_classes: int, logit_std: float) -> list[tuple[str, RobustLoss]]:
    """The loss with its own hyperparameter moved, if there is one that does more than scale it."""
    if isinstance(loss, WeightedSum) or (isinstance(loss, (AGCE, AUL)) and loss.q > 1.0):
        return []
    if type(loss) is GCE:
        q = auto_q(num_classes, logit_std)
        return [(f"q={rounded(q)}", GCE(**{**loss.get_config(), "q": q}))]
    try:
        moved = match(loss, REFERENCE_CLASSES, num_classes, logit_std)
    except ValueError:
        return []
    if isinstance(moved, WeightedSum):
        return []
    before, after = loss.get_config(), moved.get_config()
    changed = [f"{key}={rounded(value)}" for key, value in after.items() if value != before[key]]
    return [(", ".join(changed), moved)]


def rounded(value: float) -> str:
    """Three digits are more than the theory promises; of a whole number, all."""
    return f"{value:g}" if isinstance(value, int) else f"{float(f'{value:.3g}'):g}"
