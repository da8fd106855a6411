"""WebVision 1.0: 2.4 million web images of the 1,000 classes of ILSVRC 2012.

The labels are the search queries that found the images.
"""

import os
from pathlib import Path
from typing import Any

from keras_noisy._arguments import check_choice
from keras_noisy.datasets._image_files.from_files import build_from_files
from keras_noisy.datasets._image_files.webvision_lists import (
    MINI_CLASSES,
    NUM_CLASSES,
    SUBSETS,
    list_ilsvrc12_files,
    list_training_files,
    list_validation_files,
    read_class_names,
    select_first_classes,
)
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline

__all__ = ["pipeline"]


def pipeline(
    root: str | os.PathLike,
    split: str = "train",
    subset: str = "google",
    *,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    max_bad_files: int = 10,
    bad_images: str | os.PathLike = "bad_images.csv",
    ilsvrc12: str | os.PathLike | None = None,
    **options: Any,
) -> Pipeline:
    """Returns WebVision 1.0 as a tf.data pipeline of raw pixels, read from the official folders.

    The images are read from where they are; nothing is copied or re-encoded. Augmentation, bad
    files and determinism are those of `keras_noisy.datasets.image_list.pipeline`. To normalise the
    images, start the model with `keras_noisy.datasets.normalisation("imagenet")`.

    | subset | classes | training images |
    | --- | --- | --- |
    | `"mini"` | 50 | 65,944 |
    | `"google"` | 1,000 | 980,449 |
    | `"flickr"` | 1,000 | about 1.4 million |
    | `"all"` | 1,000 | about 2.4 million |

    Args:
        root: Folder with `info`, `google`, `flickr` and `val_images_256`. If something is missing,
            the error says what to download, how large it is, and where to put it.
        split: `"train"`; `"val"`, 50 images of each class, labelled by people; or `"ilsvrc12"`, the
            same number from the validation set of ILSVRC 2012. Defaults to `"train"`.
        subset: One of the above. `"mini"` also selects the first 50 classes of the other splits.
            Defaults to `"google"`.
        image_size: Positive integer, height and width. Defaults to `224`.
        colour_jitter: Whether augmentation also changes colours. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad; if there are
            more, training stops. Images that `bad_images` lists already are not counted. Defaults
            to `0.01`.
        max_bad_files: Number of bad images that is allowed even if it is more than
            `max_bad_share`, unless it is more than half of all. Defaults to `10`.
        bad_images: CSV file of the bad images, read and appended to. An entry belongs to the
            folder of the images, and holds until the file changes; `keras-noisy check-images`
            creates the list beforehand. Defaults to `"bad_images.csv"`.
        ilsvrc12: Folder of the ILSVRC 2012 validation images: one folder for each synset, or a list
            `val.txt`. Needed for that split only. Defaults to `None`.
        **options: `batch_size`, `noise`, `seed`, `worker`, `num_workers` and so on; see
            `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, or if too many images are bad.
        FileNotFoundError: If something is missing; the message says how to get it.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> from keras_noisy.datasets import webvision
    >>> try:
    ...     train = webvision.pipeline("no_such_folder", "train", "mini", batch_size=256)
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    WebVision 1.0 is looked for in no_such_folder, and info/train_filelist_google.txt is not there

    References:

    - Li, Wang, Li, Agustsson, Van Gool, 2017, "WebVision Database: Visual Learning and
      Understanding from Web Data", [arXiv:1708.02862](https://arxiv.org/abs/1708.02862).
    """
    check_choice("split", split, ("train", "val", "ilsvrc12"))
    check_choice("subset", subset, SUBSETS)
    resolved = resolve_options(options, is_training=split == "train")
    root = folder = Path(root)
    if split == "train":
        files = list_training_files(root, subset)
    elif split == "val":
        files = list_validation_files(root)
    elif ilsvrc12 is None:
        raise ValueError('`ilsvrc12` must be a folder for split="ilsvrc12". Received: None')
    else:
        folder = Path(ilsvrc12)
        files = list_ilsvrc12_files(root, folder)
    num_classes = MINI_CLASSES if subset == "mini" else NUM_CLASSES
    return build_from_files(
        folder,
        select_first_classes(files, num_classes),
        num_classes,
        resolved,
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        max_bad_files=max_bad_files,
        bad_images=Path(bad_images),
        source=f"{os.fspath(folder)} ({split}, {subset})",
        class_names=read_class_names(root, num_classes),
    )
