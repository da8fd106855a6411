"""Data sets, loaded as `keras.datasets` are, and tf.data pipelines of them for `fit`."""

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
from keras_noisy.datasets._image_files.bad_images import BadImage, read_bad_images
from keras_noisy.datasets._image_files.checking import check_images
from keras_noisy.datasets._image_files.file_list import FileList, read_file_list
from keras_noisy.datasets._image_files.inspection import inspect_image
from keras_noisy.datasets._image_files.tables import read_table
from keras_noisy.datasets._pipeline.options import Options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets.augmentation import augmentation, normalisation
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
    "read_table",
    "tfds",
    "webvision",
]
