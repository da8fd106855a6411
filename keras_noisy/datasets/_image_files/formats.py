"""Tells from the first bytes of an image file what it is and which decoder reads it rightly.

TensorFlow's decoder is the fast one. Pillow, if it is installed, reads what TensorFlow can't read,
or reads with wrong colours.
"""

import functools
import os
import re
import struct
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

# The first bytes of the formats that messages call by their names.
_FIRST_BYTES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM",
    "WebP": rb"RIFF....WEBP",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(?:he|mif1|msf1)",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "PSD": rb"8BPS",
}
_PATTERNS = {name: re.compile(pattern, re.DOTALL) for name, pattern in _FIRST_BYTES.items()}
_TENSORFLOW = ("JPEG", "PNG", "GIF", "BMP", "WebP")
# Names of files end so, in upper or lower case. With Pillow, its own list is added.
_SUFFIXES = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WebP",
}
_PILLOW_SUFFIXES = {".tif": "TIFF", ".tiff": "TIFF", ".jp2": "JPEG 2000", ".avif": "AVIF"}
# Formats that Pillow recognises and can't decode, or decodes by running another program.
_WITHOUT_DECODER = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}

# The next marker of a JPEG; the others stand inside compressed data.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END_OF_IMAGE, _START_OF_SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_ORIENTATION_TAG = 0x0112


class Format(NamedTuple):
    """What an image file is.

    Attributes:
        name: Name for messages, or `None` if the first bytes are those of no known format.
        needs_pillow: Whether TensorFlow's decoder can't read the file.
    """

    name: str | None
    needs_pillow: bool


@functools.cache
def load_pillow() -> ModuleType | None:
    """Returns the module `PIL.Image`, with the decoders of all formats, or `None`."""
    try:
        from PIL import Image
    except ImportError:
        return None
    Image.init()  # here, because of two threads in `Image.open`, one may miss a format
    return Image


def find_pillow_formats() -> list[str]:
    """Returns Pillow's names of the formats that it decodes."""
    image = load_pillow()
    return [] if image is None else [name for name in image.ID if name not in _WITHOUT_DECODER]


def explain_missing_pillow(name: str) -> str:
    """Returns the reason for which a file is not used if Pillow is not installed."""
    return f"{name}, which needs Pillow (pip install pillow)"


def explain_name(name: str, other_format: str) -> str | None:
    """Returns why a file of this name is no image that can be decoded, or `None` if it is one."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _SUFFIXES:
        return None
    image = load_pillow()
    if image is None:
        needing = _PILLOW_SUFFIXES.get(suffix)
        return explain_missing_pillow(needing) if needing else other_format
    return None if image.EXTENSION.get(suffix) in find_pillow_formats() else other_format


def identify(contents: bytes) -> Format:
    """Returns what the contents of a file are, whatever its name is."""
    name = next((name for name, first in _PATTERNS.items() if first.match(contents)), None)
    if name == "BMP":
        return _identify_bmp(contents)
    if name == "WebP":
        return _identify_webp(contents)
    if name == "GIF":
        return _identify_gif(contents)
    return Format(name, name not in _TENSORFLOW)


def _identify_bmp(contents: bytes) -> Format:
    """TensorFlow takes the indices of a palette for colours, and refuses further bytes."""
    if len(contents) < 54:
        return Format("BMP", False)  # damaged
    start, header, width, height, _, bits, compression = struct.unpack_from(
        "<IIiiHHI", contents, 10
    )
    if header < 40 or compression or bits not in (8, 24, 32):
        return Format("BMP with a palette or compression", True)
    if bits == 8:
        greys = bytes(value for grey in range(256) for value in (grey, grey, grey, 0))
        if contents[14 + header : start] != greys:
            return Format("BMP with a palette", True)
    row = (bits // 8 * width + 3) // 4 * 4
    is_longer = len(contents) > start + row * abs(height)
    return Format("BMP with further bytes", True) if is_longer else Format("BMP", False)


def _identify_webp(contents: bytes) -> Format:
    """TensorFlow reads still images without transparency."""
    if contents[12:16] == b"VP8X" and contents[20:21] and contents[20] & 0x02:
        return Format("animated WebP", True)
    for kind, start, _ in _iterate_webp_chunks(contents):
        flags = {b"VP8X": contents[start : start + 1], b"VP8L": contents[start + 4 : start + 5]}
        if kind == b"ALPH" or (flags.get(kind) and flags[kind][0] & 0x10):
            return Format("WebP with transparency", True)
    return Format("WebP", False)


def _identify_gif(contents: bytes) -> Format:
    """TensorFlow takes black for what the first frame does not show."""
    if len(contents) < 13:
        return Format("GIF", False)  # damaged
    position = 13
    if contents[10] & 0x80:
        position += 3 << (contents[10] & 7) + 1  # the palette
    while contents[position : position + 1] == b"!":  # extensions
        if contents.startswith(b"\xf9\x04", position + 1) and contents[position + 3] & 1:
            return Format("GIF with transparency", True)
        position += 2
        while size := int.from_bytes(contents[position : position + 1]):
            position += 1 + size
        position += 1
    covers = contents.startswith(b",\0\0\0\0" + contents[6:10], position)
    is_frame = contents.startswith(b",", position)
    return (
        Format("GIF with a smaller frame", True)
        if is_frame and not covers
        else Format("GIF", False)
    )


def read_orientation(contents: bytes) -> int:
    """Returns the EXIF orientation of a JPEG, PNG or WebP, from 1 to 8; 1 if there is none."""
    if contents.startswith(b"\xff\xd8"):
        for marker, start, end in iterate_jpeg_segments(contents):
            if marker == _START_OF_SCAN:
                break
            if marker == _APP1 and contents.startswith(b"Exif\0\0", start):
                return _parse_orientation(contents[start + 6 : end])
    elif contents.startswith(b"\x89PNG"):
        if b"eXIf" in contents:
            for kind, start, end in _iterate_png_chunks(contents):
                if kind == b"eXIf":
                    return _parse_orientation(contents[start:end])
    elif contents.startswith(b"RIFF"):
        for kind, start, end in _iterate_webp_chunks(contents):
            if kind == b"EXIF":
                return _parse_orientation(contents[start:end].removeprefix(b"Exif\0\0"))
    return 1


def find_jpeg_end(contents: bytes) -> int:
    """Returns the position of the marker that ends a JPEG."""
    for marker, start, _ in iterate_jpeg_segments(contents):
        if marker == _END_OF_IMAGE:
            return start - 2
    return len(contents)


def iterate_jpeg_segments(contents: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the marker, the start and the end of each segment, up to the end of the image."""
    position = 2
    while match := _MARKER.search(contents, position):
        marker, start = match[0][1], match.end()
        if marker == _END_OF_IMAGE:
            yield marker, start, start
            return
        position = start + int.from_bytes(contents[start : start + 2], "big")
        yield marker, start + 2, position


def _iterate_png_chunks(contents: bytes) -> Iterator[tuple[bytes, int, int]]:
    position = 8
    while position + 8 <= len(contents):
        start = position + 8
        end = start + int.from_bytes(contents[position : position + 4], "big")
        yield contents[position + 4 : start], start, end
        position = end + 4


def _iterate_webp_chunks(contents: bytes) -> Iterator[tuple[bytes, int, int]]:
    position = 12
    while position + 8 <= len(contents):
        start = position + 8
        end = start + int.from_bytes(contents[position + 4 : start], "little")
        yield contents[position : position + 4], start, end
        position = end + end % 2


def _parse_orientation(exif: bytes) -> int:
    """Returns the orientation in EXIF data, which are a small TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, first + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:  # damaged
        pass
    return 1
