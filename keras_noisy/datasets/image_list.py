"""Images in a folder, with a list of their labels."""

import os
from pathlib import Path
from typing import Any

from keras_noisy.datasets._image_files.file_list import read_file_list
from keras_noisy.datasets._image_files.from_files import build_from_files
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.datasets._pipeline.pipeline import Pipeline

__all__ = ["pipeline"]


def pipeline(
    root: str | os.PathLike,
    file_list: str | os.PathLike,
    num_classes: int,
    *,
    is_training: bool = True,
    image_size: int = 224,
    colour_jitter: bool = True,
    max_bad_share: float = 0.01,
    max_bad_files: int = 10,
    bad_images: str | os.PathLike = "bad_images.csv",
    class_names: tuple[str, ...] | None = None,
    **options: Any,
) -> Pipeline:
    """Returns images in a folder, with a list of labels, as a tf.data pipeline of raw pixels.

    Training images are random crops of the originals, resized, flipped and changed in colour; of a
    JPEG only the crop is decoded. Evaluation images are centre crops. The augmentation of an image
    depends on `seed`, the epoch and its position in the list alone, and so does the order.

    Files that are damaged, or are not images, are skipped, and training continues. They are added
    to `bad_images`; images that this list has already are not read at all.

    The contents of a file, not its suffix, tell its format: JPEG, PNG, GIF, BMP and WebP, and, if
    Pillow is installed, their rarer variants, TIFF and any other format that Pillow reads. Colours
    are those of Pillow's `convert("RGB")`, so that transparency is ignored; 16-bit values are
    divided by 256. Of an animation, the first frame is used. Images are turned upright as their
    EXIF orientation says.

    Keras reads the number of steps once, so all epochs of a pipeline keep it, from the first one:
    where newly found bad files leave a batch too few, another batch is divided into two. (With
    `whole_batches` and `shuffle` it is used twice, and images are also repeated where there are
    fewer of them than steps.) Pipelines that are made later have fewer steps.

    Nothing is skipped in silence: `Pipeline.skipped` has the images and lines that are not used, by
    reason, and a warning in the log counts them.

    Args:
        root: Folder to which the paths in the list are relative. Absolute paths must lie below it.
        file_list: File with a line `path label` for each image, labels counted from 0; see
            `keras_noisy.datasets.read_file_list`. An image in several lines counts several times.
        num_classes: Number of classes, at least 2.
        is_training: Whether images are shuffled and augmented, unless the options say otherwise.
            Defaults to `True`.
        image_size: Positive integer, height and width of the images. Defaults to `224`.
        colour_jitter: Whether augmentation also changes colours. Defaults to `True`.
        max_bad_share: Share of the images, from 0 to 1, that may turn out to be bad; if there are
            more, training stops. Images that `bad_images` lists already are not counted. Defaults
            to `0.01`.
        max_bad_files: Number of bad images that is allowed even if it is more than
            `max_bad_share`, unless it is more than half of all. Defaults to `10`.
        bad_images: CSV file of the bad images, read and appended to. An entry belongs to `root`,
            and holds until the file changes. Defaults to `"bad_images.csv"`.
        class_names: Class names in the order of the labels. Defaults to `None`.
        **options: `batch_size`, `noise`, `seed` and so on; see `keras_noisy.datasets.Options`. An
            array of labels as `noise` has one for each usable line of the list, in order.

    Returns:
        A `keras_noisy.datasets.Pipeline`.

    Raises:
        ValueError: If an argument is out of its range, or if too many images are bad; during
            training, TensorFlow raises this with the same message and a type of its own.
        FileNotFoundError: If `root` or `file_list` does not exist.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras
    >>> import numpy as np
    >>> from keras_noisy.datasets import image_list
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.jpg", "b.jpg"):
    ...         keras.utils.save_img(Path(folder) / name, np.zeros((300, 200, 3)))
    ...     _ = (Path(folder) / "list.txt").write_text("a.jpg 0\\nb.jpg 1\\n")
    ...     train = image_list.pipeline(folder, Path(folder) / "list.txt", num_classes=2)
    ...     [(x.shape, str(x.dtype)) for x, y in train.dataset.as_numpy_iterator()]
    [((2, 224, 224, 3), 'uint8')]
    """
    files = read_file_list(file_list, num_classes, root=root)
    return build_from_files(
        Path(root),
        files,
        num_classes,
        resolve_options(options, is_training=is_training),
        image_size=image_size,
        colour_jitter=colour_jitter,
        max_bad_share=max_bad_share,
        max_bad_files=max_bad_files,
        bad_images=Path(bad_images),
        source=os.fspath(file_list),
        class_names=class_names,
    )
