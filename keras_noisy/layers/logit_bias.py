import math
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_noisy._arguments import check_flag, check_integer
from keras_noisy._typing import Tensor
from keras_noisy.losses.labels import class_count, holds_targets, read_labels
from keras_noisy.losses.log_prob import class_log_probs
from keras_noisy.losses.logit_bias import (
    LARGEST,
    adapt_logit_bias,
    check_logit_bias,
    entropy_of,
    resolve_logit_bias,
)
from keras_noisy.losses.prediction_bias import BiasSource

_ROUNDING = 1e-3


@keras.saving.register_keras_serializable(package="keras_noisy")
class LogitBias(BiasSource, keras.layers.Layer):
    """The logit bias of a model: constant or on a schedule in training, none at inference.

    Put it at the end of a model, where logits or probabilities pass through it unchanged, and give it
    to the loss:

    ```python
    bias = keras_noisy.LogitBias(training_steps=epochs * steps_per_epoch)
    model = keras.Sequential([..., keras.layers.Dense(num_classes), bias])
    model.compile(optimizer, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    ```

    In each training step the loss then adds the bias of that step to the label's logit. In validation
    it adds none, so that `val_loss` is the loss without bias. The layer counts its calls in training
    (in `fit` one per batch, if the model calls it once) in a weight that is saved with the model: after
    loading, the schedule continues where it was. At inference the layer does nothing. To deploy a model
    without it, take `keras.Model(model.input, bias.input)`, or `model.pop()` of a `Sequential` model.

    The loss finds the bias through the predictions: they must be what the layer returns, without another
    layer or cast in between. It does not matter how the model was loaded or copied.

    Formula, for the step t, counted from 0, T training steps and K classes:

    ```
    eps_t = (1 + cos(pi min(1, t / T))) / 2 epsilon    with training_steps
    eps_t = epsilon(t)                                 of a schedule
    eps_t = epsilon                                    otherwise
    eps_i = eps_t min(1, H_i / H_0)                    for sample i, if adaptive
    ```

    with the entropy H_i of its prediction, and the average H_0 of that in a fresh network. With many
    classes and noisy labels, `LogitBias(training_steps=T)` gave the best results (docs/annealed_bias.md):
    with a constant bias the network memorises wrong labels late in training.

    Args:
        epsilon: The bias in units of the logits: a number from -60 to 60, from 0 on with
            `training_steps` or `adaptive`; `"auto"` (default), `keras_noisy.calibration.logit_bias(K)`, and
            1.2 times that if adaptive; or a `keras.optimizers.schedules.LearningRateSchedule` with values
            from 0 to 60.
        training_steps: Integer, the number of batches of the whole training, in which the bias falls
            to 0. As in Keras's own schedules, each batch counts, even if the gradients of several
            are accumulated. Defaults to `None`: it does not fall.
        adaptive: Whether a sample gets less of the bias, the surer the network is of it, as with
            `logit_bias="adaptive"` of a loss. Defaults to `None`: only with `training_steps`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        logits: Float tensor (…, K): logits or, if the loss adds the bias, probabilities. Their type is
            kept, under mixed precision too.
        labels: Optional. Integers (…,) or (…, 1), or one-hot targets (…, K). With them the layer adds
            the bias itself, so that any loss that follows, also one of Keras's own, becomes a biased
            loss; the metrics of that output then see the labels, too. A soft target gets its share of
            the bias in each class. Labels are not read at inference.
        training: Whether there is a bias. Keras sets it in `fit`; a subclassed model's `call` must take
            `training`, as it must for dropout.

    Raises:
        ValueError: If an argument is none of the above, if K < 2, if the shapes do not fit, and, in an
            eager call, if a label names no class; in a compiled graph, its row is NaN. Where a
            schedule leaves 0 to 60, losses are NaN.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> bias = keras_noisy.LogitBias(epsilon=2.0, training_steps=4, adaptive=False)
    >>> model = keras.Sequential([keras.Input((3,)), bias])
    >>> loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    >>> logits, labels = np.zeros((1, 3), "float32"), np.array([1])
    >>> [round(float(loss(labels, model(logits, training=True))), 2) for _ in range(5)]
    [0.43, 0.53, 0.85, 1.2, 1.33]
    >>> round(float(loss(labels, model(logits))), 2)  # at inference
    1.33

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): the constant bias. The schedule and the
      shares are this package's own.
    """

    def __init__(
        self,
        epsilon: float | str | LearningRateSchedule = "auto",
        training_steps: int | None = None,
        adaptive: bool | None = None,
        **kwargs: Any,
    ) -> None:
        # A layer that passes logits through must not lower their precision.
        super().__init__(autocast=False, **kwargs)
        self.epsilon = _read_epsilon(epsilon)
        self.training_steps = _read_training_steps(training_steps, self.epsilon)
        adaptive = check_flag("adaptive", adaptive, or_none=True)
        self.adaptive = training_steps is not None if adaptive is None else adaptive
        is_negative = isinstance(self.epsilon, float) and self.epsilon < 0.0
        if is_negative and (self.adaptive or self.is_scheduled):
            raise ValueError(
                "`epsilon` must not be negative with `training_steps` or `adaptive`. "
                f"Received: epsilon={epsilon!r}"
            )
        self.supports_masking = True

    @property
    def is_scheduled(self) -> bool:
        return self.training_steps is not None or isinstance(self.epsilon, LearningRateSchedule)

    def build(self, logits_shape: Any) -> None:
        self.expect_calls()
        if self.is_scheduled:
            # An integer is exact. All replicas count the same: any one's count will do.
            self.step = self.add_weight(
                name="step",
                shape=(),
                dtype="int32",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
            )

    def epsilon_at(self, step: Any, num_classes: int) -> Any:
        """The bias at a step of training, counted from 0: a float, or a scalar tensor."""
        if isinstance(self.epsilon, LearningRateSchedule):
            return ops.cast(self.epsilon(step), "float32")
        epsilon = resolve_logit_bias(self._as_in_a_loss, num_classes)
        if self.training_steps is None:
            return epsilon
        share = ops.minimum(ops.cast(step, "float32") / self.training_steps, 1.0)
        return 0.5 * epsilon * (1.0 + ops.cos(math.pi * share))

    def at_the_first_step(self, num_classes: int) -> float | str:
        """The `logit_bias` of a loss that has the bias with which training begins."""
        if self._as_in_a_loss == "adaptive":
            return "adaptive"
        return float(self.epsilon_at(0, num_classes))

    @property
    def _as_in_a_loss(self) -> Any:
        """What a loss calls this bias, or the schedule."""
        return "adaptive" if self.adaptive and self.epsilon == "auto" else self.epsilon

    def call(self, logits: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        num_classes = class_count(logits, argument="logits")
        if not training:
            self.give_none(logits)
            return logits
        epsilon = self._next_epsilon(num_classes)
        if labels is None:
            self.give_bias(logits, epsilon, self.adaptive)
            return logits
        if self.adaptive:
            entropy = entropy_of(class_log_probs(ops.cast(logits, "float32"), True))
            epsilon = adapt_logit_bias(epsilon, entropy, num_classes)
        return _add_to_labels(logits, labels, ops.cast(epsilon, logits.dtype))

    def _next_epsilon(self, num_classes: int) -> Any:
        """The bias of a step of training, which it counts."""
        if not self.is_scheduled:
            return self.epsilon_at(0, num_classes)
        epsilon = self.epsilon_at(self.step, num_classes)
        self.step.assign_add(1)  # only now: on PyTorch, what was read would change with it
        # Schedules that end at 0 may miss it by their rounding.
        is_allowed = (epsilon >= -_ROUNDING) & (epsilon <= LARGEST)
        return ops.where(is_allowed, ops.maximum(epsilon, 0.0), math.nan)

    def compute_output_spec(
        self, logits: Tensor, labels: Tensor = None, training: bool | None = None
    ) -> keras.KerasTensor:
        class_count(logits, argument="logits")
        if labels is not None:
            holds_targets(labels, logits, argument="labels")
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def compute_output_shape(self, logits_shape: Any, labels_shape: Any = None) -> Any:
        return logits_shape

    def get_config(self) -> dict[str, Any]:
        epsilon = self.epsilon
        if isinstance(epsilon, LearningRateSchedule):
            epsilon = keras.optimizers.schedules.serialize(epsilon)
        return {
            **super().get_config(),
            "epsilon": epsilon,
            "training_steps": self.training_steps,
            "adaptive": self.adaptive,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        if isinstance(config.get("epsilon"), Mapping):
            schedule = keras.optimizers.schedules.deserialize(config["epsilon"])
            config = {**config, "epsilon": schedule}
        return cls(**config)


def _add_to_labels(logits: Tensor, labels: Tensor, epsilon: Tensor) -> Tensor:
    index, targets, wrong, _ = read_labels(labels, logits, argument="labels")
    if targets is None:
        classes = ops.arange(class_count(logits), dtype=index.dtype)
        is_label = classes == ops.expand_dims(index, -1)
        biased = ops.where(is_label, logits + epsilon, logits)
    else:
        biased = logits + epsilon * ops.cast(targets, logits.dtype)
    return biased if wrong is None else ops.where(ops.expand_dims(wrong, -1), math.nan, biased)


def _read_epsilon(epsilon: Any) -> Any:
    if isinstance(epsilon, LearningRateSchedule):
        return epsilon
    return check_logit_bias(epsilon, "epsilon", ("auto",), "a LearningRateSchedule of Keras")


def _read_training_steps(training_steps: Any, epsilon: Any) -> int | None:
    if training_steps is not None and isinstance(epsilon, LearningRateSchedule):
        raise ValueError(
            "`training_steps` must be None for an `epsilon` that is a schedule. "
            f"Received: training_steps={training_steps!r}, epsilon={epsilon!r}"
        )
    return check_integer("training_steps", training_steps, 1, or_none=True)
