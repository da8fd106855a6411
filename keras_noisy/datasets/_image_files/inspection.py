"""Finds out what is wrong with an image file."""

import os
from pathlib import Path

from keras_noisy.datasets._image_files.decoding import decode_image
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow

# The first bytes of JPEG, PNG, GIF, BMP and WebP files.
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF")


def inspect_image(path: str | os.PathLike) -> str | None:
    """Decodes an image file and returns what is wrong with it.

    Args:
        path: The file.

    Returns:
        A short reason, or `None` if all of the image can be decoded: a JPEG, including greyscale
        and CMYK, a PNG, GIF, BMP or WebP, whatever the suffix of the file name.

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
    if not contents.startswith(_MAGIC):
        return "not an image"
    try:
        image = decode_image(contents)
    except tf.errors.InvalidArgumentError:
        return "truncated or damaged"
    return None if min(image.shape[:2]) > 0 else "an image without pixels"
