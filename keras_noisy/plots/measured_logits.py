from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_integer, is_integer
from keras_noisy.calibration import InitialLogits, initial_logits
from keras_noisy.datasets import glyphs
from keras_noisy.models import mlp1024, resnet


def measured_logits(
    networks: Sequence[str] = ("MLP1024", "ResNet-34"),
    num_classes: int = 100,
    images: int = 128,
    seeds: Sequence[int] = (0, 1, 2),
    report: Callable[[str], object] = print,
) -> dict[str, list[InitialLogits]]:
    """Measures the logits of two networks that have not been trained, on images of characters.

    The images are those of `keras_noisy.datasets.glyphs`, each of a different character. Nothing is
    downloaded. For ResNet-34, they get a black border, to 32 x 32 pixels, and three equal channels.
    The measurement takes about 20 seconds. It sets the random seed of Keras.

    Args:
        networks: Names of networks: `"MLP1024"` (`keras_noisy.models.mlp1024`), `"ResNet-34"`
            (`keras_noisy.models.resnet`) or both. Without keras-cv, ResNet-34 is left out. Defaults
            to both.
        num_classes: Number of logits of the networks, at least 2. Defaults to `100`.
        images: Number of images, from 2 to 2,000. Defaults to `128`.
        seeds: Seeds of the initialisations, non-negative integers. Defaults to `(0, 1, 2)`.
        report: Function that is called with a line of text if a network is left out. Defaults to
            `print`.

    Returns:
        Dictionary from the name of a network to a list with an `InitialLogits` for each seed, for
        `keras_noisy.plots.logit_distributions`.

    Raises:
        ValueError: If an argument is invalid.
        ImportError: If matplotlib is not installed, whose fonts render the characters.

    Example:

    >>> from keras_noisy.plots import measured_logits
    >>> measured = measured_logits(["MLP1024"], images=8, seeds=[0])
    >>> measured["MLP1024"][0].values.shape
    (8, 100)

    References:

    - Staats, Thamm, Rosenow, 2025, "Enhancing Noise-Robust Losses for Large-Scale Noisy Data
      Learning", [AAAI-25](https://arxiv.org/abs/2306.05497), Figure 5.
    """
    _check_arguments(networks, images, seeds)
    (small, _), _ = glyphs.load_data(
        images, train_per_class=1, test_per_class=1, cache=False, verbose=0
    )
    measured: dict[str, list[InitialLogits]] = {}
    for name in networks:
        try:
            measured[name] = [_measure(name, num_classes, small, seed) for seed in seeds]
        except ImportError as error:
            report(f"{name} is left out: {error}")
    return measured


def _check_arguments(networks: Sequence[str], images: int, seeds: Sequence[int]) -> None:
    allowed = ("MLP1024", "ResNet-34")
    if isinstance(networks, str) or not networks or not all(name in allowed for name in networks):
        raise ValueError(f"`networks` must be some of {allowed}. Received: networks={networks!r}")
    check_integer("images", images, 2, 2000)
    if not seeds or not all(is_integer(seed) and seed >= 0 for seed in seeds):
        raise ValueError(
            f"`seeds` must be at least one non-negative integer. Received: seeds={seeds!r}"
        )


def _measure(name: str, num_classes: int, small: NDArray, seed: int) -> InitialLogits:
    keras.utils.set_random_seed(seed)
    if name == "MLP1024":
        return initial_logits(mlp1024(num_classes, small.shape[1:]), small)
    model = resnet(num_classes, depth=34, input_shape=(32, 32, 3))
    framed = np.pad(small, ((0, 0), (2, 2), (2, 2)))
    return initial_logits(model, np.repeat(framed[..., np.newaxis], 3, axis=-1))
