"""Reads the official lists of WebVision 1.0, and finds the validation images of ILSVRC 2012."""

from pathlib import Path

import numpy as np

from keras_noisy.datasets._image_files.file_list import FileList, read_file_list
from keras_noisy.datasets._image_files.folders import read_folder

NUM_CLASSES = 1000
# The subset "mini" of the literature has the Google images of the first 50 classes.
MINI_CLASSES = 50
SUBSETS = ("mini", "google", "flickr", "all")

_INSTRUCTIONS = """WebVision 1.0 is looked for in {root}, and {missing} is not there. Fetch from
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

_ILSVRC12_INSTRUCTIONS = """The validation images of ILSVRC 2012 are looked for in {root}, and \
{missing} is not there.
After registration, https://image-net.org/download-images offers ILSVRC2012_img_val.tar (6.3 GB).
Either sort the images into one folder for each synset ({root}/n01440764/ILSVRC2012_val_….JPEG), as
most training code expects them, or keep them in {root} and put a list val.txt there, with a line
`file label` for each image, labels counted from 0 in the order of the synsets."""


def list_training_files(root: Path, subset: str) -> FileList:
    """Returns the training images of a subset, all classes, and their labels."""
    name = "google" if subset == "mini" else subset
    path = _find(root, f"info/train_filelist_{name}.txt")
    for folder in ("google", "flickr") if subset == "all" else (name,):
        _find(root, folder)
    return read_file_list(path, NUM_CLASSES, root=root)


def list_validation_files(root: Path) -> FileList:
    """Returns the validation images of WebVision and their labels."""
    path = _find(root, "info/val_filelist.txt")
    _find(root, "val_images_256")
    return read_file_list(path, NUM_CLASSES, prefix="val_images_256/")


def list_ilsvrc12_files(root: Path, folder: Path) -> FileList:
    """Returns the validation images of ILSVRC 2012 in `folder` and their labels."""
    if (folder / "val.txt").is_file():
        return read_file_list(folder / "val.txt", NUM_CLASSES, root=folder)
    synsets = [line.split()[0] for line in _read_synsets(_find(root, "info/synsets.txt"))]
    files = read_folder(folder, synsets) if folder.is_dir() else None
    if files is None or not files.paths:
        missing = "a list val.txt or a folder such as n01440764"
        raise FileNotFoundError(_ILSVRC12_INSTRUCTIONS.format(root=folder, missing=missing))
    return files


def select_first_classes(files: FileList, num_classes: int) -> FileList:
    """Returns the images of the first `num_classes` classes; keeps all unusable lines."""
    if num_classes == NUM_CLASSES:
        return files
    kept = np.flatnonzero(files.labels < num_classes)
    return files._replace(paths=[files.paths[i] for i in kept], labels=files.labels[kept])


def read_class_names(root: Path, num_classes: int) -> tuple[str, ...] | None:
    """Returns the class names in `info/synsets.txt`, or `None` if there is no such file."""
    path = root / "info" / "synsets.txt"
    if not path.is_file():
        return None
    return tuple(line.split(maxsplit=1)[-1] for line in _read_synsets(path)[:num_classes])


def _read_synsets(path: Path) -> list[str]:
    """Returns the lines of `info/synsets.txt`: a synset and its name, in the order of labels."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _find(root: Path, name: str) -> Path:
    """Returns the path of a part of WebVision, or raises an error that says how to get it."""
    if not (root / name).exists():
        raise FileNotFoundError(_INSTRUCTIONS.format(root=root, missing=name))
    return root / name
