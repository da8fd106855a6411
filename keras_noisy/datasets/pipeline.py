"""What every data set gives to `fit`: a tf.data pipeline, and what is known of it."""

import dataclasses
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_choice, check_flag, check_integer
from keras_noisy._extras import require
from keras_noisy.noise import corrupt

Indices = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A data set on its way to `fit`, on any backend.

    Attributes:
        dataset: `tf.data.Dataset` of batches `(images, labels)`: images `uint8` (batch, height, width,
            channels), labels `int32` (batch,), or `{"noisy": labels, "clean": labels}` with
            `keep_clean=True`. Each iteration is one epoch.
        num_classes: Number of classes.
        num_samples: Number of images in an epoch, of this worker; where files turn out to be bad,
            there are fewer.
        batch_size: Images in a batch; the last one of an epoch may have fewer.
        class_names: Names in the order of the labels, where the data set has some.
    """

    dataset: Any
    num_classes: int
    num_samples: int
    batch_size: int
    class_names: tuple[str, ...] | None = None

    @property
    def element_spec(self) -> Any:
        """Shapes and types of a batch, as `tf.TensorSpec`."""
        return self.dataset.element_spec

    @property
    def steps(self) -> int:
        """Batches in an epoch, what `LogitBias(training_steps=epochs * steps)` asks for."""
        return -(-self.num_samples // self.batch_size)


@dataclasses.dataclass(frozen=True)
class Options:
    """What can be asked of every pipeline.

    Args:
        batch_size: Positive integer, the images in a batch. Defaults to `128`.
        shuffle: Whether each epoch has an order of its own, a function of seed and epoch alone.
            Defaults to `None`: the training split has.
        augment: Whether images are changed at random, as the literature does for this data set.
            Defaults to `None`: those of the training split are.
        noise: Label noise: a transition matrix (K, K), or an integer array with the noisy label of
            each sample of the split. Defaults to `None`: the labels of the data set.
        seed: Non-negative integer below 2^63, of the noise, the order and the augmentation. Defaults to
            `0`.
        keep_clean: Whether labels are dictionaries with the `"noisy"` and the `"clean"` one, for
            `keras_noisy.training.LabelNoiseMonitor`; `fit` itself wants plain ones. Defaults to `False`.
        worker: Which of the workers this is, counted from 0. Defaults to `0`.
        num_workers: Number of workers that share each epoch. Defaults to `1`.
        first_epoch: The epoch that the first iteration is, to go on with an interrupted training.
            On JAX and PyTorch, `fit` looks at a batch before it begins, which is an iteration, too: there the
            first epoch of a training is the one after. Defaults to `0`.
        whole_batches: Whether every batch has `batch_size` images, as JAX needs it to share batches among
            devices. What is left over at the end of a shuffled epoch is left out. Otherwise batches are
            `(images, labels, weights)`: nothing is left out, and the last one is filled up with blank images
            of weight 0; the others have the one weight with which Keras's mean over batches is that over images
            (give `compile` the metrics as `weighted_metrics`). Every worker reads all images and keeps its part,
            so that all have as many batches. Defaults to `False`.

    Raises:
        ValueError: If an argument is none of the above.
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

    def labels(self, noisy: Any, clean: Any) -> Any:
        """The labels of a sample or a batch, as the pipeline gives them."""
        return {"noisy": noisy, "clean": clean} if self.keep_clean else noisy

    @classmethod
    def of(cls, options: dict[str, Any], *, is_training: bool) -> Self:
        """The options of a call: those that are not given depend on the split."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(options) - known):
            raise TypeError(f"Unknown arguments: {unknown}. There are {sorted(known)}.")
        read = cls(**options)
        return dataclasses.replace(
            read,
            shuffle=is_training if read.shuffle is None else read.shuffle,
            augment=is_training if read.augment is None else read.augment,
        )

    @property
    def fills(self) -> bool:
        """Whether batches are filled up and then shared among the workers."""
        return self.whole_batches and not self.shuffle

    @property
    def batch_size_read(self) -> int:
        """Images that are read for a batch."""
        return self.batch_size * self.num_workers if self.fills else self.batch_size

    def weight_in(self, size: int) -> float:
        """The weight of an image where batches are filled up; `size` is the number of images in an epoch.

        Keras divides by the places of all batches, filled or not.
        """
        return -(-size // self.batch_size_read) * self.batch_size_read / size

    def samples_of(self, size: int) -> int:
        """How many of an epoch's samples, as `order` has them, reach `fit`."""
        if self.fills:
            return -(-size // self.num_workers)
        if self.whole_batches and size < self.batch_size:
            raise ValueError(
                f"`batch_size` must be at most {size}, the number of images, for whole batches. "
                f"Received: batch_size={self.batch_size}"
            )
        return size - size % self.batch_size if self.whole_batches else size

    def order(
        self, num_samples: int, epoch: int, usable: NDArray[np.bool_] | None = None
    ) -> Indices:
        """The samples of an epoch, those of this worker; `usable` says which samples there are at all."""
        order = np.arange(num_samples, dtype="int64")
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        if usable is not None:  # before they are shared, or workers would have more and fewer
            order = order[usable[order]]
        if self.fills:
            return order
        if not self.shuffle:
            return order[self.worker :: self.num_workers]
        # As many for each: workers that train together take the same number of steps.
        shared = len(order) - len(order) % self.num_workers
        return order[: shared or len(order)][self.worker :: self.num_workers]


def require_tf() -> Any:
    return require("tensorflow", extra="datasets")


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for tf.data whose source TensorFlow does not rewrite: there is no need."""
    return require_tf().autograph.experimental.do_not_convert(function)


def check_folder(argument: str, folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`{argument}` must be a folder. Received: {argument}={os.fspath(folder)!r}"
        )


def epochs(dataset_of: Callable[[Any], Any], first_epoch: int) -> Any:
    """A `tf.data.Dataset`: each iteration over it is `dataset_of(epoch)` of the next epoch.

    What belongs to an epoch is made in there: iterations may go on at the same time, or be given up.
    """
    tf = require_tf()
    counter = itertools.count(first_epoch)

    def of_next_epoch(_: Any) -> Any:
        epoch = tf.numpy_function(lambda: np.int64(next(counter)), [], tf.int64)
        epoch.set_shape(())
        return dataset_of(epoch)

    return tf.data.Dataset.from_tensors(0).flat_map(as_it_is(of_next_epoch))


def in_order(order_of: Callable[[int], Indices], epoch: Any) -> Any:
    """A `tf.data.Dataset` of `(position, index)`: the samples of an epoch."""
    tf = require_tf()
    order = tf.numpy_function(lambda epoch: order_of(int(epoch)), [epoch], tf.int64)
    order.set_shape((None,))
    return tf.data.Dataset.from_tensor_slices(order).enumerate()


def decoded(samples: Any, load: Callable[..., Any]) -> Any:
    """A `tf.data.Dataset` of what `load` makes of samples, on all processors, in their order."""
    tf = require_tf()
    options = tf.data.Options()
    # Whoever decodes images needs all processors; finding that out would take 5 % of their time.
    options.autotune.enabled = False
    # Some more than there are processors: they go on while a batch is put together.
    calls = 4 * (os.cpu_count() or 1)
    images = samples.map(as_it_is(load), num_parallel_calls=calls, deterministic=True)
    return images.with_options(options)


def expecting(dataset: Any, steps: Callable[[], int]) -> Any:
    """Says how many batches an epoch has; unlike `assert_cardinality`, it may turn out to have fewer.

    Without a number, `fit` shows no share of the first epoch, and ends it with a warning.
    """
    tf = require_tf()
    dataset.cardinality = lambda: tf.constant(steps(), tf.int64)
    return dataset


def in_whole_batches(batches: Any, options: Options, size: int) -> Any:
    """Batches of one size, from a `tf.data.Dataset` of `size` images whose last batch may have fewer."""
    tf = require_tf()

    def fill(x: Any, y: Any) -> Any:
        present = tf.shape(x)[0]
        mine = slice(options.worker * options.batch_size, (options.worker + 1) * options.batch_size)

        def filled(values: Any) -> Any:
            added = options.batch_size_read - present
            return tf.pad(values, [(0, added)] + [(0, 0)] * (len(values.shape) - 1))[mine]

        weights = tf.fill([present], options.weight_in(size))
        return tf.nest.map_structure(filled, (x, y, weights))

    if options.fills:
        return batches.map(as_it_is(fill))
    if options.whole_batches:
        return batches.filter(as_it_is(lambda x, y: tf.shape(x)[0] == options.batch_size))
    return batches


def sample_seed(seed: int, epoch: Any, index: Any) -> Any:
    """What is drawn for a sample in an epoch follows from this, and from nothing else."""
    return require_tf().stack([seed + epoch * 2**32, index])


def read_noise(noise: Any, num_samples: int, num_classes: int) -> NDArray | None:
    """A transition matrix (K, K), or the noisy label of each sample (samples,)."""
    if noise is None:
        return None
    noise = np.asarray(noise)
    if noise.shape == (num_classes, num_classes):
        return noise
    if noise.shape == (num_samples, 1):  # as `keras.datasets` has labels
        noise = noise.ravel()
    is_valid = np.issubdtype(noise.dtype, np.integer) and noise.shape == (num_samples,)
    if not is_valid or (noise.size and not (noise.min() >= 0 and noise.max() < num_classes)):
        raise ValueError(
            f"`noise` must be a transition matrix of {num_classes} x {num_classes}, or {num_samples} "
            f"integers in [0, {num_classes}), one for each sample. "
            f"Received: {noise.dtype} of shape {noise.shape}"
        )
    return noise


def noisy_labels(labels: NDArray, noise: Any, seed: int, num_classes: int) -> NDArray[np.int32]:
    """The labels that training sees, of all samples of a split."""
    noise = read_noise(noise, len(labels), num_classes)
    if noise is None:
        return np.asarray(labels, "int32")
    return (corrupt(labels, noise, seed) if noise.ndim == 2 else noise).astype("int32")


def from_arrays(
    images: NDArray[np.uint8],
    labels: NDArray,
    num_classes: int,
    options: Options,
    augmentation: Callable[[Any, Any], Any] | None,
    class_names: tuple[str, ...] | None = None,
    clean_labels: NDArray | None = None,
) -> Pipeline:
    """A pipeline of images that fit into memory; the clean labels are the labels, if not given.

    `augmentation` makes images from images and a seed.
    """
    tf = require_tf()
    labels = np.asarray(labels).ravel()
    noisy = noisy_labels(labels, options.noise, options.seed, num_classes)
    clean = labels if clean_labels is None else clean_labels
    if images.ndim == 3:
        images = images[..., np.newaxis]
    # As tensors, which the graph refers to; as arrays it would hold copies.
    image_of, noisy_of, clean_of = (
        tf.constant(each) for each in (images, noisy, np.asarray(clean, "int32"))
    )

    def batches_of(epoch: Any) -> Any:
        def batch_of(position: Any, index: Any) -> tuple[Any, Any]:
            x = tf.gather(image_of, index)
            if options.augment and augmentation is not None:
                x = to_pixels(augmentation(x, sample_seed(options.seed, epoch, position[0])))
            return x, options.labels(tf.gather(noisy_of, index), tf.gather(clean_of, index))

        order = in_order(lambda epoch: options.order(len(labels), epoch), epoch)
        batches = order.batch(options.batch_size_read).map(
            as_it_is(batch_of), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return in_whole_batches(batches, options, len(labels))

    pipeline = Pipeline(
        epochs(batches_of, options.first_epoch).prefetch(tf.data.AUTOTUNE),
        num_classes,
        options.samples_of(len(options.order(len(labels), 0))),
        options.batch_size,
        class_names,
    )
    known = tf.data.experimental.assert_cardinality(pipeline.steps)
    return dataclasses.replace(pipeline, dataset=pipeline.dataset.apply(known))


def from_splits(
    load: Callable[[], Any],
    split: str,
    options: dict[str, Any],
    num_classes: int,
    augmentation: Callable[[Any, Any], Any] | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Pipeline:
    """The pipeline of a split of `(train), (test)`, as `keras.datasets` load them."""
    check_choice("split", split, ("train", "test"))
    is_training = split == "train"
    read = Options.of(options, is_training=is_training)
    x, y = load()[0 if is_training else 1]
    return from_arrays(x, y, num_classes, read, augmentation, class_names)


def to_pixels(images: Any) -> Any:
    """Images as `uint8` again, rounded."""
    import tensorflow as tf

    return tf.saturate_cast(tf.round(images), tf.uint8)
