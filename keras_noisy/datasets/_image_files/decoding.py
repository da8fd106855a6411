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

# How a file is decoded.
_CROP_JPEG, _BY_TENSORFLOW, _BY_PILLOW = range(3)


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

    def crop_plain_jpeg() -> Tensor:
        shape = tf.io.extract_jpeg_shape(contents)
        return tf.io.decode_and_crop_jpeg(contents, choose_window(shape[0], shape[1]), channels=3)

    def crop_any() -> Tensor:
        decoder, orientation = tf.numpy_function(_plan, [contents], (tf.int32, tf.int32))
        orientation.set_shape(())

        def crop_jpeg() -> Tensor:
            shape = tf.io.extract_jpeg_shape(contents)
            window = _choose_stored_window(shape, orientation, choose_window)
            return tf.io.decode_and_crop_jpeg(contents, window, channels=3)

        def crop_image() -> Tensor:
            image = tf.cond(decoder == _BY_PILLOW, decode_by_pillow, decode_by_tensorflow)
            window = _choose_stored_window(tf.shape(image), orientation, choose_window)
            y, x, height, width = tf.unstack(window)
            return image[y : y + height, x : x + width]

        return _turn_upright(tf.cond(decoder == _CROP_JPEG, crop_jpeg, crop_image), orientation)

    def decode_by_tensorflow() -> Tensor:
        # An explicit number of channels: with 0, an animated WebP corrupts the heap.
        return tf.io.decode_image(contents, channels=3, expand_animations=False)

    def decode_by_pillow() -> Tensor:
        image = tf.numpy_function(_read_or_empty, [contents], tf.uint8)
        image.set_shape((None, None, 3))
        tf.debugging.assert_positive(tf.size(image), "The image can't be decoded.")
        return image

    image = tf.cond(_is_plain_jpeg(contents), crop_plain_jpeg, crop_any)
    image.set_shape((None, None, 3))
    return image


def _is_plain_jpeg(contents: Tensor) -> Tensor:
    """Returns whether a file is a JPEG with its end marker and without metadata.

    That is most JPEGs, and no Python is needed to read them. Their tables follow the JFIF header.
    """
    tf = require_tensorflow()
    head = tf.strings.substr(contents, 0, 22)
    return (
        (tf.strings.substr(head, 0, 6) == b"\xff\xd8\xff\xe0\x00\x10")
        & (tf.strings.substr(head, -2, 2) == b"\xff\xdb")
        & (tf.strings.substr(contents, -2, 2) == b"\xff\xd9")
    )


def _plan(contents: Any) -> tuple[np.int32, np.int32]:
    """Returns how a file is decoded, and the orientation of the decoded pixels."""
    contents = _item(contents)
    name, needs_pillow = formats.identify(contents)
    if needs_pillow:
        return np.int32(_BY_PILLOW), np.int32(1)
    # The cropping decoder returns windows of a truncated JPEG that lie above the cut, so that the
    # image would be bad in some epochs only. A file without the end marker is therefore decoded
    # completely, which fails if it is truncated.
    crops = name == "JPEG" and contents.endswith(b"\xff\xd9")
    decoder = _CROP_JPEG if crops else _BY_TENSORFLOW
    return np.int32(decoder), np.int32(formats.read_orientation(contents))


def _read_or_empty(contents: Any) -> NDArray[np.uint8]:
    try:
        return read_by_pillow(_item(contents))
    except ValueError:
        return np.empty((0, 0, 3), np.uint8)


def _item(contents: Any) -> bytes:
    """Returns the argument of a `tf.numpy_function` as bytes, which it is in a graph."""
    return contents if isinstance(contents, bytes) else contents.item()


def _choose_stored_window(
    shape: Tensor, orientation: Tensor, choose_window: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Returns the window of the pixels as they are stored for one of the upright image."""
    tf = require_tensorflow()
    height, width = shape[0], shape[1]
    swaps, flips_y, flips_x = _split_orientation(orientation)
    height, width = tf.where(swaps, width, height), tf.where(swaps, height, width)
    y, x, h, w = tf.unstack(choose_window(height, width))
    y, x = tf.where(flips_y, height - y - h, y), tf.where(flips_x, width - x - w, x)
    return tf.where(swaps, tf.stack([x, y, w, h]), tf.stack([y, x, h, w]))


def _turn_upright(image: Tensor, orientation: Tensor) -> Tensor:
    tf = require_tensorflow()
    swaps, flips_y, flips_x = _split_orientation(orientation)
    image = tf.transpose(image, tf.where(swaps, [1, 0, 2], [0, 1, 2]))
    return image[:: tf.where(flips_y, -1, 1), :: tf.where(flips_x, -1, 1)]


def _split_orientation(orientation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns whether rows and columns are swapped, and then y and x are reversed."""
    tf = require_tensorflow()
    flags = tf.constant(
        [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)]
    )
    return tuple(tf.unstack(flags[orientation - 1] == 1))


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
    marker change no pixel. Without Pillow, the answer is no: TensorFlow would print a warning for
    each complete image.
    """
    if formats.load_pillow() is None:
        return False
    end = formats.find_jpeg_end(contents)
    more = np.random.default_rng(0).integers(0, 255, 64, np.uint8).tobytes()
    try:
        return not np.array_equal(
            read_by_pillow(contents), read_by_pillow(contents[:end] + more + contents[end:])
        )
    except ValueError:  # Pillow refuses images of very many pixels, for example
        return False
