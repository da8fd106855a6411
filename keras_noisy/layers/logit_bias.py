import math
import numbers
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule

from keras_noisy.losses.bias_source import BiasSource
from keras_noisy.losses.labels import class_count, holds_targets, read_labels
from keras_noisy.losses.logit_bias import LARGEST, check_logit_bias, resolve_logit_bias

Tensor = Any


@keras.saving.register_keras_serializable(package="keras_noisy")
class LogitBias(BiasSource, keras.layers.Layer):
    """The logit bias of a model: constant or on a schedule in training, none at inference.

    Put it at the end of a model, behind logits or probabilities, which pass through it unchanged,
    and give it to the loss:

    ```python
    bias = keras_noisy.LogitBias(training_steps=epochs * steps_per_epoch)
    model = keras.Sequential([..., keras.layers.Dense(num_classes), bias])
    model.compile(optimizer, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    ```

    In each step of training, the loss adds the bias of that step to the label's logit; in validation
    it adds none, so that `val_loss` is the loss without bias. The layer counts its training calls,
    which is one a batch in `fit`, in its only weight, which is saved with the model. It does nothing at inference. To deploy a model without it, take
    `keras.Model(model.inputs, bias.input)`.

    Formula, for the step `t`, counted from 0:

    ```
    eps_t = epsilon (1 + cos(pi min(1, t / training_steps))) / 2     with training_steps
    eps_t = epsilon(t)                                               of a schedule
    eps_t = epsilon                                                  otherwise
    ```

    Args:
        epsilon: The bias in units of the logits: a number from -60 to 60; `"auto"` (default),
            `keras_noisy.calibration.logit_bias(K)` for K classes; or a
            `keras.optimizers.schedules.LearningRateSchedule` with values from 0 to 60.
        training_steps: Integer, the number of batches of the whole training. If given, the bias falls
            from `epsilon` to 0 in that time: a constant bias lets the loss memorise
            wrong labels late in training. As in the schedules of Keras, batches count, also where the
            gradients of several are accumulated. Defaults to `None`: the bias stays.
        **kwargs: Arguments of `keras.layers.Layer`. By its `name` the loss finds the layer:
            within a model, each needs its own.

    Call arguments:
        logits: Float tensor (…, K), logits or, with the bias in the loss, probabilities. Its type is
            kept, under mixed precision too.
        labels: Optional. Integers (…,) or (…, 1), or one-hot targets (…, K). The layer then adds the
            bias to the label's logit itself, and any loss that follows, also one of Keras's own, is
            a biased loss. A soft target gets its share of the bias in each class. Labels are not read
            at inference. Mind that the metrics of such an output have seen the labels.
        training: Whether there is a bias. Keras sets it in `fit`.

    Raises:
        ValueError: If an argument is none of the above, if K < 2, if the shapes do not fit, and, in an
            eager call, if a label names no class. In a compiled graph, its row is NaN. A loss is NaN
            where a schedule is not in 0 to 60.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> bias = keras_noisy.LogitBias(epsilon=2.0, training_steps=4)
    >>> model = keras.Sequential([keras.Input((3,)), bias])
    >>> loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    >>> logits, labels = np.zeros((1, 3), "float32"), np.array([1])
    >>> [round(float(loss(labels, model(logits, training=True))), 2) for _ in range(5)]
    [0.43, 0.53, 0.85, 1.2, 1.33]
    >>> round(float(loss(labels, model(logits))), 2)  # at inference
    1.33

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): the constant bias. What a schedule is
      good for: docs/annealed_bias.md.
    """

    def __init__(
        self,
        epsilon: float | str | LearningRateSchedule = "auto",
        training_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        # A layer that passes logits through must not lower their precision.
        super().__init__(autocast=False, **kwargs)
        _check_training_steps(training_steps, epsilon)
        self.epsilon = _read_epsilon(epsilon)
        self.training_steps = None if training_steps is None else int(training_steps)
        self.supports_masking = True

    @property
    def is_scheduled(self) -> bool:
        return self.training_steps is not None or isinstance(self.epsilon, LearningRateSchedule)

    def build(self, logits_shape: Any) -> None:
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
        """The bias at a step of training, counted from 0: a float, or what the schedule returns."""
        if isinstance(self.epsilon, LearningRateSchedule):
            return self.epsilon(step)
        epsilon = resolve_logit_bias(self.epsilon, num_classes)
        if self.training_steps is None:
            return epsilon
        return CosineDecay(epsilon, self.training_steps)(step)

    def call(self, logits: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        num_classes = class_count(logits)
        if not training:
            self.announce(None)
            return logits
        epsilon = self._next_epsilon(num_classes)
        if labels is None:
            self.announce(epsilon)
            return logits
        self.announce(None)
        return _add_to_labels(logits, labels, ops.cast(epsilon, logits.dtype))

    def _next_epsilon(self, num_classes: int) -> Any:
        """The bias of a step of training, which it counts."""
        if not self.is_scheduled:
            return self.epsilon_at(0, num_classes)
        epsilon = ops.cast(self.epsilon_at(self.step, num_classes), "float32")
        self.step.assign_add(1)  # only now: on PyTorch, what was read would change with it
        return ops.where((epsilon >= 0.0) & (epsilon <= LARGEST), epsilon, math.nan)

    def compute_output_spec(
        self, logits: Tensor, labels: Tensor = None, training: bool | None = None
    ) -> keras.KerasTensor:
        class_count(logits)
        if labels is not None:
            holds_targets(labels, logits, argument="labels")
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def compute_output_shape(self, logits_shape: Any, labels_shape: Any = None) -> Any:
        return logits_shape

    def get_config(self) -> dict[str, Any]:
        epsilon = self.epsilon
        if isinstance(epsilon, LearningRateSchedule):
            epsilon = keras.optimizers.schedules.serialize(epsilon)
        return {**super().get_config(), "epsilon": epsilon, "training_steps": self.training_steps}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        epsilon = config["epsilon"]
        if isinstance(epsilon, Mapping):
            epsilon = keras.optimizers.schedules.deserialize(epsilon)
        return cls(**{**config, "epsilon": epsilon})


def _add_to_labels(logits: Tensor, labels: Tensor, epsilon: Tensor) -> Tensor:
    index, targets, valid, _ = read_labels(labels, logits, argument="labels")
    if targets is None:
        classes = ops.arange(class_count(logits), dtype=index.dtype)
        is_label = classes == ops.expand_dims(index, -1)
        biased = ops.where(is_label, logits + epsilon, logits)
    else:
        biased = logits + epsilon * ops.cast(targets, logits.dtype)
    return ops.where(ops.expand_dims(valid, -1), biased, math.nan)


def _read_epsilon(epsilon: Any) -> Any:
    if isinstance(epsilon, LearningRateSchedule):
        return epsilon
    return check_logit_bias(epsilon, "epsilon", ("auto",), "a LearningRateSchedule of Keras")


def _check_training_steps(training_steps: Any, epsilon: Any) -> None:
    if training_steps is None:
        return
    is_integer = isinstance(training_steps, numbers.Integral) and not isinstance(
        training_steps, bool
    )
    if not is_integer or training_steps < 1:
        raise ValueError(
            "`training_steps` must be None or a positive integer. "
            f"Received: training_steps={training_steps!r}"
        )
    if isinstance(epsilon, LearningRateSchedule):
        raise ValueError(
            "`training_steps` must be None for an `epsilon` that has a schedule of its own. "
            f"Received: training_steps={training_steps!r}, epsilon={epsilon!r}"
        )
