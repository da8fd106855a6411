"""WebVision 1.0: 2.4 million web images of the 1,000 classes of ILSVRC 2012, labelled by search queries."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_noisy._arguments import check_choice
from keras_noisy.datasets.file_list import FileList, read_file_list
from keras_noisy.datasets.image_list import from_files
from keras_noisy.datasets.pipeline import Options, Pipeline

NUM_CLASSES = 1000
# "mini", as in the literature: of the first 50 classes, what Google found.
MINI_CLASSES = 50
SUBSETS = ("mini", "google", "flickr", "all")

INSTRUCTIONS = """WebVision 1.0 is looked for in {root}, and {missing} is not there. Fetch from
https://data.vision.ee.ethz.ch/cvl/webvision/ what you need, and unpack it in that folder:
  info.tar                 0.2 GB  the lists of files and labels; always needed
  google_resized_256.tar    17 GB  training images of "mini" and "google", to {root}/google
  flickr_resized_256.tar           training images of "flickr"; "all" needs both, to {root}/flickr
  val_images_256.tar       0.9 GB  50,000 validation images, to {root}/val_images_256
for instance:
  mkdir -p {root} && cd {root}
  for f in info google_resized_256 val_images_256; do
    wget -c https://data.vision.ee.ethz.ch/cvl/webvision/$f.tar && tar -xf $f.tar
  done
The terms of use are on that site."""

ILSVRC_INSTRUCTIONS = """The validation images of ILSVRC 2012 are looked for in {root}, and {missing} is not there.
After registration, https://image-net.org/download-images offers ILSVRC2012_img_val.tar (6.3 GB). Either sort
the images into one folder for each synset ({root}/n01440764/ILSVRC2012_val_….JPEG), as most training code
has it, or keep them in {root} and put a list val.txt with a line `file label` there, labels counted from 0 in
the order of the synsets."""


def pipeline(
    root: str | os.PathLike,
    split: str = "train",
    subset: str = "google",
    *,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    bad_images: str | os.PathLike = "bad_images.csv",
    ilsvrc12: str | os.PathLike | None = None,
    **options: Any,
) -> Pipeline:
    """WebVision 1.0 as a tf.data pipeline of raw pixels, read from the official folders and lists.

    The images are read where they are; nothing is copied or encoded anew. Augmentation, bad files and
    determinism are those of `keras_noisy.datasets.image_list.pipeline`. To normalise the images, begin the
    model with `keras_noisy.datasets.normalisation("imagenet")`.

    | subset | classes | training images |
    | --- | --- | --- |
    | `"mini"` | 50 | 65,944 |
    | `"google"` | 1,000 | 980,449 |
    | `"flickr"` | 1,000 | about 1.4 million |
    | `"all"` | 1,000 | about 2.4 million |

    Args:
        root: Folder with `info`, `google`, `flickr` and `val_images_256`. If something is missing, the
            error says what to download, how large it is, and where to put it.
        split: `"train"`; `"val"`, 50 images of each class, labelled by people; or `"ilsvrc12"`, the same
            number from the validation set of ILSVRC 2012.
        subset: One of the above. Of the other splits, `"mini"` has the first 50 classes, too. Defaults
            to `"google"`.
        image_size: Positive integer, height and width. Defaults to `224`.
        colour_jitter: Whether augmentation changes colours, too. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad. Defaults to `0.01`.
        bad_images: CSV file of the bad ones, read and added to; `keras-noisy check-images` makes it
            beforehand. Defaults to `"bad_images.csv"`.
        ilsvrc12: Folder of the ILSVRC 2012 validation images: one folder a synset, or a list `val.txt`.
            Needed for that split alone. Defaults to `None`.
        **options: `batch_size`, `noise`, `seed`, `worker`, `num_workers` and so on; see
            `keras_noisy.datasets.Options`.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, or if more images are bad than may be.
        FileNotFoundError: If something is missing; it says what to do.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> from keras_noisy.datasets import webvision
    >>> try:
    ...     train = webvision.pipeline("no_such_folder", "train", "mini", batch_size=256)
    ... except FileNotFoundError as error:
    ...     print(str(error).splitlines()[0])
    WebVision 1.0 is looked for in no_such_folder, and info/train_filelist_google.txt is not there. Fetch from

    References:

    - Li, Wang, Li, Agustsson, Van Gool, 2017, "WebVision Database: Visual Learning and Understanding from
      Web Data", [arXiv:1708.02862](https://arxiv.org/abs/1708.02862).
    """
    check_choice("split", split, ("train", "val", "ilsvrc12"))
    check_choice("subset", subset, SUBSETS)
    is_training = split == "train"
    read = Options.of(options, is_training=is_training)
    folder = Path(root)
    if split == "ilsvrc12":
        if ilsvrc12 is None:
            raise ValueError('`ilsvrc12` must be a folder for split="ilsvrc12". Received: None')
        files, folder = _ilsvrc12(folder, Path(ilsvrc12)), Path(ilsvrc12)
    else:
        files = training_files(folder, subset) if is_training else validation_files(folder)
    num_classes = MINI_CLASSES if subset == "mini" else NUM_CLASSES
    return from_files(
        folder,
        of_first_classes(files, num_classes),
        num_classes,
        read,
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        bad_images=Path(bad_images),
        class_names=class_names(Path(root), num_classes),
    )


def training_files(root: Path, subset: str) -> FileList:
    """The training images of a subset and their labels."""
    name = "google" if subset == "mini" else subset
    path = _existing(root, f"info/train_filelist_{name}.txt")
    for folder in ("google", "flickr") if subset == "all" else (name,):
        _existing(root, folder)
    return read_file_list(path, NUM_CLASSES)


def validation_files(root: Path) -> FileList:
    """The validation images and their labels."""
    path = _existing(root, "info/val_filelist.txt")
    _existing(root, "val_images_256")
    return read_file_list(path, NUM_CLASSES, prefix="val_images_256/")


def of_first_classes(files: FileList, num_classes: int) -> FileList:
    """The images of the first classes alone."""
    if num_classes == NUM_CLASSES:
        return files
    kept = np.flatnonzero(files.labels < num_classes)
    return FileList([files.paths[i] for i in kept], files.labels[kept], files.bad)


def class_names(root: Path, num_classes: int) -> tuple[str, ...] | None:
    """The names in `info/synsets.txt`, if it is there."""
    path = root / "info" / "synsets.txt"
    if not path.is_file():
        return None
    return tuple(line.split(maxsplit=1)[-1] for line in _synsets(path)[:num_classes])


def _synsets(path: Path) -> list[str]:
    """The lines of `info/synsets.txt`: a synset and its name, in the order of the labels."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _ilsvrc12(root: Path, folder: Path) -> FileList:
    if (folder / "val.txt").is_file():
        return read_file_list(folder / "val.txt", NUM_CLASSES)
    synsets = [line.split()[0] for line in _synsets(_existing(root, "info/synsets.txt"))]
    paths, labels = [], []
    for label, synset in enumerate(synsets):
        for path in sorted((folder / synset).glob("*.JPEG")):
            paths.append(os.fsencode(path.relative_to(folder)))
            labels.append(label)
    if not paths:
        missing = "a list val.txt or a folder such as n01440764"
        raise FileNotFoundError(ILSVRC_INSTRUCTIONS.format(root=folder, missing=missing))
    return FileList(paths, np.array(labels, "int32"), [])


def _existing(root: Path, name: str) -> Path:
    if not (root / name).exists():
        raise FileNotFoundError(INSTRUCTIONS.format(root=root, missing=name))
    return root / name
