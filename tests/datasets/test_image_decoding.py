"""Decoding and transforming image files: windows, colours, formats and determinism."""

import colorsys
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import Image, bad_files, encode, photograph, plain

from keras_noisy.datasets._image_files.decoding import decode_image, decode_window
from keras_noisy.datasets._image_files.transforms import (
    ATTEMPTS,
    add_draws,
    choose_random_window,
    jitter_colours,
    make_evaluation_image,
    make_training_image,
)

pytestmark = pytest.mark.backend_free

tf = pytest.importorskip("tensorflow")

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)
# Tolerance for plain colours after compression and conversion.
CLOSE = 6


@tf.function(reduce_retracing=True)
def windows(height, width, draws):
    """Returns a window, as (y, x, height, width), for each row of draws."""

    def window(row):
        return choose_random_window(
            height, width, tf.reshape(row[: 2 * ATTEMPTS], (ATTEMPTS, 2)), row[-2:]
        )

    return tf.map_fn(window, draws, fn_output_signature=tf.int32)


def draw_windows(height, width, seed=0, n=100):
    draws = np.random.default_rng(seed).random((n, 2 * ATTEMPTS + 2)).astype("float32")
    found = windows(tf.constant(height), tf.constant(width), tf.constant(draws)).numpy()
    assert found.shape == (n, 4)
    return found.T


def fallback(height, width):
    """Returns the size of the largest centred window that the ratios allow."""
    return min(height, round(width * 4 / 3)), min(width, round(height * 4 / 3))


SIDES = st.one_of(st.integers(1, 12), st.integers(1, 600), st.sampled_from([1, 3, 500, 4000]))


@given(height=SIDES, width=SIDES, seed=st.integers(0, 2**32))
def test_windows_are_of_the_size_and_shape_they_should_be(height, width, seed):
    y, x, h, w = draw_windows(height, width, seed)
    assert min(y.min(), x.min()) >= 0
    assert min(h.min(), w.min()) >= 1
    assert np.all(y + h <= height)
    assert np.all(x + w <= width)
    # Sides are rounded, so that the drawn values are within half a pixel.
    share_at_most = (h + 0.5) * (w + 0.5) / (height * width)
    share_at_least = (h - 0.5) * (w - 0.5) / (height * width)
    is_drawn = (share_at_most >= 0.08 - 1e-4) & (share_at_least <= 1.0 + 1e-4)
    is_drawn &= ((w + 0.5) / (h - 0.5) >= 3 / 4 - 1e-4) & ((w - 0.5) / (h + 0.5) <= 4 / 3 + 1e-4)
    # Halves may be rounded up or down.
    near = np.abs(np.stack([h, w]) - np.reshape(fallback(height, width), (2, 1))).max(axis=0) <= 1
    is_middle = near & (np.abs(2 * y + h - height) <= 1) & (np.abs(2 * x + w - width) <= 1)
    assert np.all(is_drawn | is_middle)


@pytest.mark.parametrize(
    ("height", "width", "window"),
    [
        (1, 1, (0, 0, 1, 1)),
        (3, 500, (0, 248, 3, 4)),
        (500, 3, (248, 0, 4, 3)),
    ],
)
def test_images_that_no_window_fits_are_cut_in_the_middle(height, width, window):
    assert {tuple(found) for found in np.transpose(draw_windows(height, width))} == {window}


def test_windows_of_a_square_image_are_everywhere_and_of_every_size():
    y, x, h, w = draw_windows(224, 224, n=3000)
    share, ratio = h * w / 224**2, w / h
    assert share.min() < 0.09
    assert share.max() > 0.95
    assert 3 / 4 - 0.02 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 4 / 3 + 0.02
    for start, side in ((y, h), (x, w)):
        place = start[side < 224] / (224 - side[side < 224])
        # The position is uniform: check its mean and variance.
        assert abs(place.mean() - 1 / 2) < 0.03
        assert abs(place.var() - 1 / 12) < 0.01
        assert (place.min(), place.max()) == (0, 1)
    # The area is uniform from 8 % on, as long as windows almost always fit.
    small = share[share < 0.5]
    assert abs(np.mean(small < 0.29) - 0.5) < 0.05


# Determinism


def draws_of(seed, epoch, indices):
    samples = tf.data.Dataset.from_tensor_slices((np.asarray(indices, "int64"),))
    samples = add_draws(samples, lambda index: index, seed, tf.constant(epoch, tf.int64))
    return np.stack([draws for _, draws in samples.as_numpy_iterator()])


@tf.function(reduce_retracing=True)
def training_images(contents, draws, size, colour_jitter):
    return tf.map_fn(
        lambda row: make_training_image(contents, size, row, colour_jitter),
        draws,
        fn_output_signature=tf.uint8,
    )


def training(contents, seed=0, epoch=0, index=0, size=16, colour_jitter=True):
    draws = tf.constant(draws_of(seed, epoch, [index]))
    return training_images(tf.constant(contents), draws, size, colour_jitter)[0].numpy()


def many(contents, n=400, size=8, colour_jitter=False):
    """Returns `n` training images made from one file."""
    draws = tf.constant(draws_of(0, 0, range(n)))
    return training_images(tf.constant(contents), draws, size, colour_jitter).numpy()


PHOTOGRAPH = encode(photograph(0, 60, 80))


def test_seed_epoch_and_index_decide():
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (2**63 - 1, 1000, 2**31)]
    images = [training(PHOTOGRAPH, *place) for place in places]
    for image, place in zip(images, places, strict=True):
        assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
        np.testing.assert_array_equal(image, training(PHOTOGRAPH, *place))
    assert len({image.tobytes() for image in images}) == len(places)


def test_draws_are_those_of_the_index_wherever_it_stands():
    indices = np.random.default_rng(0).permutation(1000)  # more than one block of draws
    draws = draws_of(5, 3, indices)
    np.testing.assert_array_equal(draws, draws_of(5, 3, range(1000))[indices])
    np.testing.assert_array_equal(draws[7:8], draws_of(5, 3, [indices[7]]))


def test_draws_are_uniform_and_independent():
    draws = draws_of(0, 0, range(4000))
    assert draws.dtype == np.float32
    assert draws.min() >= 0
    assert draws.max() < 1
    spread = 5 / np.sqrt(len(draws))
    np.testing.assert_allclose(draws.mean(axis=0), 1 / 2, atol=spread / np.sqrt(12))
    np.testing.assert_allclose(draws.var(axis=0), 1 / 12, atol=spread / 12)
    # Draws of one image, of successive images, of two epochs and of two seeds.
    others = [draws[1:], draws_of(0, 1, range(4000)), draws_of(1, 0, range(4000))]
    for other in (draws, *others):
        n = len(other)
        correlations = np.corrcoef(draws[:n].T, other.T)[: draws.shape[1], draws.shape[1] :]
        if other is draws:
            np.fill_diagonal(correlations, 0)
        assert np.abs(correlations).max() < spread


def test_half_of_the_images_are_flipped():
    picture = plain(BLUE, 40, 40)
    picture[:, :20] = RED
    images = many(encode(picture, quality=95))
    red, blue = (images[:, :, :, channel].astype(float) for channel in (0, 2))
    columns = red.mean(axis=1) - blue.mean(axis=1)
    slope = columns[:, 0] - columns[:, -1]
    both = np.abs(slope) > 100  # images that show both halves
    assert both.mean() > 0.3
    assert abs(np.mean(slope[both] < 0) - 0.5) < 5 * 0.5 / np.sqrt(both.sum())


# Windows


@given(data=st.data(), subsampling=st.sampled_from([0, 1, 2]), progressive=st.booleans())
def test_a_part_of_a_jpeg_is_that_of_the_whole(data, subsampling, progressive):
    height, width = (data.draw(st.integers(1, 70)) for _ in range(2))
    pixels = photograph(height * width, height, width)
    contents = encode(pixels, quality=90, subsampling=subsampling, progressive=progressive)
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    h, w = data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x))
    part = decode_window(tf.constant(contents), lambda *_: tf.constant([y, x, h, w])).numpy()
    whole = tf.io.decode_jpeg(contents, channels=3).numpy()[y : y + h, x : x + w]
    assert part.shape == whole.shape
    if subsampling:  # at the edges, colours depend on pixels outside the window
        part, whole = part[:, 1:-1], whole[:, 1:-1]
    np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "BMP", "WEBP"])
def test_a_part_of_other_files_is_that_of_the_whole(image_format):
    contents = encode(photograph(3, 30, 50), image_format)
    part = decode_window(tf.constant(contents), lambda *_: tf.constant([4, 5, 20, 11]))
    np.testing.assert_array_equal(part, decode_image(contents)[4:24, 5:16])


@pytest.mark.parametrize("kind", list(bad_files()))
def test_bad_files_are_bad_in_whatever_part(kind):
    """Otherwise a truncated JPEG would be used in epochs that crop its upper part."""
    _, contents = bad_files()[kind]
    for window in ([0, 0, 1, 1], [0, 0, 8, 8], [0, 0, 40, 48], [39, 47, 1, 1]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode_window(tf.constant(contents), lambda *_, window=window: tf.constant(window))


@pytest.mark.parametrize(
    "tail",
    [b"\0" * 100, b"\n", b"\xff\xd9\xff", PHOTOGRAPH[:50]],
    ids=["zeros", "line", "end", "image"],
)
def test_what_follows_the_end_of_a_jpeg_does_not_matter(tail):
    whole = encode(photograph(0, 60, 80), subsampling=0)
    for window in ([0, 0, 8, 8], [3, 5, 50, 40]):
        parts = [
            decode_window(tf.constant(contents), lambda *_, window=window: tf.constant(window))
            for contents in (whole, whole + tail)
        ]
        np.testing.assert_array_equal(*parts)


def test_evaluation_looks_at_the_middle():
    """224 of the 256 pixels of the shorter side are kept, without resizing."""
    row, column = np.mgrid[:256, :341]
    pattern = np.stack([row, column % 256, column // 256 * 200], axis=2).astype("uint8")
    image = make_evaluation_image(encode(pattern, "PNG"), 224)
    np.testing.assert_array_equal(image, pattern[16:240, 58:282])
    image = make_evaluation_image(encode(pattern.swapaxes(0, 1), "PNG"), 224)
    np.testing.assert_array_equal(image, pattern.swapaxes(0, 1)[58:282, 16:240])


def test_evaluation_resizes_the_middle():
    pattern = plain(GREEN, 320, 320)
    pattern[20:300, 20:300] = BLUE
    pattern[40:280, 40:280] = RED
    image = make_evaluation_image(encode(pattern, "PNG"), 14).numpy()
    assert np.all(image[1:-1, 1:-1] == RED)
    border = np.ones((14, 14), bool)
    border[1:-1, 1:-1] = False
    assert np.all(image[border] == BLUE)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 500), (500, 3), (2, 2)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_images_of_odd_shapes(shape, image_format):
    contents = encode(plain((250, 120, 30), *shape), image_format)
    for image in (
        make_evaluation_image(contents, 8).numpy(),
        training(contents, colour_jitter=False),
    ):
        np.testing.assert_allclose(image, np.broadcast_to((250, 120, 30), image.shape), atol=CLOSE)


# Colours


def grey_of_16_bits():
    pixels = np.full((40, 48), 90 * 257, "uint16")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def transparent():
    image = Image.fromarray(plain(RED)).convert("RGBA")
    image.putalpha(100)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def animation():
    frames = [Image.fromarray(plain(colour)) for colour in (RED, BLUE)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


# All formats are recognised by their contents.
FILES = {
    "JPEG": (RED, encode(plain(RED))),
    "progressive": (BLUE, encode(plain(BLUE), progressive=True)),
    "grey JPEG": (GREY, encode(plain(GREY), mode="L")),
    "CMYK, red": (RED, encode(plain(RED), mode="CMYK")),
    "CMYK, blue": (BLUE, encode(plain(BLUE), mode="CMYK")),
    "PNG": (RED, encode(plain(RED), "PNG")),
    "palette": (RED, encode(plain(RED), "PNG", "P")),
    "grey PNG": (GREY, encode(plain(GREY), "PNG", "L")),
    "16 bits": (GREY, grey_of_16_bits()),
    "transparent": (RED, transparent()),
    "GIF": (RED, encode(plain(RED), "GIF")),
    "animation": (RED, animation()),
    "BMP": (RED, encode(plain(RED), "BMP")),
    "WebP": (RED, encode(plain(RED), "WEBP", lossless=True)),
}


@pytest.mark.parametrize("kind", FILES)
def test_colours_of_all_kinds_of_files(kind):
    colour, contents = FILES[kind]
    for image in (
        decode_image(contents).numpy(),
        make_evaluation_image(contents, 16).numpy(),
        training(contents, colour_jitter=False),
    ):
        assert image.dtype == np.uint8
        assert image.shape[2:] == (3,)
        np.testing.assert_allclose(image, np.broadcast_to(colour, image.shape), atol=CLOSE)


@given(seed=st.integers(0, 2**31 - 1), grey=st.booleans())
def test_changed_colours_are_colours(seed, grey):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3)).astype("float32")
    if grey:
        pixels[...] = pixels[..., :1]
    draws = np.random.default_rng(seed).random(4).astype("float32")
    image = jitter_colours(tf.constant(pixels), tf.constant(draws)).numpy()
    assert image.shape == pixels.shape
    assert image.min() >= 0
    assert image.max() <= 255.001
    if grey:  # grey images stay grey
        assert np.ptp(image, axis=2).max() < 0.01


def jittered(colour, **draws):
    """Returns a plain colour after one change, by a draw from 0 to 1; 1/2 changes nothing."""
    names = ("brightness", "contrast", "saturation", "hue")
    row = [draws.get(name, 0.5) for name in names]
    image = jitter_colours(
        tf.constant(plain(colour, 3, 3), tf.float32), tf.constant(row, tf.float32)
    )
    return image.numpy()[0, 0]


def test_each_change_of_colour_is_what_it_says():
    for draw, factor in ((0.0, 0.6), (0.5, 1.0), (1.0, 1.4)):
        np.testing.assert_allclose(
            jittered((100, 50, 20), brightness=draw), np.array([100, 50, 20]) * factor, atol=0.01
        )
        grey = np.dot((120, 90, 60), (0.299, 0.587, 0.114))
        expected = grey + factor * (np.array([120, 90, 60]) - grey)
        np.testing.assert_allclose(jittered((120, 90, 60), saturation=draw), expected, atol=0.01)
        black_and_white = plain((0, 0, 0), 2, 2).astype("float32")
        black_and_white[0] = 200
        row = tf.constant([0.5, draw, 0.5, 0.5])
        found = jitter_colours(tf.constant(black_and_white), row).numpy()[:, 0, 0]
        np.testing.assert_allclose(
            found, np.clip([100 + 100 * factor, 100 - 100 * factor], 0, 255), atol=0.1
        )
    for draw, turn in ((0.0, -0.2), (0.75, 0.1), (1.0, 0.2)):
        before = colorsys.rgb_to_yiq(110, 90, 90)
        after = colorsys.rgb_to_yiq(*jittered((110, 90, 90), hue=draw))
        assert after[0] == pytest.approx(before[0], abs=0.3)
        # Larger hues are at smaller angles of the plane of I and Q.
        angles = [math.atan2(colour[2], colour[1]) for colour in (before, after)]
        assert angles[0] - angles[1] == pytest.approx(2 * math.pi * turn, abs=0.03)


@given(seed=st.integers(0, 2**31 - 1))
def test_changes_follow_one_another(seed):
    """Brightness, contrast and saturation are applied in this order, and clipped at the end."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (6, 7, 3)).astype("float32")
    draws = np.array([*rng.random(3), 0.5], "float32")
    factors = 0.6 + 0.8 * draws
    weights = np.array([0.299, 0.587, 0.114])
    expected = pixels * factors[0]
    mean = (expected @ weights).mean()
    expected = mean + factors[1] * (expected - mean)
    grey = (expected @ weights)[..., np.newaxis]
    expected = np.clip(grey + factors[2] * (expected - grey), 0, 255)
    found = jitter_colours(tf.constant(pixels), tf.constant(draws))
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_colours_change_in_training_if_they_are_to():
    contents = encode(plain((120, 90, 60)), "PNG")
    assert len(np.unique(many(contents).reshape(-1, 3), axis=0)) == 1
    changed = many(contents, colour_jitter=True)
    assert changed.dtype == np.uint8
    mean = changed.mean(axis=(1, 2))
    grey = mean @ (0.299, 0.587, 0.114)
    # Brightness changes the grey value most; the hue changes it slightly.
    assert grey.min() < 65
    assert grey.max() > 118
    assert len(np.unique(mean, axis=0)) > 300


def test_a_grey_photograph_stays_grey():
    contents = encode(photograph(5), mode="L")
    images = many(contents, n=50, colour_jitter=True)
    assert np.ptp(images, axis=3).max() <= 1


def test_images_are_not_all_of_the_same_part():
    assert len({image.tobytes() for image in many(PHOTOGRAPH)}) == 400
