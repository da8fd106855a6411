"""The glyphs dataset: the same images every time, and classes that can be told apart."""

import os
import sys
import unicodedata

import numpy as np
import pytest

from keras_noisy.datasets import glyphs
from keras_noisy.datasets._glyphs.characters import CHARACTERS
from keras_noisy.datasets._glyphs.drawing import (
    EM,
    STYLES,
    load_fonts,
    render,
    transform_parameters,
    warp,
)

pytestmark = pytest.mark.backend_free

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "datasets" / "keras_noisy"


def load(num_classes=5, train_per_class=6, test_per_class=3, **kwargs):
    return glyphs.load_data(num_classes, train_per_class, test_per_class, verbose=0, **kwargs)


def assert_equal(data, other):
    for split, other_split in zip(data, other, strict=True):
        for array, other_array in zip(split, other_split, strict=True):
            np.testing.assert_array_equal(array, other_array)


def as_set(images):
    return {image.tobytes() for image in images}


# The images


def test_arrays_are_like_those_of_keras_datasets():
    (x_train, y_train), (x_test, y_test) = load()
    assert x_train.shape == (30, 28, 28)
    assert x_test.shape == (15, 28, 28)
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int32
    np.testing.assert_array_equal(np.bincount(y_train), [6] * 5)
    np.testing.assert_array_equal(np.bincount(y_test), [3] * 5)


def test_images_are_white_on_black_and_uncropped():
    (x, _), _ = load(num_classes=50, train_per_class=20)
    assert x.max((1, 2)).min() > 100  # each has bright pixels
    assert np.median(x) == 0
    border = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
    assert border.max() < 160  # a glyph may touch the border, but is not cropped
    assert (border.max(1) > 60).mean() < 0.05


@pytest.mark.parametrize("character", ["\u27f7", "\u2328", "\u1e4c", "\u23a7", "\u0492", "\u01d6"])
def test_the_largest_glyphs_fit(character):
    cells = render(character, load_fonts())
    assert not cells[:, [0, -1]].any()
    assert not cells[:, :, [0, -1]].any()
    uniform = np.random.default_rng(0).random((200, 6))
    images = warp(cells, *transform_parameters(uniform))
    assert max(images[:, [0, -1]].max(), images[:, :, [0, -1]].max()) < 160


def test_warp_is_the_identity_for_neutral_parameters():
    cells = render("x", load_fonts())
    zero = np.zeros(len(STYLES))
    images = warp(cells, np.arange(len(STYLES)), zero + 1, np.zeros((2, len(STYLES))), zero, zero)
    np.testing.assert_allclose(images, cells[:, 6:-6, 10:-10], atol=0.5)


def test_height_on_the_line_tells_comma_from_apostrophe():
    fonts = load_fonts()
    height = np.arange(40)[:, None]
    comma, apostrophe = (
        (cell * height).sum((1, 2)) / cell.sum((1, 2))
        for cell in (render(",", fonts), render("'", fonts))
    )
    assert (comma - apostrophe).min() > 0.4 * EM


def test_images_of_a_class_differ_in_every_way():
    (x, y), _ = load(num_classes=2, train_per_class=200)
    x = x[y == 0] > 64
    rows, columns = x.any(2), x.any(1)
    assert np.ptp(rows.sum(1)) >= 5  # size
    assert np.ptp(rows.argmax(1)) >= 4  # shift
    assert np.ptp(columns.argmax(1)) >= 4


# Determinism


def test_same_arguments_same_images():
    assert_equal(load(cache=False), load(cache=False))


def test_seed_changes_the_images_only():
    (x, _), _ = load(cache=False)
    (other, _), _ = load(cache=False, seed=1)
    assert not as_set(x) & as_set(other)
    assert glyphs.class_names(7) == glyphs.class_names(9)[:7]


def test_classes_and_images_are_nested():
    (x, y), (x_test, y_test) = load(3, 4, 2)
    (more_x, more_y), (more_x_test, more_y_test) = load(6, 9, 5)
    for k in range(3):
        assert len(as_set(x[y == k])) == 4
        assert as_set(x[y == k]) <= as_set(more_x[more_y == k])
        assert as_set(x_test[y_test == k]) <= as_set(more_x_test[more_y_test == k])


def test_training_and_test_images_are_disjoint():
    (x_train, _), (x_test, _) = load(20, 40, 40)
    assert len(as_set(x_train)) == len(x_train)
    assert not as_set(x_train) & as_set(x_test)


def test_order_mixes_the_classes():
    (_, y), _ = load(20, 20)
    assert len(set(y[:40].tolist())) > 12


def test_more_images_than_are_warped_at_once():
    (x, y), _ = load(2, 300)
    (fewer, fewer_y), _ = load(2, 10)
    assert as_set(fewer[fewer_y == 1]) <= as_set(x[y == 1])
    assert len(as_set(x)) == 600


# The cache


def test_cached_images_equal_fresh_ones(cache_folder, monkeypatch):
    fresh = load()
    assert len(list(cache_folder.iterdir())) == 1
    monkeypatch.setattr(glyphs, "_generate", lambda *args: pytest.fail("drawn again"))
    assert_equal(load(), fresh)


def test_without_cache_nothing_is_written(cache_folder):
    load(cache=False)
    assert not cache_folder.exists()


def test_other_arguments_are_other_files(cache_folder):
    load(2, 3, 1)
    load(2, 1, 3)
    load(2, 3, 1, seed=1)
    load(3, 3, 1)
    assert len(list(cache_folder.iterdir())) == 4


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "foreign"])
def test_damaged_cache_is_rebuilt(cache_folder, damage):
    fresh = load()
    (file,) = cache_folder.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "empty":
        content = b""
    elif damage == "half":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
    else:
        content = b"<html>not an archive</html>"
    file.write_bytes(content)
    assert_equal(load(), fresh)
    assert file.read_bytes() != content
    with np.load(file) as archive:
        assert archive["x_train"].shape == (30, 28, 28)


def test_interrupted_write_leaves_nothing(cache_folder, monkeypatch):
    def interrupted(file, **arrays):
        with open(file, "wb") as half:
            half.write(b"PK")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load()
    assert list(cache_folder.iterdir()) == []
    load()
    assert len(list(cache_folder.iterdir())) == 1


def test_unwritable_cache_warns_and_gives_the_images(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not be cached"):
        (x, _), _ = load()
    assert len(x) == 30


def test_default_cache_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    load()
    assert os.listdir(tmp_path / ".keras" / "datasets" / "keras_noisy")


# Arguments and messages


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ({"num_classes": 1}, "from 2 to 2000"),
        ({"num_classes": 2001}, "from 2 to 2000"),
        ({"num_classes": 10.0}, "from 2 to 2000"),
        ({"num_classes": True}, "from 2 to 2000"),
        ({"train_per_class": 0}, "of at least 1"),
        ({"test_per_class": "3"}, "of at least 1"),
        ({"seed": -1}, "of at least 0"),
        ({"seed": None}, "of at least 0"),
    ],
)
def test_bad_arguments(arguments, allowed):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` must be an integer {allowed}. ") as error:
        glyphs.load_data(**arguments)
    assert str(error.value).endswith(f"Received: {name}={value!r}")


def test_bad_class_names():
    with pytest.raises(ValueError, match="`num_classes` must be an integer from 2 to 2000"):
        glyphs.class_names(0)


@pytest.mark.parametrize("module", ["matplotlib", "PIL"])
def test_missing_extra(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "keras-noisy\[recipes\]"') as error:
        load()
    assert "\n" not in str(error.value)


def test_progress_bar(capsys):
    glyphs.load_data(3, 2, 2)
    assert "3/3" in capsys.readouterr().out
    glyphs.load_data(3, 2, 2)  # cached
    load(4)  # verbose=0
    assert capsys.readouterr().out == ""


# The characters


def candidates():
    import matplotlib
    from matplotlib.ft2font import FT2Font

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    fonts = [FT2Font(os.path.join(folder, f"{style}.ttf")) for style in STYLES]
    shared = set.intersection(*(set(font.get_charmap()) for font in fonts)) - {0xFFFC, 0xFFFD}
    return [chr(c) for c in sorted(shared) if unicodedata.category(chr(c))[0] in "LNSP"]


def difference(images, shrunk, first, second):
    """Returns the least squared difference of pairs over shifts of one by up to a pixel."""
    least = np.full(len(first), np.inf)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = np.roll(shrunk, (dy, dx), (1, 2))
            for start in range(0, len(first), 4096):
                part = slice(start, start + 4096)
                pairs = images[first[part]] - moved[second[part]]
                least[part] = np.minimum(least[part], np.square(pairs).sum((1, 2)))
    return least


@pytest.fixture(scope="module")
def renderings():
    """Returns the candidates and their images at 16, 15.2 and 14.4 pixels in each style."""
    characters, fonts = candidates(), load_fonts()
    n = len(STYLES)
    zero = np.zeros(n)
    images = np.empty((3, n, len(characters), 28, 28), np.float32)
    for i, character in enumerate(characters):
        cells = render(character, fonts)
        for j, size in enumerate((16, 15.2, 14.4)):
            images[j, :, i] = warp(
                cells, np.arange(n), zero + size / EM, np.zeros((2, n)), zero, zero
            )
    return characters, images / 255


def test_characters_follow_their_rule(renderings):
    """The tolerances allow for other versions of FreeType, which may render differently."""
    characters, images = renderings
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 2000
    assert list(CHARACTERS) == sorted(CHARACTERS)
    assert set(CHARACTERS) <= set(characters)
    kept = np.isin(characters, list(CHARACTERS))

    alike = []
    for same, *shrunk in images.swapaxes(0, 1):
        flat = same.reshape(len(characters), -1)
        norm = np.square(flat).sum(1)
        near = norm[:, None] + norm - 2 * flat @ flat.T < 6  # skips most pairs
        first, second = np.nonzero(np.triu(near, 1) & kept[:, None])
        least = difference(same, same, first, second)
        for smaller in shrunk:
            least = np.minimum(least, difference(same, smaller, first, second))
            least = np.minimum(least, difference(same, smaller, second, first))
        both = kept[first] & kept[second]
        assert least[both].min() > 0.9 * 0.345
        alike.append(second[~both & (least < 1.1 * 0.345)])

    ink = images[0].sum((2, 3)).min(0)
    assert ink[kept].min() > 0.9 * 3
    left_out = ~kept & (ink > 1.1 * 3)
    left_out[np.concatenate(alike)] = False
    assert not left_out.any()


@pytest.mark.parametrize(
    "group", ["A\u0391\u0410", "o\u03bf\u043e", "H\u0397\u041d", "Il", ";\u037e", "-\u2010"]
)
def test_look_alikes_are_one_class(group):
    assert sum(character in CHARACTERS for character in group) == 1


def test_class_names_are_the_characters():
    assert sorted(glyphs.class_names(2000)) == sorted(CHARACTERS)
    assert len(glyphs.class_names()) == 1000
    assert glyphs.class_names(5) == ["ე", "ᴿ", "ŗ", "Ἢ", ","]
