"""Finds out what is wrong with an image file."""

import os
from pathlib import Path

from keras_noisy.datasets._image_files import formats
from keras_noisy.datasets._image_files.decoding import decode_image, lacks_data, read_by_pillow
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow

_DAMAGED = "truncated or damaged"


def inspect_image(path: str | os.PathLike) -> str | None:
    """Decodes an image file and returns what is wrong with it.

    Args:
        path: The file.

    Returns:
        A short reason, or `None` if all of the image can be decoded, whatever the suffix of the
        file name: a JPEG, including greyscale and CMYK, a PNG, GIF, BMP or WebP, and, if Pillow is
        installed, any other format that it reads.

    Raises:
        ImportError: If TensorFlow is not installed.

    Example:

    >>> from keras_noisy.datasets import inspect_image
    >>> inspect_image("no_such_folder/image.jpg")
    'missing'
    """
    tf = require_tensorflow()
    try:
        contents = Path(path).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    if not contents:
        return "empty"
    if contents[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    name, needs_pillow = formats.identify(contents)
    try:
        image = read_by_pillow(contents) if needs_pillow else decode_image(contents)
    except ValueError as error:
        return str(error)
    except tf.errors.InvalidArgumentError:
        return _DAMAGED
    if min(image.shape[:2]) == 0:
        return "an image without pixels"
    return _DAMAGED if name == "JPEG" and lacks_data(contents) else None
