"""Image files for the tests, intact and damaged."""

import io

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")


def encode(pixels, image_format="JPEG", mode=None, **options):
    """Returns the contents of an image file."""
    image = Image.fromarray(np.asarray(pixels))
    image = image.convert(mode) if mode else image
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def photograph(seed, height=40, width=48):
    """Returns random colours that vary slowly, as in a photograph."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), "uint8")
    return np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC))


def plain(colour, height=40, width=48):
    return np.full((height, width, 3), colour, "uint8")


def bad_files():
    """Returns a reason of `keras_noisy.datasets.inspect_image` and contents, by kind of file."""
    whole = encode(photograph(1000))
    return {
        # Truncated files still have their upper rows, and a random crop may need no others.
        **{
            f"{share} %": ("truncated or damaged", whole[: share * len(whole) // 100])
            for share in (97, 90, 85, 80, 75, 60)
        },
        "header": ("truncated or damaged", whole[:100]),
        "half a PNG": ("truncated or damaged", encode(photograph(1001), "PNG")[:2000]),
        "web page": ("an HTML page", b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        "empty": ("empty", b""),
        "text": ("not an image", b"This photo is no longer available"),
    }
