"""Draws characters and warps them into images."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_noisy._extras import require

STYLES = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
)
# All lengths are in pixels, unless noted otherwise.
SIDE = 28  # height and width of an image
EM = 24  # font size of the glyphs that are warped into images
HEIGHT, WIDTH = 40, 48  # cell of a glyph; even the largest glyph leaves an empty border
_MIDDLE = 0.35  # height of the middle of a cell above the baseline, in em
_OVERSAMPLING = 2
_MARGIN = 0.5  # distance between a glyph and the border of its image


def load_fonts() -> list[Any]:
    """Loads the fonts of `STYLES`, which matplotlib ships."""
    matplotlib = require("matplotlib", extra="recipes")  # for its fonts
    require("PIL", extra="recipes")
    from PIL import ImageFont

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    return [
        ImageFont.truetype(
            os.path.join(folder, f"{style}.ttf"),
            EM * _OVERSAMPLING,
            layout_engine=ImageFont.Layout.BASIC,  # the alternative is optional in Pillow
        )
        for style in STYLES
    ]


def render(character: str, fonts: list[Any]) -> NDArray[np.float32]:
    """Renders a character in each style, antialiased: (styles, HEIGHT, WIDTH)."""
    from PIL import Image, ImageDraw

    k = _OVERSAMPLING
    column = Image.new("L", (WIDTH * k, HEIGHT * k * len(fonts)))
    draw = ImageDraw.Draw(column)
    for row, font in enumerate(fonts):
        left, _, right, _ = font.getbbox(character, anchor="ls")
        # Glyphs are centred horizontally by their ink, vertically by the line.
        x = (WIDTH * k - left - right) / 2
        y = HEIGHT * k * (row + 0.5) + _MIDDLE * EM * k
        draw.text((round(x), round(y)), character, fill=255, font=font, anchor="ls")
    pixels = np.asarray(column, np.float32).reshape(len(fonts), HEIGHT, k, WIDTH, k)
    return pixels.mean((2, 4))


def transform_parameters(uniform: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Maps rows of 6 numbers in [0, 1) to style, scale, shift (x, y), angle and shear."""
    style, size, dx, dy, angle, shear = uniform.T
    return (
        (style * len(STYLES)).astype(int),
        (16 + 7 * size) / EM,
        np.stack([4 * dx - 2, 4 * dy - 2]),
        np.radians(24 * angle - 12),
        0.3 * shear - 0.15,
    )


def warp(
    glyphs: NDArray[np.float32],
    index: NDArray[np.int64],
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
    angle: NDArray[np.float64],
    shear: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Shears, rotates, scales and shifts glyphs[index]: an image for each entry of `index`."""
    # x' = a x + b y, y' = c x + d y, with the origin at the centre of the cell and of the image.
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, shear * cos - sin], [sin, shear * sin + cos]])

    # Glyphs that would be cropped are shrunk and moved, by the corners of their ink.
    corners = np.einsum("ijn,njk->ikn", matrix, _ink_corners(glyphs)[index])
    low, high = corners.min(1), corners.max(1)
    room = SIDE - 2 * _MARGIN
    shrink = np.minimum(1, room / (high - low).max(0))
    matrix, low, high = matrix * shrink, low * shrink, high * shrink
    shift = np.clip(shift, -room / 2 - low, room / 2 - high)

    # Each pixel of the image is mapped back to the cell and interpolated bilinearly.
    (a, b), (c, d) = matrix[..., None, None].astype(np.float32)
    pixel = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    x = pixel - shift[0, :, None, None].astype(np.float32)
    y = pixel[:, None] - shift[1, :, None, None].astype(np.float32)
    determinant = a * d - b * c
    u = (d * x - b * y) / determinant + (WIDTH - 1) / 2
    v = (a * y - c * x) / determinant + (HEIGHT - 1) / 2
    # The border of a cell is empty, so that clipping to it gives black outside the cell.
    u, v = np.clip(u, 0, WIDTH - 1.001), np.clip(v, 0, HEIGHT - 1.001)
    column, row = u.astype(int), v.astype(int)
    u, v = u - column, v - row
    corner = (index[:, None, None] * HEIGHT + row) * WIDTH + column
    flat = glyphs.ravel()
    top = flat[corner] * (1 - u) + flat[corner + 1] * u
    bottom = flat[corner + WIDTH] * (1 - u) + flat[corner + WIDTH + 1] * u
    return np.rint(top * (1 - v) + bottom * v).astype(np.uint8)


def _ink_corners(glyphs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the corners of the ink of each glyph, relative to the centre: (glyphs, 2, 4)."""
    boxes = []
    for glyph in glyphs:
        rows, columns = np.nonzero(glyph)
        left, right = columns.min() - WIDTH / 2, columns.max() + 1 - WIDTH / 2
        top, bottom = rows.min() - HEIGHT / 2, rows.max() + 1 - HEIGHT / 2
        boxes.append([[left, right, left, right], [top, top, bottom, bottom]])
    return np.array(boxes)
