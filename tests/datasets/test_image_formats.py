"""Formats of image files: those that TensorFlow decodes, and those that need Pillow."""

import io
import logging
import os
import struct

import numpy as np
import pytest
from pictures import Image, encode, photograph
from PIL import ImageOps

from keras_noisy.cli import main
from keras_noisy.datasets import image_folder, inspect_image
from keras_noisy.datasets._image_files import decoding, formats
from keras_noisy.datasets._image_files.decoding import decode_image

# Pillow warns about damaged metadata, of which some of the files have some.
pytestmark = [pytest.mark.backend_free, pytest.mark.filterwarnings("ignore:::PIL")]

tf = pytest.importorskip("tensorflow")

PIXELS = photograph(0, 41, 50)
NEEDS_PILLOW = "which needs Pillow (pip install pillow)"


def save(image, image_format, **options):
    file = io.BytesIO()
    # Saving changes attributes of images, which other formats do not accept.
    if "append_images" in options:
        options["append_images"] = [each.copy() for each in options["append_images"]]
    image.copy().save(file, image_format, **options)
    return file.getvalue()


def with_alpha():
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putalpha(Image.fromarray(np.arange(41 * 50).reshape(41, 50).astype("uint8")))
    return image


def turned(orientation, image_format, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    return save(Image.fromarray(PIXELS), image_format, exif=exif, **options)


def bmp_of_16_bits():
    values = PIXELS.astype("uint16") >> 3
    rows = (values[..., 0] << 10 | values[..., 1] << 5 | values[..., 2])[::-1].astype("<u2")
    header = struct.pack("<IHHI", 54 + rows.nbytes, 0, 0, 54)
    return b"BM" + header + struct.pack("<IiiHH24x", 40, 50, 41, 1, 16) + rows.tobytes()


def smaller_frame():
    contents = save(Image.fromarray(PIXELS), "GIF")
    return contents[:6] + struct.pack("<HH", 60, 45) + contents[10:]


def formats_of_files():
    """Returns the contents of files and whether they need Pillow, by suffix and variant."""
    image, alpha, other = Image.fromarray(PIXELS), with_alpha(), Image.fromarray(photograph(1))
    frames = {"save_all": True, "append_images": [other.resize((50, 41))]}
    lossless = {"lossless": True}
    fast = {
        ".jpg": encode(PIXELS),
        "progressive.jpe": encode(PIXELS, progressive=True),
        "grey.jpeg": encode(PIXELS, mode="L"),
        "cmyk.JPG": encode(PIXELS, mode="CMYK"),
        ".jfif": encode(PIXELS, icc_profile=b"a profile" * 9000),
        "pictures.jpg": save(image, "MPO", **frames),
        **{
            f"{mode}.png": save(alpha.convert(mode), "PNG")
            for mode in ("1", "L", "LA", "P", "RGB", "RGBA")
        },
        "two bits.png": save(image.quantize(4), "PNG", bits=2),
        "transparent colour.png": save(image, "PNG", transparency=(0, 0, 0)),
        "animated.png": save(image, "PNG", **frames),
        ".gif": save(image, "GIF"),
        "animated.gif": save(image, "GIF", **frames),
        ".bmp": save(image, "BMP"),
        "32.bmp": save(alpha, "BMP"),
        "grey.bmp": save(image.convert("L"), "BMP"),
        ".webp": save(image, "WEBP", **lossless),
        "lossy.webp": save(image, "WEBP", quality=95),
        "profile.webp": save(image, "WEBP", icc_profile=b"a profile", **lossless),
    }
    slow = {
        "alpha.webp": save(alpha, "WEBP", **lossless),
        "lossy alpha.webp": save(alpha, "WEBP"),
        "alpha and exif.webp": save(alpha, "WEBP", exif=b"Exif\0\0", **lossless),
        "animated.webp": save(image, "WEBP", **frames),
        "animated alpha.webp": save(alpha, "WEBP", **frames),
        "transparent.gif": save(alpha, "GIF"),
        "smaller frame.gif": smaller_frame(),
        "palette.bmp": save(image.quantize(100), "BMP"),
        "4.bmp": save(image.quantize(16), "BMP", bits=4),
        "1.bmp": save(image.convert("1"), "BMP"),
        "16.bmp": bmp_of_16_bits(),
        "further bytes.bmp": save(image, "BMP") + b"\0\0",
        **{
            f"{mode}.tif": save(alpha.convert(mode), "TIFF")
            for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr")
        },
        "LZW.TIFF": save(image, "TIFF", compression="tiff_lzw"),
        "pages.tiff": save(image, "TIFF", **frames),
        **{
            suffix: save(image, name)
            for suffix, name in [
                (".jp2", "JPEG2000"), (".ppm", "PPM"), (".tga", "TGA"), (".pcx", "PCX"),
                (".ico", "ICO"), (".sgi", "SGI"), (".avif", "AVIF"), (".qoi", "QOI"),
                (".dds", "DDS"),
            ]
        },
    }  # fmt: skip
    return {
        **{name: (contents, False) for name, contents in fast.items()},
        **{name: (contents, True) for name, contents in slow.items()},
    }


def opened(contents):
    """Returns the upright pixels of a file if Pillow opens all of it, otherwise `None`."""
    try:
        image = Image.open(io.BytesIO(contents))
        image.load()
    except Exception:
        return None
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def assert_close(pixels, expected):
    """Decoders of JPEG differ, in particular in the colours at edges."""
    difference = np.abs(np.asarray(pixels).astype(int) - expected)
    assert difference.mean() < 2
    assert np.percentile(difference, 99) < 20


@pytest.mark.parametrize("name", (files := formats_of_files()))
def test_every_format_has_the_pixels_of_pillow(name):
    contents, needs_pillow = files[name]
    assert formats.identify(contents).needs_pillow == needs_pillow
    assert formats.explain_name(name if name[0] != "." else "a" + name, "other format") is None
    pixels = decode_image(contents).numpy()
    if name.lower().endswith((".jpg", ".jpe", ".jpeg", ".jfif")):
        assert_close(pixels, opened(contents))
    else:
        np.testing.assert_array_equal(pixels, opened(contents))


@pytest.mark.parametrize(
    ("image_format", "options"),
    [("JPEG", {"subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})],
)
def test_images_are_turned_upright(image_format, options):
    for orientation in (*range(1, 9), 9):
        contents = turned(orientation, image_format, **options)
        assert_close(decode_image(contents), opened(contents))
        upright = turned(1, image_format, **options)
        if orientation in (1, 9):
            np.testing.assert_array_equal(decode_image(contents), decode_image(upright))
        elif image_format == "JPEG":  # the same data, of which the header alone is another
            expected = ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).size[::-1]
            assert decode_image(contents).shape == (*expected, 3)
    # Damaged EXIF data say nothing.
    for orientation in range(len(exif := b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0")):
        assert formats._parse_orientation(exif[:orientation]) == 1


def test_a_turned_jpeg_has_the_pixels_of_the_upright_one():
    stored = decode_image(turned(1, "JPEG")).numpy()
    np.testing.assert_array_equal(decode_image(turned(6, "JPEG")), np.rot90(stored, -1))
    np.testing.assert_array_equal(decode_image(turned(3, "JPEG")), stored[::-1, ::-1])


@pytest.mark.parametrize("endian", ["<", ">"])
def test_upright_jpegs_are_decoded_without_python(endian):
    image, exif = Image.fromarray(photograph(0, 40, 60)), Image.Exif()
    exif.endian = endian
    for orientation in (None, 1, 6):
        exif[0x010F] = "camera"
        if orientation is not None:
            exif[0x0112] = orientation
        contents = save(image, "JPEG", exif=exif)
        assert bool(decoding._is_upright_jpeg(contents)) == (orientation != 6)
        assert_close(decode_image(contents), opened(contents))


def test_16_bits_are_divided_by_256():
    for bits in (16, 12):
        values = np.linspace(0, 2**bits - 1, 41 * 50).reshape(41, 50).astype("uint16")
        expected = np.repeat(values[..., np.newaxis] >> 8, 3, axis=2)
        for image_format in ("PNG", "TIFF"):
            contents = save(Image.fromarray(values), image_format)
            np.testing.assert_array_equal(decode_image(contents), expected)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_a_cut_jpeg_is_found_even_if_it_has_an_end(tmp_path, options):
    pixels = photograph(0, 120, 160)
    for mode in ("RGB", "L"):
        whole = encode(pixels, mode=mode, **options)
        start = whole.rindex(b"\xff\xda") + 14
        (tmp_path / "a.jpg").write_bytes(whole)
        assert inspect_image(tmp_path / "a.jpg") is None
        (tmp_path / "a.jpg").write_bytes(whole + whole)  # the second one does not matter
        assert inspect_image(tmp_path / "a.jpg") is None
        for end in np.linspace(start, len(whole) - 12, 9).astype(int):
            (tmp_path / "a.jpg").write_bytes(whole[:end].rstrip(b"\xff") + b"\xff\xd9")
            assert inspect_image(tmp_path / "a.jpg") == "truncated or damaged"


# Folders


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    """Returns a folder with files of all formats, whole and damaged, and the contents by name."""
    root = tmp_path_factory.mktemp("odd")
    random = np.random.default_rng(0)
    contents = {}
    for number, (name, (whole, _)) in enumerate(files.items()):
        contents[f"c{number % 2}/{number} {name}"] = whole
        if name == "animated.png":  # of which Pillow reads the first frame only
            continue
        for share in random.uniform(0.02, 0.9, 2):  # cut
            path = f"c{number % 2}/{number} {share:.2f} {name}"
            contents[path] = whole[: int(share * len(whole))]
        # A name of another format.
        contents[f"c{number % 2}/{number} other{'.png' if number % 3 else '.jpg'}"] = whole
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        for orientation in (3, 6):
            contents[f"c1/{image_format}{orientation}.jpg"] = turned(orientation, image_format)
    contents["c0/page.jpg"] = b"<html>404</html>"
    contents["c1/text.tif"] = b"No longer available"
    contents["c1/empty.png"] = b""
    contents["c1/sound.webp"] = b"RIFF\x10\0\0\0WAVEfmt "
    contents["c1/phone.jpg"] = b"\0\0\0\x18ftypheic" + bytes(100)
    for path, content in contents.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
    return root, contents


def test_a_folder_is_used_as_far_as_pillow_opens_it(odd_folder, tmp_path, capfd):
    root, contents = odd_folder
    options = {
        "image_size": 24,
        "class_names": ("c0", "c1"),
        "bad_images": tmp_path / "bad.csv",
        "max_bad_share": 1.0,
        "batch_size": 32,
    }
    assert len(contents) > 200
    whole = {path for path, content in contents.items() if opened(content) is not None}

    def read():
        pipeline = image_folder.pipeline(root, "test", **options)
        return pipeline, np.concatenate([x for x, _ in pipeline.dataset.as_numpy_iterator()])

    pipeline, first = read()
    assert set(pipeline.skipped["bad image"]) == set(contents) - whole
    again, second = read()
    np.testing.assert_array_equal(first, second)
    assert again.num_samples == len(whole) == len(first)
    # One image at a time gives the same pixels.
    paths = sorted(whole)
    assert len(paths) == len(first)
    for path, image in zip(paths, first, strict=True):
        np.testing.assert_array_equal(image_folder.load_image(root / path, 24), image)
    capfd.readouterr()
    main(["check-images", str(root), "--bad-images", str(tmp_path / "checked.csv")])
    printed = capfd.readouterr().out
    assert f"{len(contents) - len(whole)} bad images" in printed
    assert "not an image" in printed
    assert "HEIC that Pillow can't read" in printed


def test_load_image_says_what_is_wrong(odd_folder):
    root, _ = odd_folder
    with pytest.raises(ValueError, match=r"`path` must be an image.*page\.jpg' \(an HTML page\)"):
        image_folder.load_image(root / "c0" / "page.jpg")
    with pytest.raises(FileNotFoundError):
        image_folder.load_image(root / "none.jpg")
    with pytest.raises(ValueError, match="`image_size` must be"):
        image_folder.load_image(root / "c0" / "page.jpg", 0)


def test_names_of_images(tmp_path, caplog):
    for number, suffix in enumerate((".jfif", ".tif", ".TIFF", ".heic", ".txt", ".mpg", ".eps")):
        path = tmp_path / f"c{number % 2}" / f"{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(PIXELS))
    options = {"bad_images": tmp_path / "bad.csv", "image_size": 8}
    with caplog.at_level(logging.WARNING, "keras_noisy"):
        pipeline = image_folder.pipeline(tmp_path, "test", **options)
    assert pipeline.num_samples == 3
    assert pipeline.skipped == {"other format": ["c0/4.txt", "c0/6.eps", "c1/3.heic", "c1/5.mpg"]}
    assert "4 x other format (c0/4.txt, c0/6.eps, c1/3.heic, …)" in caplog.text


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "load_pillow", lambda: None)
    reasons = {
        "palette.bmp": f"BMP with a palette, {NEEDS_PILLOW}",
        "16.bmp": f"BMP with a palette or compression, {NEEDS_PILLOW}",
        "alpha.webp": f"WebP with transparency, {NEEDS_PILLOW}",
        "animated.webp": f"animated WebP, {NEEDS_PILLOW}",
        "RGB.tif": f"TIFF, {NEEDS_PILLOW}",
        ".jp2": f"JPEG 2000, {NEEDS_PILLOW}",
        ".pcx": "not an image",
    }
    for number, (name, (contents, needs_pillow)) in enumerate(files.items()):
        path = tmp_path / f"c{number % 2}" / f"a{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents)
        assert (inspect_image(path) is not None) == needs_pillow
        if name in reasons:
            assert inspect_image(path) == reasons[name]
    options = {"bad_images": tmp_path / "bad.csv", "image_size": 8, "max_bad_share": 1.0}
    pipeline = image_folder.pipeline(tmp_path, "test", **options)
    images = np.concatenate([x for x, _ in pipeline.dataset.as_numpy_iterator()])
    assert len(images) == sum(not needs_pillow for _, needs_pillow in files.values())
    tiffs = {name for name in files if os.path.splitext(name)[1].lower() in (".tif", ".tiff")}
    skipped = pipeline.skipped[f"TIFF, {NEEDS_PILLOW}"]
    assert {path[4:] for path in skipped} == tiffs
    assert any(path.endswith(".pcx") for path in pipeline.skipped["other format"])
