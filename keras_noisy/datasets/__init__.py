"""Datasets, loaded as `keras.datasets` are, and what feeds them to `fit`."""

from keras_noisy.datasets import (
    arrays,
    cifar10,
    cifar100,
    fashion_mnist,
    glyphs,
    image_folder,
    image_list,
    tfds,
    webvision,
)
from keras_noisy.datasets.augmentation import augmentation, normalisation
from keras_noisy.datasets.bad_images import inspect_image, read_bad_images
from keras_noisy.datasets.check_images import check_images
from keras_noisy.datasets.file_list import BadImage, FileList, read_file_list
from keras_noisy.datasets.pipeline import Options, Pipeline
from keras_noisy.datasets.shuffled_batches import ShuffledBatches

__all__ = [
    "BadImage",
    "FileList",
    "Options",
    "Pipeline",
    "ShuffledBatches",
    "arrays",
    "augmentation",
    "check_images",
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "glyphs",
    "image_folder",
    "image_list",
    "inspect_image",
    "normalisation",
    "read_bad_images",
    "read_file_list",
    "tfds",
    "webvision",
]
