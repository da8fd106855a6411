import dataclasses
from typing import Any

from keras_noisy._arguments import check_flag, check_integer


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that every pipeline takes.

    Args:
        batch_size: Positive integer, the number of images in a batch. Defaults to `128`.
        shuffle: Whether to shuffle each epoch; the order is a function of the seed and the epoch
            alone. Defaults to `None`: only the training split is shuffled.
        augment: Whether to change images at random, as the literature does for this data set.
            Defaults to `None`: only those of the training split are.
        noise: Label noise: a transition matrix (K, K), or an integer array with the noisy label of
            each sample of the split. Defaults to `None`: the labels of the data set.
        seed: Non-negative integer below 2^63, the seed of the noise, the order and the
            augmentation. Defaults to `0`.
        keep_clean: Whether labels are dictionaries with the `"noisy"` and the `"clean"` ones, for
            `keras_noisy.training.LabelNoiseMonitor`; `fit` itself needs plain ones. Defaults to
            `False`.
        worker: Index of this worker, counted from 0. Defaults to `0`.
        num_workers: Number of workers that share each epoch. Defaults to `1`.
        first_epoch: The epoch of the first iteration, to continue an interrupted training. On JAX
            and PyTorch, `fit` reads a batch before it begins, which is an iteration too: there, the
            first epoch of a training is the one after. Defaults to `0`.
        whole_batches: Whether every batch has `batch_size` images, as JAX needs it to share batches
            among devices. With `shuffle`, the images that are left over at the end of an epoch are
            dropped. Otherwise batches are `(images, labels, weights)` and no image is dropped: the
            last batch is padded with blank images of weight 0, and all other images have the weight
            that makes Keras's mean over batches the mean over images (pass the metrics to `compile`
            as `weighted_metrics`; Keras does not take `class_weight` for such batches). Every
            worker reads all images and keeps its part, so that all workers have the same number of
            batches. Defaults to `False`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    batch_size: int = 128
    shuffle: bool | None = None
    augment: bool | None = None
    noise: Any = None
    seed: int = 0
    keep_clean: bool = False
    worker: int = 0
    num_workers: int = 1
    first_epoch: int = 0
    whole_batches: bool = False

    def __post_init__(self) -> None:
        for name, least in (
            ("batch_size", 1),
            ("seed", 0),
            ("worker", 0),
            ("num_workers", 1),
            ("first_epoch", 0),
        ):
            check_integer(name, getattr(self, name), least)
        if self.seed >= 2**63:
            raise ValueError(f"`seed` must be less than 2^63. Received: seed={self.seed!r}")
        if self.worker >= self.num_workers:
            raise ValueError(
                "`worker` must be less than `num_workers`. "
                f"Received: worker={self.worker}, num_workers={self.num_workers}"
            )
        for name in ("shuffle", "augment", "keep_clean", "whole_batches"):
            check_flag(name, getattr(self, name), or_none=name in ("shuffle", "augment"))


def resolve_options(arguments: dict[str, Any], *, is_training: bool) -> Options:
    """Returns the options of a call; `shuffle` and `augment` default to `is_training`.

    Raises:
        TypeError: If there is no option of a given name.
        ValueError: If an option is out of its range.
    """
    known = {field.name for field in dataclasses.fields(Options)}
    if unknown := sorted(set(arguments) - known):
        raise TypeError(f"Unknown arguments: {unknown}. There are {sorted(known)}.")
    options = Options(**arguments)
    return dataclasses.replace(
        options,
        shuffle=is_training if options.shuffle is None else options.shuffle,
        augment=is_training if options.augment is None else options.augment,
    )
