"""Lists of images: usable lines are read, all others are reported."""

import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.datasets import BadImage, read_file_list

pytestmark = pytest.mark.backend_free


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads a list with the given contents."""

    def read(content, num_classes=10, **options):
        path = tmp_path / "list.txt"
        path.write_bytes(content)
        return read_file_list(path, num_classes, **options)

    return read


def reasons(found):
    """Returns the reason for each unusable line, by its number."""
    return {int(bad.path.rpartition(":")[2]): bad.reason for bad in found.bad}


def test_paths_and_labels_in_their_order(read):
    found = read(b"google/q0001/b.jpg 3\ngoogle/q0001/a.jpg 0\nflickr/q0002/c.jpg 9\n")
    assert found.paths == [b"google/q0001/b.jpg", b"google/q0001/a.jpg", b"flickr/q0002/c.jpg"]
    assert found.labels.tolist() == [3, 0, 9]
    assert found.labels.dtype == np.int32
    assert found.bad == []


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg 1\nb.jpg 2",
        b"a.jpg 1\r\nb.jpg 2\r\n",
        b"\xef\xbb\xbfa.jpg 1\nb.jpg 2\n",
        b"\n\na.jpg 1\n \t \n\r\nb.jpg 2\n\n\n",
        b"a.jpg\t1\nb.jpg\t\t2\n",
        b"  a.jpg   1  \n\tb.jpg \t 2\t\n",
        b"a.jpg 01\nb.jpg 002\n",
    ],
    ids=["no last line end", "Windows", "byte-order mark", "blank", "tabs", "spaces", "zeros"],
)
def test_what_does_not_matter(read, content):
    found = read(content)
    assert found.paths == [b"a.jpg", b"b.jpg"]
    assert found.labels.tolist() == [1, 2]
    assert found.bad == []


@pytest.mark.parametrize(
    "name",
    [
        b"a cat.jpg",
        b"a  cat 7.jpg",
        b"tab\there.jpg",
        "Kätzchen 猫.jpg".encode(),
        b"\xff\xfe.jpg",
        b"7",
    ],
)
def test_names_are_kept_as_they_are(read, name):
    """File names are bytes that need not be valid text, and may contain tabs."""
    found = read(b"first.jpg 1\n" + name + b" 2\n")
    assert found.paths == [b"first.jpg", name]
    assert found.labels.tolist() == [1, 2]


def test_prefix(read):
    assert read(b"a b.jpg 1\n", prefix="val_images_256/").paths == [b"val_images_256/a b.jpg"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"x y.jpg 10", "x y.jpg: label 10 is not in [0, 10)"),
        (b"x.jpg 99999999999", "x.jpg: label 99999999999 is not in [0, 10)"),
        (b"x.jpg -1", "x.jpg: label -1 is not in [0, 10)"),
        (b"x.jpg", "x.jpg: no label"),
        (b"x y.jpg", "x y.jpg: no label"),
        (b"x.jpg 1.0", "x.jpg 1.0: no label"),
        (b"x.jpg one", "x.jpg one: no label"),
        (b"x.jpg -", "x.jpg -: no label"),
        (b"x.jpg --1", "x.jpg --1: no label"),
        (b"x.jpg \xc2\xb2", "x.jpg ²: no label"),  # a digit for str.isdigit
        (b"7", "7: no label"),
        (b"\xff.jpg 10", "\ufffd.jpg: label 10 is not in [0, 10)"),
    ],
)
def test_lines_that_cannot_be_used(read, tmp_path, line, reason):
    found = read(b"first.jpg 0\r\n\r\n" + line + b"\r\nlast.jpg 2\r\n")
    assert found.paths == [b"first.jpg", b"last.jpg"]
    assert found.labels.tolist() == [0, 2]
    assert found.bad == [BadImage(f"{tmp_path / 'list.txt'}:3", reason)]
    kind = "no label" if reason.endswith("no label") else "label out of range"
    assert found.skipped == {kind: [f"{tmp_path / 'list.txt'}:3"]}


def test_labels_go_up_to_the_number_of_classes(read):
    found = read(b"a 0\nb 1\nc 2\n", num_classes=2)
    assert found.labels.tolist() == [0, 1]
    assert list(reasons(found)) == [3]


def test_repeated_lines_count_unless_they_contradict_the_first(read, tmp_path):
    """Lines are repeated to oversample a class."""
    found = read(b"a.jpg 1\nb.jpg 2\n./a.jpg 1\n.//b.jpg 3\na.jpg 1\na.jpg 77\n")
    assert found.paths == [b"a.jpg", b"b.jpg", b"a.jpg", b"a.jpg"]
    assert found.labels.tolist() == [1, 2, 1, 1]
    assert reasons(found) == {
        4: "b.jpg: repeated with label 3; the first line has label 2",
        6: "a.jpg: label 77 is not in [0, 10)",
    }
    assert found.skipped == {
        "repeated with another label": [f"{tmp_path / 'list.txt'}:4"],
        "label out of range": [f"{tmp_path / 'list.txt'}:6"],
    }


def test_labels_that_begin_at_1(read):
    with pytest.raises(ValueError, match=r"begin at 1: none is 0, and 3, which is `num_classes`"):
        read(b"a 1\nb 2\nc 3\n", num_classes=3)
    assert read(b"a 1\nb 2\nc 0\nd 3\n", num_classes=3).labels.tolist() == [1, 2, 0]
    assert read(b"a 1\nb 2\nd 4\n", num_classes=3).labels.tolist() == [1, 2]


def test_absolute_paths_below_the_root(read, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    root = tmp_path / "photos"
    lines = f"{root}/a b.jpg 0\nc.jpg 1\n{root}//d/./e.jpg 0\n{tmp_path}/link/photos/f.jpg 1\n"
    found = read(lines.encode(), root=root)
    assert found.paths == [b"a b.jpg", b"c.jpg", b"d/e.jpg", b"f.jpg"]
    assert read(lines.encode(), root=tmp_path / "link" / "photos").paths == found.paths
    assert read(lines.encode()).paths[0] == os.fsencode(root / "a b.jpg")
    with pytest.raises(
        ValueError, match=r"must lie below `root`\. Received: '/else/g\.jpg' in line 2"
    ):
        read(b"a 1\n/else/g.jpg 2\n", root=root)


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"a.jpg\nb.jpg 10\n", b"\xef\xbb\xbf"])
def test_no_usable_line(read, tmp_path, content):
    expected = "`path` must be a list with a line `path label` for each image. Received: "
    with pytest.raises(ValueError, match=re.escape(f"{expected}{tmp_path / 'list.txt'}, ")):
        read(content)


def test_missing_list(tmp_path):
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2"):
        read_file_list(tmp_path / "nothing.txt", 1)
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        read_file_list(tmp_path / "nothing.txt", 10)


def is_normal(name):
    """Returns whether a name has no space around it, and would not be normalised."""
    return name == name.strip() and b"./" not in name and b"//" not in name


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1).map(
        str.encode
    ),
    st.binary(min_size=1).filter(lambda name: b"\n" not in name),
).filter(is_normal)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a.jpg", b"./a.jpg", b"b c.jpg", b"c//d.jpg", b""]),
            st.sampled_from([b" 0", b" 1", b" 2", b" 3", b" -1", b" one", b""]),
        ),
        max_size=12,
    )
)
def test_used_and_skipped_lines_are_all(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("list") / "list.txt"
    content = [b"0.jpg 0", *(name + label for name, label in lines)]
    path.write_bytes(b"\n".join(content))
    found = read_file_list(path, 3)
    skipped = [line for entries in found.skipped.values() for line in entries]
    assert sorted(skipped) == sorted(bad.path for bad in found.bad)
    assert len(found.paths) + len(skipped) == sum(1 for line in content if line)


@given(
    files=st.lists(
        st.tuples(NAMES, st.integers(0, 99)), min_size=1, unique_by=lambda file: file[0]
    ),
    line_end=st.sampled_from([b"\n", b"\r\n"]),
    space=st.sampled_from([b" ", b"\t", b"  \t"]),
)
def test_any_name_without_line_breaks(tmp_path_factory, files, line_end, space):
    path = tmp_path_factory.mktemp("list") / "list.txt"
    lines = [name + space + str(label).encode() for name, label in files]
    path.write_bytes(line_end.join(lines))
    found = read_file_list(path, 100)
    assert list(zip(found.paths, found.labels.tolist(), strict=True)) == files
    assert found.bad == []
