"""Decodes JPEG, PNG, GIF, BMP and WebP files, in the graph of tf.data.

The format is that of the contents, whatever the suffix of the file name.
"""

from collections.abc import Callable

from keras_noisy._typing import Tensor
from keras_noisy.datasets._pipeline.tf_data import require_tensorflow


def decode_image(contents: Tensor) -> Tensor:
    """Decodes an image in its own size: `uint8` (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: If any part of the image is damaged.
    """
    return require_tensorflow().io.decode_image(contents, channels=3, expand_animations=False)


def decode_window(contents: Tensor, choose_window: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Decodes a window of an image, and of a JPEG no more than that: `uint8` (height, width, 3).

    Args:
        contents: Scalar string, the contents of the file.
        choose_window: Function from the height and the width of the image to an `int32` tensor
            `[y, x, height, width]`.

    Raises:
        tf.errors.InvalidArgumentError: If the image is damaged.
    """
    tf = require_tensorflow()

    def crop_jpeg() -> Tensor:
        shape = tf.io.extract_jpeg_shape(contents)
        return tf.io.decode_and_crop_jpeg(contents, choose_window(shape[0], shape[1]), channels=3)

    def crop_image() -> Tensor:
        image = decode_image(contents)
        shape = tf.shape(image)
        y, x, height, width = tf.unstack(choose_window(shape[0], shape[1]))
        return image[y : y + height, x : x + width]

    # The cropping decoder returns windows of a truncated JPEG that lie above the cut, so that the
    # image would be bad in some epochs only. A file without the end marker is therefore decoded
    # completely, which fails if it is truncated.
    has_end = tf.strings.substr(contents, -2, 2) == b"\xff\xd9"
    image = tf.cond(tf.io.is_jpeg(contents) & has_end, crop_jpeg, crop_image)
    image.set_shape((None, None, 3))
    return image
