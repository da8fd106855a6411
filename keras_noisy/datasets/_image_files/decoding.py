"""Decodes image files, in the graph of tf.data: by TensorFlow, or else by Pillow.

The format is that of the contents, whatever the suffix of the file name. Images are turned
upright as their EXIF orientation says.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._typing import Tensor
from keras_noisy.datasets._image_files import formats
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow

# How a file is decoded. The numbers from 1 to 8 are EXIF orientations: TensorFlow decodes the
# image completely, and then it is turned upright, unless the orientation is 1.
_CROP_JPEG, _BY_PILLOW = 0, 9
# Regular expressions of EXIF data whose first directory comes first, in either byte order, and of
# data with an orientation that turns the image.
_EXIF = r"Exif\x00\x00(?:II\*\x00\x08\x00\x00\x00|MM\x00\*\x00\x00\x00\x08)\C*"
_EXIF_ORIENTATION = (
    r"\C*(?:\x12\x01\x03\x00\x01\x00\x00\x00[\x02-\x08]"
    r"|\x01\x12\x00\x03\x00\x00\x00\x01\x00[\x02-\x08])\C*"
)
# By orientation, whether rows and whether columns are reversed; from 5 on, they are then swapped.
_REVERSES = ("", "", "x", "yx", "y", "", "y", "yx", "x")


def decode_image(contents: Tensor) -> Tensor:
    """Decodes an image in its own size: `uint8` (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: If any part of the image is damaged, or if it can't be
            decoded.
    """
    tf = require_tensorflow()
    return decode_window(contents, lambda height, width: tf.stack([0, 0, height, width]))


def decode_window(contents: Tensor, choose_window: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Decodes a window of an image, and of a JPEG no more than that: `uint8` (height, width, 3).

    Args:
        contents: Scalar string, the contents of the file.
        choose_window: Function from the height and the width of the upright image to an `int32`
            tensor `[y, x, height, width]`.

    Raises:
        tf.errors.InvalidArgumentError: If the image is damaged, or if it can't be decoded.
    """
    tf = require_tensorflow()
    contents = tf.convert_to_tensor(contents)  # NumPy would remove zeros at the end of bytes

    def read_jpeg_shape() -> tuple[Tensor, Tensor]:
        return tf.io.extract_jpeg_shape(contents), tf.zeros((0, 0, 3), tf.uint8)

    def decode() -> tuple[Tensor, Tensor]:
        image = tf.cond(plan == _BY_PILLOW, decode_by_pillow, decode_by_tensorflow)
        is_turned = (plan > 1) & (plan <= 8)
        image = tf.cond(is_turned, lambda: _turn_upright(image, plan), lambda: image)
        return tf.shape(image), image

    def decode_by_tensorflow() -> Tensor:
        # An explicit number of channels: with 0, an animated WebP corrupts the heap.
        return tf.io.decode_image(contents, channels=3, expand_animations=False)

    def decode_by_pillow() -> Tensor:
        image = tf.numpy_function(_read_or_empty, [contents], tf.uint8)
        return tf.ensure_shape(image, (None, None, 3))  # raises if the image is empty

    def ask_python() -> Tensor:
        return tf.ensure_shape(tf.numpy_function(_plan, [contents], tf.int32), ())

    def crop_jpeg() -> Tensor:
        return tf.io.decode_and_crop_jpeg(contents, window, channels=3)

    def crop_image() -> Tensor:
        y, x, height, width = tf.unstack(window)
        return image[y : y + height, x : x + width]

    plan = tf.cond(_is_upright_jpeg(contents), lambda: tf.constant(_CROP_JPEG), ask_python)
    is_cropped = plan == _CROP_JPEG
    shape, image = tf.cond(is_cropped, read_jpeg_shape, decode)
    # Not in both branches, because operations of a branch that is not taken cost time, too.
    window = choose_window(shape[0], shape[1])
    image = tf.cond(is_cropped, crop_jpeg, crop_image)
    image.set_shape((None, None, 3))
    return image


def _is_upright_jpeg(contents: Tensor) -> Tensor:
    """Returns whether the first bytes of a JPEG with its end marker show that it is upright.

    Most JPEGs do, and no Python is needed to read them: behind the JFIF header, if there is one,
    follow the tables, or EXIF data whose first directory comes first and does not turn the image.
    """
    tf = require_tensorflow()
    has_jfif = tf.strings.substr(contents, 0, 6) == b"\xff\xd8\xff\xe0\x00\x10"
    head = tf.strings.substr(contents, tf.where(has_jfif, 20, 2), 1024)
    marker, exif = tf.strings.substr(head, 0, 2), tf.strings.substr(head, 4, -1)
    is_upright = tf.strings.regex_full_match(exif, _EXIF) & ~tf.strings.regex_full_match(
        exif, _EXIF_ORIENTATION
    )
    is_complete = tf.io.is_jpeg(contents) & (tf.strings.substr(contents, -2, 2) == b"\xff\xd9")
    return is_complete & ((marker == b"\xff\xdb") | ((marker == b"\xff\xe1") & is_upright))


def _plan(contents: Any) -> np.int32:
    """Returns how a file is decoded."""
    contents = _item(contents)
    name, needs_pillow = formats.identify(contents)
    if needs_pillow:
        return np.int32(_BY_PILLOW)
    orientation = formats.read_orientation(contents)
    # The cropping decoder returns windows of a truncated JPEG that lie above the cut, so that the
    # image would be bad in some epochs only. A file without the end marker is therefore decoded
    # completely, which fails if it is truncated.
    crops = name == "JPEG" and orientation == 1 and contents.endswith(b"\xff\xd9")
    return np.int32(_CROP_JPEG if crops else orientation)


def _turn_upright(image: Tensor, orientation: Tensor) -> Tensor:
    """Turns an image by its EXIF orientation."""
    tf = require_tensorflow()
    reverses = tf.constant([["y" in axes, "x" in axes] for axes in _REVERSES])[orientation]
    image = tf.reverse(image, tf.where(reverses)[:, 0])
    return tf.transpose(image, tf.where(orientation < 5, [0, 1, 2], [1, 0, 2]))


def _read_or_empty(contents: Any) -> NDArray[np.uint8]:
    try:
        return read_by_pillow(_item(contents))
    except ValueError:
        return np.empty((0, 0, 0), np.uint8)


def _item(contents: Any) -> bytes:
    """Returns the argument of a `tf.numpy_function` as bytes, which it is in a graph."""
    return contents if isinstance(contents, bytes) else contents.item()


def read_by_pillow(contents: bytes) -> NDArray[np.uint8]:
    """Decodes an image, or the first one of several, by Pillow: upright, (height, width, 3).

    Raises:
        ValueError: If it can't be decoded; the message is a short reason.
    """
    name = formats.identify(contents).name
    pillow = formats.load_pillow()
    if pillow is None:
        raise ValueError(formats.explain_missing_pillow(name) if name else "not an image")
    from PIL import ImageOps

    try:
        image = pillow.open(io.BytesIO(contents), formats=formats.find_pillow_formats())
    except pillow.UnidentifiedImageError as error:
        reason = f"{name} that Pillow can't read" if name else "not an image"
        raise ValueError(reason) from error
    except Exception as error:  # damaged files raise errors of any type
        raise ValueError(_explain(error)) from error
    try:
        image.load()
    except Exception as error:
        raise ValueError(_explain(error)) from error
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            # As TensorFlow does; `convert` would clip the values instead.
            image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))
    except Exception as error:
        raise ValueError(f"{image.mode} colours that Pillow can't convert") from error


def _explain(error: Exception) -> str:
    too_large = type(error).__name__.startswith("DecompressionBomb")
    return "too many pixels" if too_large else "truncated or damaged"


def lacks_data(contents: bytes) -> bool:
    """Returns whether the data of a JPEG stop early, although the end marker is there.

    Decoders fill up such an image in silence. If it is complete, further bytes before the end
    marker, and markers that restart the decoder, change no pixel. Scans of a progressive JPEG that
    are missing completely are not noticed. Without Pillow, the answer is no: TensorFlow would print
    a warning for each complete image.
    """
    if formats.load_pillow() is None:
        return False
    end = formats.find_jpeg_end(contents)
    noise = np.random.default_rng(0).integers(0, 255, 32, np.uint8).tobytes()
    more = noise + b"".join(bytes([0xFF, 0xD0 + number]) + noise for number in range(8))
    try:
        return not np.array_equal(
            read_by_pillow(contents), read_by_pillow(contents[:end] + more + contents[end:])
        )
    except ValueError:  # Pillow refuses images of very many pixels, for example
        return False
