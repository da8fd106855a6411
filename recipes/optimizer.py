"""The optimizer of a training. The defaults are those of the protocol for images of glyphs."""

from dataclasses import dataclass
from typing import Any, Literal

import keras
from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt, PositiveFloat


@dataclass
class Optimizer:
    """Optimizer

    Args:
        name: Name of the optimizer.
        learning_rate: Learning rate of the first step, or after the warm-up.
        schedule: Learning rate schedule. "cosine" falls to 0 at the last step; "exponential"
            multiplies the rate by `decay` after each epoch.
        decay: Factor of the exponential schedule.
        warmup_epochs: Epochs in which the learning rate rises linearly from 0, with "cosine".
        momentum: Momentum of SGD.
        nesterov: Whether to use Nesterov momentum in SGD.
        weight_decay: Weight decay as Keras defines it. PyTorch's SGD with momentum m needs
            1 - m times this value for the same effect.
        clip_norm: Maximum norm of the gradient of each weight; null for no limit.
        clip_global_norm: Maximum norm of all gradients together; null for no limit.
    """

    name: Literal["sgd", "adamw", "lion", "rmsprop"] = "sgd"
    learning_rate: PositiveFloat = 0.1
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    decay: PositiveFloat = 0.97
    warmup_epochs: NonNegativeInt = 0
    momentum: ClosedUnitInterval = 0.9
    nesterov: bool = True
    weight_decay: NonNegativeFloat = 1e-4
    clip_norm: PositiveFloat | None = 5.0
    clip_global_norm: PositiveFloat | None = None


# Optimizers to compare: the usual weight decay of each, and norms clipped for SGD alone.
OPTIMIZERS = {
    "sgd": Optimizer(),
    "adamw": Optimizer("adamw", learning_rate=1e-3, weight_decay=0.004, clip_norm=None),
    "lion": Optimizer("lion", learning_rate=1e-4, weight_decay=0.01, clip_norm=None),
    "rmsprop": Optimizer("rmsprop", learning_rate=1e-3, weight_decay=0.0, clip_norm=None),
}


def build_optimizer(
    settings: Optimizer, epochs: int, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Builds the optimizer of a training of `epochs` times `steps_per_epoch` steps."""
    schedules = keras.optimizers.schedules
    rate: Any = settings.learning_rate
    warmup_steps = settings.warmup_epochs * steps_per_epoch
    if settings.schedule == "cosine":
        rate = schedules.CosineDecay(
            0.0 if warmup_steps else rate,
            max(epochs * steps_per_epoch - warmup_steps, 1),
            warmup_target=rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    elif settings.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps_per_epoch, settings.decay, staircase=True)
    clipping: dict[str, Any] = {
        "clipnorm": settings.clip_norm,
        "global_clipnorm": settings.clip_global_norm,
    }
    builders = {
        "adamw": keras.optimizers.AdamW,
        "lion": keras.optimizers.Lion,
        "rmsprop": keras.optimizers.RMSprop,
    }
    if build := builders.get(settings.name):
        return build(rate, weight_decay=settings.weight_decay, **clipping)
    return keras.optimizers.SGD(
        rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay or None,
        **clipping,
    )
