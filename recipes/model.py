"""The model of a training: network, loss and optimizer, compiled."""

from typing import Any

import keras
from configuration import Configuration
from task import IN_MEMORY, Task

import keras_noisy
from keras_noisy import datasets, models
from keras_noisy.training import Devices, penalise_weights


def build(configuration: Configuration, task: Task, devices: Devices) -> keras.Model:
    """The compiled model."""
    model = devices.prepare(network_of(configuration, task))
    steps = configuration.epochs * task.steps
    loss = loss_of(configuration, task.num_classes)
    if configuration.loss.logit_bias == "annealed":
        bias = keras_noisy.LogitBias(training_steps=steps)
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    if configuration.loss.weight_penalty:
        penalise_weights(model, keras.regularizers.L1(configuration.loss.weight_penalty))
    metrics: list[keras.metrics.Metric] = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if configuration.data.name == "webvision":
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5"))
    # Weighted: where test batches are filled up, what fills them counts nothing.
    model.compile(
        optimizer_of(configuration, task.steps, steps),
        loss=loss,
        weighted_metrics=metrics,
        jit_compile=configuration.jit,
    )
    return model


def loss_of(
    configuration: Configuration, num_classes: int | None = None
) -> keras_noisy.losses.RobustLoss:
    """The loss, without the bias of a layer; the number of classes is that of the data, once it is known.

    Raises:
        ValueError: If there is none of that name, or not with these arguments.
    """
    settings = configuration.loss
    logit_bias = None if settings.logit_bias == "annealed" else settings.logit_bias
    options: Any = {"from_logits": True, "logit_bias": logit_bias}
    if settings.arguments:
        if settings.published_for is not None:
            raise ValueError("loss.arguments must be empty where loss.published_for is given")
        identifier = {"class_name": settings.name, "config": dict(settings.arguments)}
        try:
            return keras_noisy.losses.get(identifier, **options)
        except TypeError as error:  # a hyperparameter that the loss has not
            raise ValueError(f"loss.arguments: {error}") from error
    dataset: Any = settings.published_for
    if dataset is None and not settings.name.isidentifier():  # a combination
        own = {
            "fashion_mnist": "mnist",
            **{name: name for name in ("cifar10", "cifar100", "webvision")},
        }
        num_classes = num_classes or configuration.data.classes
        by_classes = "cifar10" if num_classes <= 10 else "cifar100"
        by_classes = by_classes if num_classes <= 100 else "webvision"
        dataset = own.get(configuration.data.name, by_classes)
    return keras_noisy.losses.get(settings.name, dataset=dataset, **options)


def network_of(configuration: Configuration, task: Task) -> keras.Model:
    name, library = configuration.network.name, configuration.network.library
    more = configuration.network.arguments
    if name == "small_cnn":
        return models.small_cnn(task.num_classes, task.shape, **more)
    if name == "mlp1024":
        return models.mlp1024(task.num_classes, task.shape, **more)
    statistics = configuration.data.name if configuration.data.name in IN_MEMORY else "imagenet"
    is_colour = len(task.shape) == 3 and (task.shape[-1] == 3 or statistics == "fashion_mnist")
    normalisation = datasets.normalisation(statistics) if is_colour else None
    if name == "cnn8":
        return models.cnn8(task.num_classes, task.shape, normalisation, **more)
    depth = int(name[-2:])
    if name.startswith("cifar_resnet"):
        return models.cifar_resnet(task.num_classes, depth, task.shape, normalisation, **more)
    more = {"library": library, **more}
    return models.resnet(task.num_classes, depth, task.shape, normalisation, **more)


def optimizer_of(
    configuration: Configuration, epoch_steps: int, steps: int
) -> keras.optimizers.Optimizer:
    settings = configuration.optimizer
    schedules = keras.optimizers.schedules
    rate: Any = settings.learning_rate
    warmup = settings.warmup_epochs * epoch_steps
    if settings.schedule == "cosine":
        start = 0.0 if warmup else rate
        target = rate if warmup else None
        rate = schedules.CosineDecay(
            start, max(steps - warmup, 1), warmup_target=target, warmup_steps=warmup
        )
    elif settings.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, epoch_steps, settings.decay, staircase=True)
    shared: dict[str, Any] = {
        "weight_decay": settings.weight_decay or None,
        "clipnorm": settings.clip_norm,
        "global_clipnorm": settings.clip_global_norm,
    }
    if settings.name == "adamw":
        return keras.optimizers.AdamW(rate, **shared)
    return keras.optimizers.SGD(
        rate, momentum=settings.momentum, nesterov=settings.nesterov, **shared
    )
