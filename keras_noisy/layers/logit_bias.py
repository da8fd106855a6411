import math
import warnings
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_noisy._arguments import check_integer
from keras_noisy._core.add_logit_bias import (
    MAX_LOGIT_BIAS,
    adapt_logit_bias,
    check_logit_bias,
    prediction_entropy,
    resolve_logit_bias,
)
from keras_noisy._core.class_probs import class_logit_bias, update_class_probs
from keras_noisy._core.labels import are_targets, count_classes, read_labels
from keras_noisy._core.log_prob import class_log_probs, take
from keras_noisy._core.record import LayerBias, RecordingLayer, record_bias
from keras_noisy._core.tracing import (
    assign_in_step,
    is_compiling,
    outside_graphs,
    read_outside_graphs,
)
from keras_noisy._typing import Tensor

# Rounding may move the end of a schedule this far from 0.
_ROUNDING = 1e-3


@keras.saving.register_keras_serializable(package="keras_noisy")
class LogitBias(RecordingLayer, keras.layers.Layer):
    """Adds a logit bias to the loss of a model in training, which falls as the model learns.

    Put the layer at the end of a model, and pass it to the loss. Logits or probabilities pass
    through it unchanged.

    ```python
    bias = keras_noisy.LogitBias()
    model = keras.Sequential([..., keras.layers.Dense(num_classes), bias])
    model.compile(optimizer, loss=keras_noisy.MAE(logit_bias=bias, from_logits=True))
    ```

    In each training step, the loss adds the bias to the label's logit. By default, each class has
    a bias of its own (a *class-wise* bias): it is large for a class that the network has not learnt
    yet, and 0 for a class that it has learnt, so that the training ends with the loss without bias.
    In most of our trainings with wrong labels, the MAE with this bias gave the best results, with
    each optimizer that we tried (docs/classwise_bias.md). With `training_steps`, the bias falls
    with the training step instead (an *annealed* bias).

    In validation, the loss adds no bias, so that `val_loss` is the loss without bias. At inference,
    the layer does nothing. To deploy a model without it, use `keras.Model(model.input,
    bias.input)`, or `model.pop()` for a `Sequential` model.

    What the layer knows of the training, the average probability for each class or the number of
    steps, is a weight that is saved with the model: after loading, the training continues where it
    was. For another training with the same layer or model, such as the next fold of a
    cross-validation, call `bias.restart()` or use a new layer. Weights of a model without the layer
    can be loaded into a model with it.

    The loss finds the bias through the predictions. They must be the output of the layer, without
    another layer or cast in between. The model may be saved, loaded and copied. In a training step
    of one's own on JAX, a class-wise bias needs `model.stateless_compute_loss`, which returns the
    changed weight.

    Formula, for the step t, counted from 0, T training steps and K classes:

    ```
    eps_t = (1 + cos(pi min(1, t / T))) / 2 eps    with training_steps
    eps_t = eps(t)                                 with a schedule
    eps_t = eps                                    otherwise
    eps_c = eps_t log(P_c / 0.3) / log(1 / (0.3 K)), within [0, eps_t], for class c, if "class"
    eps_i = eps_t min(1, H_i / H_0)                                 for sample i, if "sample"
    ```

    Here, eps is `logit_bias`. P_c is the average probability that the network gives to the label of
    training samples that are labelled c. It is 1 / K at first, and each sample replaces a tenth of
    it. H_i is the entropy of the prediction for sample i, and H_0 its average in an untrained
    network.

    Args:
        logit_bias: The bias of an untrained network in units of the logits: a number from -60 to
            60, which must not be negative with `training_steps` or `adaptive`; `"auto"`, which
            depends on the number of classes: `0.75 (log(K - 1) + 1/2)` with `"class"`,
            `keras_noisy.calibration.logit_bias(K)` without `adaptive`, and 1.2 times that with
            `"sample"`; or a `keras.optimizers.schedules.LearningRateSchedule` with values from 0 to
            60. Defaults to `"auto"`.
        training_steps: Integer, the number of batches of the training, in which the bias falls to
            0. As in Keras's own schedules, each batch counts, even if the gradients of several
            batches are accumulated. Defaults to `None`: the bias does not depend on the step.
        adaptive: `"class"` to reduce the bias of classes that the network has learnt; `"sample"` to
            reduce it for samples with certain predictions, like `logit_bias="adaptive"` of a loss;
            or `False`. Defaults to `None`: `"sample"` with `training_steps`, otherwise `"class"`
            for `logit_bias="auto"` and `False` for a number or a schedule.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        logits: Float tensor (…, K), logits or, if the loss adds the bias, probabilities. The layer
            keeps their type, under mixed precision too.
        labels: Optional. Integers (…,) or (…, 1), or one-hot targets (…, K). If they are given,
            the layer adds the bias to the logits, so that any loss, such as one of Keras's own,
            becomes a biased loss. The metrics of that output then depend on the labels, too. With
            soft targets, each class receives the bias in proportion to its target. Labels are not
            used at inference.
        training: Boolean, whether to add the bias. Keras sets it in `fit`. The `call` of a
            subclassed model must have the argument `training`, as for dropout.

    Raises:
        ValueError: If an argument is not one of the above, if K < 2, if the shapes do not fit
            together, and, in an eager call, if a label names no class. In a compiled graph, the
            row of such a label is NaN. If a schedule has a value outside [0, 60], the losses are
            NaN.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> bias = keras_noisy.LogitBias()
    >>> model = keras.Sequential([keras.Input((100,)), bias])
    >>> loss = keras_noisy.MAE(logit_bias=bias, from_logits=True)
    >>> logits, labels = 6.0 * np.eye(100, dtype="float32")[:1], np.array([0])
    >>> [round(float(loss(labels, model(logits, training=True))), 3) for _ in range(8)]
    [0.011, 0.118, 0.217, 0.302, 0.373, 0.394, 0.394, 0.394]
    >>> round(float(loss(labels, model(logits))), 3)  # at inference
    0.394

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497): the constant bias. The class-wise
      bias, the schedule and the bias of samples are this package's own.
    """

    records = "bias"

    def __init__(
        self,
        logit_bias: float | str | LearningRateSchedule = "auto",
        training_steps: int | None = None,
        adaptive: str | bool | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast, the layer keeps the precision of logits under mixed precision.
        super().__init__(autocast=False, **kwargs)
        self.logit_bias = _read_logit_bias(logit_bias)
        self.training_steps = _read_training_steps(training_steps, self.logit_bias)
        self.adaptive = _read_adaptive_kind(adaptive)
        if adaptive is None and training_steps is not None:
            self.adaptive = "sample"
        elif adaptive is None and self.logit_bias == "auto":
            self.adaptive = "class"
        is_negative = isinstance(self.logit_bias, float) and self.logit_bias < 0.0
        if is_negative and (self.adaptive or self.is_scheduled):
            raise ValueError(
                "`logit_bias` must not be negative with `training_steps` or `adaptive`. "
                f"Received: logit_bias={logit_bias!r}"
            )
        self.supports_masking = True
        self._is_over = False

    @property
    def is_scheduled(self) -> bool:
        """Whether the bias depends on the training step."""
        return self.training_steps is not None or isinstance(self.logit_bias, LearningRateSchedule)

    def build(self, logits_shape: Any) -> None:
        self.register()
        if self.is_scheduled:
            # An integer counts exactly. Replicas count the same steps, so the first count is
            # enough.
            self.step = self.add_weight(
                name="step",
                shape=(),
                dtype="int",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
            )
        if self.adaptive == "class":
            num_classes = count_classes("logits", logits_shape)
            self.class_probs = self.add_weight(
                name="class_probs",
                shape=(num_classes,),
                dtype="float32",
                initializer=keras.initializers.Constant(1.0 / num_classes),
                trainable=False,
                aggregation="mean",
            )

    def load_own_variables(self, store: Any) -> None:
        # A model that was saved without the layer, or with another kind of bias, has other weights.
        for weight in self.weights:
            for name in store.keys():  # noqa: SIM118 - it has no other way to list them
                if tuple(store[name].shape) == tuple(weight.shape):
                    weight.assign(store[name])
        self._begin()

    def restart(self) -> None:
        """Begins again, for another training with the same layer or model."""
        if self.is_scheduled and self.built:
            self.step.assign(0)
            self._is_over = False
        if self.adaptive == "class" and self.built:
            num_classes = self.class_probs.shape[0]
            self.class_probs.assign(ops.full((num_classes,), 1.0 / num_classes))

    def bias_at(self, step: Any, num_classes: int) -> Any:
        """Returns the bias at a training step, counted from 0: a float or a scalar tensor."""
        if isinstance(self.logit_bias, LearningRateSchedule):
            return ops.cast(self.logit_bias(step), "float32")
        bias = resolve_logit_bias(self._loss_argument, num_classes)
        if self.training_steps is None:
            return bias
        progress = ops.minimum(ops.cast(step, "float32") / self.training_steps, 1.0)
        return 0.5 * bias * (1.0 + ops.cos(math.pi * progress))

    def initial_bias(self, num_classes: int) -> float | str:
        """Returns the argument `logit_bias` of a loss with the bias of the first training step."""
        if self._loss_argument == "adaptive":
            return "adaptive"
        return float(self.bias_at(0, num_classes))

    @property
    def _loss_argument(self) -> Any:
        """The argument of `resolve_logit_bias`, or the schedule."""
        if self.logit_bias != "auto" or self.adaptive is None:
            return self.logit_bias
        return "adaptive" if self.adaptive == "sample" else "class"

    def call(self, logits: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        num_classes = count_classes("logits", logits.shape)
        if not training:
            record_bias(logits, LayerBias(self), training=False)
            return logits
        bias = self._next_bias(num_classes)
        if labels is None:
            class_probs = None
            if self.adaptive == "class":
                # A copy: on PyTorch, a value that was read changes with the variable.
                class_probs = ops.copy(self.class_probs)
            record = LayerBias(self, bias, self.adaptive, class_probs)
            record_bias(logits, record, training=True)
            return logits
        return self._add_to_labels(logits, labels, bias)

    @outside_graphs
    def note_class_probs(self, index: Tensor, probs: Tensor, counts: Tensor) -> None:
        """Notes the probabilities of labels, for a bias that differs between classes.

        Args:
            index: Integer tensor (…,), the labels.
            probs: Float tensor (…,), the probability of each label.
            counts: Float tensor (…,), 1 for samples that count, and 0 for others.
        """
        index, probs, counts = (ops.reshape(t, (-1,)) for t in (index, probs, counts))
        class_probs = ops.convert_to_tensor(self.class_probs)
        updated = update_class_probs(class_probs, index, probs, counts)
        assign_in_step(self.class_probs, updated)

    def _add_to_labels(self, logits: Tensor, labels: Tensor, bias: Any) -> Tensor:
        """Adds the bias to the logits of the labels."""
        shape = ops.shape(logits)
        index, targets, invalid, _ = read_labels("labels", labels, shape, logits.dtype)
        if self.adaptive is not None:
            log_probs = class_log_probs(ops.cast(logits, "float32"), from_logits=True)
        if self.adaptive == "sample":
            bias = adapt_logit_bias(bias, prediction_entropy(log_probs), logits.shape[-1])
        elif self.adaptive == "class":
            bias = class_logit_bias(bias, ops.convert_to_tensor(self.class_probs), logits.shape[-1])
            label = ops.argmax(targets, axis=-1) if index is None else index
            probs = ops.exp(take(ops.stop_gradient(log_probs), ops.expand_dims(label, axis=-1)))
            counts = ops.ones_like(label) if invalid is None else ops.logical_not(invalid)
            self.note_class_probs(label, probs, ops.cast(counts, probs.dtype))
        bias = ops.cast(bias, logits.dtype)
        if targets is None:
            is_label = ops.arange(shape[-1], dtype=index.dtype) == ops.expand_dims(index, -1)
            biased = ops.where(is_label, logits + bias, logits)
        else:
            biased = logits + bias * ops.cast(targets, logits.dtype)
        if invalid is None:
            return biased
        return ops.where(ops.expand_dims(invalid, -1), math.nan, biased)

    def _next_bias(self, num_classes: int) -> Any:
        """Returns the bias of the current training step, and counts the step."""
        if not self.is_scheduled:
            return self.bias_at(0, num_classes)
        self._warn_if_over()
        bias = self.bias_at(self.step, num_classes)
        # After `bias` was computed: on PyTorch, a value that was read changes with the variable.
        self.step.assign_add(1)
        is_allowed = (bias >= -_ROUNDING) & (bias <= MAX_LOGIT_BIAS)
        return ops.where(is_allowed, ops.maximum(bias, 0.0), math.nan)

    def _begin(self) -> None:
        """Notes whether the schedule is over where a model begins: when it is built or loaded."""
        self._is_over = False
        if self.built and self.training_steps is not None:
            step = read_outside_graphs(self.step)
            self._is_over = step is not None and step >= self.training_steps

    def _warn_if_over(self) -> None:
        """Warns if the first training of a model begins with a schedule that is over.

        A second `fit` of the same model is not noticed.
        """
        if self._is_over and not is_compiling():
            self._is_over = False
            warnings.warn(
                f"The schedule of the LogitBias layer {self.name!r} is over: the bias is 0 from "
                "the first step on. For another training, call `layer.restart()`, or use a new "
                f"layer. Received: training_steps={self.training_steps}, which have passed",
                stacklevel=2,
            )

    def compute_output_spec(
        self, logits: Tensor, labels: Tensor = None, training: bool | None = None
    ) -> keras.KerasTensor:
        self._begin()  # the layer is part of a new model
        count_classes("logits", logits.shape)
        if labels is not None:
            are_targets("labels", labels.shape, logits.shape)
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def compute_output_shape(self, logits_shape: Any, labels_shape: Any = None) -> Any:
        return logits_shape

    def get_config(self) -> dict[str, Any]:
        logit_bias = self.logit_bias
        if isinstance(logit_bias, LearningRateSchedule):
            logit_bias = keras.optimizers.schedules.serialize(logit_bias)
        return {
            **super().get_config(),
            "logit_bias": logit_bias,
            "training_steps": self.training_steps,
            "adaptive": self.adaptive or False,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        config = dict(config)
        if "epsilon" in config:  # the name in models that were saved before version 0.1
            config["logit_bias"] = config.pop("epsilon")
        if isinstance(config.get("logit_bias"), Mapping):
            schedule = keras.optimizers.schedules.deserialize(config["logit_bias"])
            config["logit_bias"] = schedule
        return cls(**config)


def _read_adaptive_kind(adaptive: Any) -> str | None:
    """Returns what receives a share of the bias; models saved before version 0.1 have booleans."""
    if isinstance(adaptive, bool):
        return "sample" if adaptive else None
    if adaptive is None or (isinstance(adaptive, str) and adaptive in ("class", "sample")):
        return adaptive
    raise ValueError(
        f'`adaptive` must be "class", "sample", False or None. Received: adaptive={adaptive!r}'
    )


def _read_logit_bias(logit_bias: Any) -> Any:
    if isinstance(logit_bias, LearningRateSchedule):
        return logit_bias
    return check_logit_bias("logit_bias", logit_bias, ("auto",), "a LearningRateSchedule of Keras")


def _read_training_steps(training_steps: Any, logit_bias: Any) -> int | None:
    if training_steps is not None and isinstance(logit_bias, LearningRateSchedule):
        raise ValueError(
            "`training_steps` must be None for a `logit_bias` that is a schedule. "
            f"Received: training_steps={training_steps!r}, logit_bias={logit_bias!r}"
        )
    return check_integer("training_steps", training_steps, 1, or_none=True)
