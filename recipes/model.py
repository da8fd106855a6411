"""The compiled model of a training: network, loss and optimizer."""

import importlib
import os
import sys
from typing import Any

import keras
from configuration import Configuration, Loss
from optimizer import build_optimizer
from task import IN_MEMORY, Task

import keras_noisy
from keras_noisy import datasets, models
from keras_noisy.training import Devices, penalise_weights


def build_model(configuration: Configuration, task: Task, devices: Devices) -> keras.Model:
    """Builds and compiles the model."""
    model = build_network(configuration, task)
    loss = build_loss(configuration, task.num_classes)
    bias: keras_noisy.LogitBias | None = None
    if configuration.loss.logit_bias == "classwise":
        bias = keras_noisy.LogitBias()
    elif configuration.loss.logit_bias == "annealed":
        bias = keras_noisy.LogitBias(training_steps=configuration.epochs * task.steps)
    if bias is not None:
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    if configuration.loss.weight_penalty:
        penalise_weights(model, keras.regularizers.L1(configuration.loss.weight_penalty))
    model = devices.prepare(model)
    metrics: list[keras.metrics.Metric] = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if configuration.data.name == "webvision":
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5"))
    model.compile(
        build_optimizer(configuration.optimizer, configuration.epochs, task.steps),
        loss=loss,
        # Samples that pad a test batch have weight 0.
        weighted_metrics=metrics,
        jit_compile=configuration.jit,
    )
    return model


def build_loss(
    configuration: Configuration, num_classes: int | None = None
) -> keras_noisy.losses.RobustLoss:
    """Builds the loss, without a bias that is a layer.

    Args:
        configuration: Configuration of the training.
        num_classes: Number of classes of the data, once it is known.

    Raises:
        ValueError: If there is no loss of that name, or if it does not take these arguments.
    """
    settings = configuration.loss
    is_layer = settings.logit_bias in ("classwise", "annealed")
    logit_bias = None if is_layer else settings.logit_bias
    options: Any = {"from_logits": True, "logit_bias": logit_bias}
    if ":" in settings.name:
        return build_own_loss(settings, options)
    if settings.arguments:
        if settings.published_for is not None:
            raise ValueError("loss.arguments must be empty where loss.published_for is given")
        identifier = {"class_name": settings.name, "config": dict(settings.arguments)}
        try:
            return keras_noisy.losses.get(identifier, **options)
        except TypeError as error:  # a hyperparameter that the loss does not have
            raise ValueError(f"loss.arguments: {error}") from error
    dataset: Any = settings.published_for
    if dataset is None and not settings.name.isidentifier():  # a combination of losses
        published = {
            "fashion_mnist": "mnist",
            **{name: name for name in ("cifar10", "cifar100", "webvision")},
        }
        closest = closest_published(num_classes or configuration.data.classes)
        dataset = published.get(configuration.data.name, closest)
    return keras_noisy.losses.get(
        settings.name, dataset=dataset, noise=name_noise(configuration), **options
    )


def build_own_loss(settings: Loss, options: dict[str, Any]) -> keras_noisy.losses.RobustLoss:
    """Builds a loss of the user, whose name is `"module:Class"`.

    The module is also searched in the working folder.

    Raises:
        ValueError: If there is no such class, or if it does not take these arguments.
    """
    if settings.published_for is not None:
        raise ValueError("loss.published_for must be null for a loss of your own")
    module_name, _, class_name = settings.name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        loss_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            "loss.name must be a loss of the package, or module:Class of your own, in a module "
            f"that can be imported from {os.getcwd()}. Received: {settings.name} ({error})"
        ) from error
    if not isinstance(loss_class, type) or not issubclass(
        loss_class, keras_noisy.losses.RobustLoss
    ):
        raise ValueError(
            "loss.name must be a subclass of keras_noisy.losses.LabelLoss or RowLoss. Received: "
            f"{settings.name}, {loss_class!r}"
        )
    arguments: dict[str, Any] = {**settings.arguments, **options}
    try:
        return loss_class(**arguments)
    except TypeError as error:  # a hyperparameter that the loss does not have
        raise ValueError(f"loss.arguments: {error}") from error


def name_noise(configuration: Configuration) -> str:
    """Returns the name of the noise for losses whose published numbers depend on it."""
    model, rate = configuration.noise.model, configuration.noise.rate
    if model == "none" or rate == 0.0:
        return "none"
    # The literature calls both of these asymmetric.
    return f"{'asymmetric' if model in ('index_block', 'pair_flip') else model} {rate:g}"


def closest_published(num_classes: int) -> str:
    """Returns the data set with published weights whose number of classes is the most similar."""
    if num_classes <= 10:
        return "cifar10"
    return "cifar100" if num_classes <= 100 else "webvision"


def build_network(configuration: Configuration, task: Task) -> keras.Model:
    """Builds the network, which returns logits."""
    name, library = configuration.network.name, configuration.network.library
    arguments = configuration.network.arguments
    if name == "small_cnn":
        return models.small_cnn(task.num_classes, task.shape, **arguments)
    if name == "mlp1024":
        return models.mlp1024(task.num_classes, task.shape, **arguments)
    statistics = configuration.data.name if configuration.data.name in IN_MEMORY else "imagenet"
    is_colour = len(task.shape) == 3 and (task.shape[-1] == 3 or statistics == "fashion_mnist")
    normalisation = datasets.normalisation(statistics) if is_colour else None
    if name == "cnn8":
        return models.cnn8(task.num_classes, task.shape, normalisation, **arguments)
    depth = int(name[-2:])
    if name.startswith("cifar_resnet"):
        return models.cifar_resnet(task.num_classes, depth, task.shape, normalisation, **arguments)
    arguments = {"library": library, **arguments}
    return models.resnet(task.num_classes, depth, task.shape, normalisation, **arguments)
