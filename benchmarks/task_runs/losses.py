"""The losses that are compared. A new variant is one entry of `LOSSES`."""

from collections.abc import Callable
from typing import NamedTuple

import keras
from model import closest_published

import keras_noisy
from keras_noisy import LogitBias
from keras_noisy.losses import RobustLoss


class Setting(NamedTuple):
    """What a loss may depend on.

    Attributes:
        num_classes: Number of classes.
        steps: Number of steps of the training.
        noise: Name of the noise, `"none"` or a model and a rate, such as `"symmetric-0.4"`.
    """

    num_classes: int
    steps: int
    noise: str = "none"

    @property
    def rate(self) -> float:
        """The share of wrong labels."""
        return 0.0 if self.noise == "none" else float(self.noise.split("-")[1])


# A loss, or one that takes its bias from a layer, and that layer, which is put behind the network.
Variant = RobustLoss | tuple[RobustLoss, LogitBias]


def with_layer(loss: RobustLoss, layer: LogitBias) -> Variant:
    """Returns the variant of a loss that takes its bias from a layer."""
    return loss.with_options(logit_bias=layer), layer


def get_published(name: str, setting: Setting) -> RobustLoss:
    """Returns a combination with the weights for a data set of a similar number of classes."""
    model, _, rate = setting.noise.partition("-")
    models = {"pair": "asymmetric", "instance": "instance_dependent"}
    noise = f"{models.get(model, model)} {rate}".strip()
    return keras_noisy.losses.get(name, dataset=closest_published(setting.num_classes), noise=noise)


def forward(setting: Setting, factor: float = 1.0) -> RobustLoss:
    """Returns forward correction for symmetric noise with a multiple of the true rate."""
    largest = 0.95 * (setting.num_classes - 1) / setting.num_classes
    return keras_noisy.ForwardCE(min(factor * setting.rate, largest))


LOSSES: dict[str, Callable[[Setting], Variant]] = {
    "CE": lambda s: keras_noisy.CE(),
    "MAE": lambda s: keras_noisy.MAE(),
    "MAE, constant bias": lambda s: keras_noisy.MAE(logit_bias="auto"),
    "MAE, adaptive bias": lambda s: keras_noisy.MAE(logit_bias="adaptive"),
    "MAE, annealed bias": lambda s: with_layer(
        keras_noisy.MAE(), LogitBias(training_steps=s.steps)
    ),
    "MAE, class-wise bias": lambda s: with_layer(keras_noisy.MAE(), LogitBias()),
    "GCE(0.7)": lambda s: keras_noisy.GCE(q=0.7),
    "GCE(auto)": lambda s: keras_noisy.GCE(q="auto"),
    "SCE": lambda s: keras_noisy.SCE(),
    "PHuberCE": lambda s: keras_noisy.PHuberCE(),
    "JS": lambda s: keras_noisy.JS(),
    "BiTempered": lambda s: keras_noisy.BiTempered(),
    "NCE+RCE": lambda s: get_published("nce+rce", s),
    "NCE+AGCE": lambda s: get_published("nce+agce", s),
    "MAE-rescale": lambda s: keras_noisy.MAERescale(),
    "ForwardCE": forward,
    "ForwardCE, half the rate": lambda s: forward(s, 0.5),
    "ForwardCE, double the rate": lambda s: forward(s, 2.0),
    "eps-softmax": lambda s: get_published("eps-ce+mae", s),
    "JAL": lambda s: get_published("jal-ce", s),
}


def compile_model(
    network: keras.Model, optimizer: keras.optimizers.Optimizer, name: str, setting: Setting
) -> keras.Model:
    """Compiles a network, which returns logits, with a loss; returns the model to train."""
    variant = LOSSES[name](setting)
    loss, layer = variant if isinstance(variant, tuple) else (variant, None)
    model = network if layer is None else keras.Model(network.input, layer(network.output))
    model.compile(optimizer, loss=loss.with_options(from_logits=True), metrics=["accuracy"])
    return model
