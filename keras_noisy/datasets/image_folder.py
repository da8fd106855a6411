"""Images in one folder for each class."""

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from keras_noisy._arguments import check_choice, check_number
from keras_noisy.datasets._image_files.file_list import FileList
from keras_noisy.datasets._image_files.folders import check_folder, list_images
from keras_noisy.datasets._image_files.from_files import build_from_files
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline

__all__ = ["list_classes", "pipeline"]


def pipeline(
    root: str | os.PathLike,
    split: str = "train",
    *,
    validation_split: float = 0.0,
    class_names: tuple[str, ...] | None = None,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    bad_images: str | os.PathLike = "bad_images.csv",
    **options: Any,
) -> Pipeline:
    """Returns images in one folder for each class as a tf.data pipeline of raw pixels.

    Classes are numbered in the alphabetical order of their folders; they are in
    `Pipeline.class_names`. All files, at any depth below the folder of a class, that have the
    suffix of a JPEG, PNG, GIF, BMP or WebP are images of that class. Whether an image is held out
    for validation depends on its path alone: it is in the same split in every call, whatever the
    seed, and stays there when other images are added. Augmentation, bad files and determinism are
    those of `keras_noisy.datasets.image_list.pipeline`.

    Args:
        root: Folder with a folder for each class.
        split: `"train"`; `"validation"`, images that `"train"` does not have; or `"test"`, all
            images in `root`. The last two are neither shuffled nor augmented, unless the options
            say otherwise. Defaults to `"train"`.
        validation_split: Share of the images to hold out for validation, in [0, 1), the same for
            both splits. It is approximate, in particular for few images. Defaults to `0.0`.
        class_names: Names of the folders in the order of the labels, such as the `class_names` of
            the training data for those of a test. Defaults to `list_classes(root)`.
        image_size: Positive integer, height and width of the images. Defaults to `224`.
        colour_jitter: Whether augmentation also changes colours. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad; if there are
            more, training stops. Defaults to `0.01`.
        bad_images: CSV file of the bad images, read and appended to. Defaults to
            `"bad_images.csv"`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. An
            array of labels as `noise` has one for each image of the split, in the order of their
            classes and paths.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, if there are no images, or if too many
            images are bad.
        FileNotFoundError: If `root` or the folder of a class does not exist.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.datasets import image_folder
    >>> with tempfile.TemporaryDirectory() as photos:
    ...     for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
    ...         (Path(photos) / name).parent.mkdir(exist_ok=True)
    ...         keras.utils.save_img(Path(photos) / name, np.zeros((300, 200, 3)))
    ...     train = image_folder.pipeline(photos, image_size=64)
    ...     [(x.shape, sorted(y.tolist())) for x, y in train.dataset.as_numpy_iterator()]
    [((3, 64, 64, 3), [0, 0, 1])]
    >>> train.class_names
    ('cat', 'dog')
    """
    check_choice("split", split, ("train", "validation", "test"))
    check_number("validation_split", validation_split, "[0, 1)")
    if split == "validation" and validation_split == 0:
        raise ValueError(
            '`validation_split` must be above 0 for split="validation", and the same for "train". '
            f"Received: validation_split={validation_split!r}"
        )
    folder = Path(root)
    names = list_classes(folder) if class_names is None else _check_names(class_names, folder)
    return build_from_files(
        folder,
        _list_files(folder, names, split, validation_split),
        len(names),
        resolve_options(options, is_training=split == "train"),
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        bad_images=Path(bad_images),
        class_names=names,
    )


def list_classes(root: str | os.PathLike) -> tuple[str, ...]:
    """Returns the names of the classes in a folder, in the order of the labels.

    Args:
        root: Folder with a folder for each class.

    Returns:
        Tuple of the names of the folders in `root` that are not hidden, in alphabetical order.

    Raises:
        ValueError: If there are fewer than two of them.
        FileNotFoundError: If `root` does not exist.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_noisy.datasets import image_folder
    >>> with tempfile.TemporaryDirectory() as photos:
    ...     for name in ("dog", "cat", ".cache"):
    ...         (Path(photos) / name).mkdir()
    ...     image_folder.list_classes(photos)
    ('cat', 'dog')
    """
    check_folder("root", Path(root))
    folders = (each.name for each in Path(root).iterdir() if each.is_dir())
    names = tuple(sorted(name for name in folders if not name.startswith(".")))
    if len(names) < 2:
        raise ValueError(
            "`root` must hold a folder for each class, two or more of them. "
            f"Received: root={os.fspath(root)!r} with the folders {list(names)}"
        )
    return names


def _check_names(class_names: Any, root: Path) -> tuple[str, ...]:
    check_folder("root", root)
    names = () if isinstance(class_names, str) else tuple(class_names)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            "`class_names` must be the names of two or more folders, without duplicates. "
            f"Received: class_names={class_names!r}"
        )
    for name in names:
        if not (root / name).is_dir():
            raise FileNotFoundError(
                f"`class_names` must be folders in {os.fspath(root)!r}. Received: {name!r}, "
                "which is not one of them"
            )
    return names


def _list_files(
    root: Path, names: tuple[str, ...], split: str, validation_split: float
) -> FileList:
    """Returns the images of a split, class by class."""
    paths: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        images = [os.fsencode(f"{name}/{image}") for image in list_images(root / name)]
        if split != "test":
            held_out = split == "validation"
            images = [path for path in images if (_hash(path) < validation_split) == held_out]
        paths += images
        labels += [label] * len(images)
    if not paths:
        raise ValueError(
            f"`root` must hold images in the folders of its classes. Received: "
            f"root={os.fspath(root)!r}, which has none for split={split!r} with "
            f"validation_split={validation_split}"
        )
    return FileList(paths, np.array(labels, "int32"), [])


def _hash(path: bytes) -> float:
    """Returns a number in [0, 1) that is a function of the path, as if drawn at random."""
    digest = blake2b(path, digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
