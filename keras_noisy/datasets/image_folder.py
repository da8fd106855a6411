"""Images in one folder for each class."""

import logging
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_choice, check_integer, check_number
from keras_noisy.datasets._image_files.exclusion import format_skipped
from keras_noisy.datasets._image_files.file_list import FileList
from keras_noisy.datasets._image_files.folders import (
    check_folder,
    list_folders,
    read_folder,
)
from keras_noisy.datasets._image_files.from_files import build_from_files
from keras_noisy.datasets._image_files.inspection import inspect_image
from keras_noisy.datasets._image_files.layouts import find_odd_layout
from keras_noisy.datasets._image_files.transforms import make_image
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow

__all__ = ["list_classes", "load_image", "pipeline"]

_LOG = logging.getLogger("keras_noisy")


def pipeline(
    root: str | os.PathLike,
    split: str = "train",
    *,
    validation_split: float = 0.0,
    class_names: tuple[str, ...] | None = None,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    max_bad_files: int = 10,
    bad_images: str | os.PathLike = "bad_images.csv",
    **options: Any,
) -> Pipeline:
    """Returns images in one folder for each class as a tf.data pipeline of raw pixels.

    Classes are numbered in the alphabetical order of their folders; they are in
    `Pipeline.class_names`. All files, at any depth below the folder of a class, that have the
    suffix of a format that can be decoded are images of that class. Whether an image is held out
    for validation depends on its path alone: it is in the same split in every call, whatever the
    seed, and stays there when other images are added. Formats, augmentation, bad files and
    determinism are those of `keras_noisy.datasets.image_list.pipeline`.

    Hidden and system files and folders (such as `._1.jpg`, `.ipynb_checkpoints`, `__MACOSX`) are
    skipped at any depth, and so are links to folders inside the folder of a class. Nothing is
    skipped in silence: `Pipeline.skipped` has all files that are not used, by reason, and the
    classes without an image in the split; a warning in the log counts them. Other warnings tell of
    folders that look as if they were not classes, such as `train` and `val`.

    Args:
        root: Folder with a folder for each class.
        split: `"train"`; `"validation"`, images that `"train"` does not have; or `"test"`, all
            images in `root`. The last two are neither shuffled nor augmented, unless the options
            say otherwise. Defaults to `"train"`.
        validation_split: Share of the images to hold out for validation, in [0, 1), the same for
            both splits. It is approximate, in particular for few images. Defaults to `0.0`.
        class_names: Names of the folders in the order of the labels, such as the `class_names` of
            the training data for those of a test. They may be paths, such as `"birds/owl"`. A class
            whose folder does not exist has no images. Defaults to `list_classes(root)`.
        image_size: Positive integer, height and width of the images. Defaults to `224`.
        colour_jitter: Whether augmentation also changes colours. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad; if there are
            more, training stops. Images that `bad_images` lists already are not counted. Defaults
            to `0.01`.
        max_bad_files: Number of bad images that is allowed even if it is more than
            `max_bad_share`, unless it is more than half of all. Defaults to `10`.
        bad_images: CSV file of the bad images, read and appended to. An entry belongs to `root`,
            and holds until the file changes. Defaults to `"bad_images.csv"`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. An
            array of labels as `noise` has one for each image of the split, in the order of their
            classes and paths.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, if there are no images, or if too many
            images are bad.
        FileNotFoundError: If `root` does not exist.
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
    all_files = read_folder(folder, names)
    for warning in find_odd_layout(
        folder, names, list(map(os.fsdecode, all_files.paths)), is_default=class_names is None
    ):
        _LOG.warning(warning)
    return build_from_files(
        folder,
        _select_split(folder, all_files, split, validation_split),
        len(names),
        resolve_options(options, is_training=split == "train"),
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        max_bad_files=max_bad_files,
        bad_images=Path(bad_images),
        source=f"{os.fspath(root)} ({split})",
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
    names = tuple(list_folders(Path(root)))
    if len(names) < 2:
        raise ValueError(
            "`root` must hold a folder for each class, two or more of them. "
            f"Received: root={os.fspath(root)!r} with the folders {list(names)}"
            + _suggest_root(Path(root), names)
        )
    return names


def load_image(path: str | os.PathLike, image_size: int = 224) -> NDArray[np.uint8]:
    """Returns an image as a pipeline without augmentation has it, for a prediction.

    It is the centre crop of the upright image, 7/8 of its shorter side, resized. The pixels are
    those with which the images of the splits `"validation"` and `"test"` are evaluated.

    Args:
        path: The file.
        image_size: Positive integer, height and width of the image, as in `pipeline`. Defaults to
            `224`.

    Returns:
        `uint8` array (image_size, image_size, 3).

    Raises:
        ValueError: If the file can't be decoded, or if `image_size` is not a positive integer.
        FileNotFoundError: If there is no such file.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.datasets import image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.utils.save_img(Path(folder) / "1.jpg", np.zeros((300, 200, 3)))
    ...     image_folder.load_image(Path(folder) / "1.jpg", image_size=64).shape
    (64, 64, 3)
    """
    check_integer("image_size", image_size, 1)
    tf = require_tensorflow()
    contents = Path(path).read_bytes()
    try:
        return make_image(tf.constant(contents), image_size, colour_jitter=False).numpy()
    except tf.errors.InvalidArgumentError:
        raise ValueError(
            f"`path` must be an image that can be decoded. Received: path={os.fspath(path)!r} "
            f"({inspect_image(path)})"
        ) from None


def _suggest_root(root: Path, names: tuple[str, ...]) -> str:
    """Returns a hint if the only folder holds the folders of the classes."""
    if len(names) != 1 or len(inner := list_folders(root / names[0])) < 2:
        return ""
    return f". {names[0]!r} holds {inner[:3]}: is it the one to pass?"


def _check_names(class_names: Any, root: Path) -> tuple[str, ...]:
    """Returns the paths of the folders of the classes in the form that the reader has them in."""
    check_folder("root", root)
    given = () if isinstance(class_names, (str, os.PathLike)) else tuple(class_names)
    names = tuple(_normalise_name(name) for name in given)
    is_nested = any(name.startswith(tuple(f"{n}/" for n in names)) for name in names if "/" in name)
    if len(names) < 2 or len(set(names)) < len(names) or not all(names) or is_nested:
        raise ValueError(
            "`class_names` must be the names of two or more folders in `root`, without "
            f"duplicates, and none inside another. Received: class_names={class_names!r}"
        )
    return names


def _normalise_name(name: Any) -> str:
    """Returns `"cat"` for `"./cat/"`, for example, and an empty string for what is no name."""
    if not isinstance(name, (str, os.PathLike)):
        return ""
    text = os.fspath(name).replace(os.sep, "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return "" if text.startswith("/") or ".." in parts else "/".join(parts)


def _select_split(root: Path, files: FileList, split: str, validation_split: float) -> FileList:
    """Returns the images of a split, class by class."""
    kept = np.arange(len(files.paths))
    if split != "test":
        held_out = split == "validation"
        kept = kept[[(_hash(path) < validation_split) == held_out for path in files.paths]]
    if not len(kept):
        others = format_skipped(files.skipped)
        raise ValueError(
            f"`root` must hold images in the folders of its classes. Received: "
            f"root={os.fspath(root)!r}, which has none for split={split!r} with "
            f"validation_split={validation_split}" + (f"; it has {others}" if others else "")
        )
    return files._replace(paths=[files.paths[i] for i in kept], labels=files.labels[kept])


def _hash(path: bytes) -> float:
    """Returns a number in [0, 1) that is a function of the path, as if drawn at random."""
    digest = blake2b(path, digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
