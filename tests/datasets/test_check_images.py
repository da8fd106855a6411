"""`check_images` finds all bad images, and continues after an interruption."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from pictures import bad_files, encode, photograph

from keras_noisy.datasets import (
    BadImage,
    check_images,
    image_list,
    inspect_image,
    read_bad_images,
    read_file_list,
)
from keras_noisy.datasets._image_files import checking
from keras_noisy.datasets._image_files.bad_images import append_bad_images

pytestmark = pytest.mark.backend_free

pytest.importorskip("tensorflow")


@pytest.fixture
def tree(tmp_path):
    """Returns a folder of 65 images and the sorted list of the bad ones."""
    root = tmp_path / "images"
    bad = []
    damaged = dict(enumerate(bad_files().values()))
    for i in range(60):
        path = root / f"q{i // 20}" / ("deeper" if i % 2 else ".") / f"{i:02} photo.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        reason, content = damaged.get(i // 5, (None, None)) if i % 5 == 3 else (None, None)
        path.write_bytes(encode(photograph(i)) if reason is None else content)
        if reason:
            bad.append(BadImage(os.path.relpath(path, root), reason))
    for name, image_format in (
        ("a.PNG", "PNG"),
        ("b.gif", "GIF"),
        ("c.bmp", "BMP"),
        ("d.webp", "WEBP"),
    ):
        (root / name).write_bytes(encode(photograph(70), image_format))
    (root / "e.JPEG").write_bytes(b"")
    (root / "readme.txt").write_text("not one of them")
    bad.append(BadImage("e.JPEG", "empty"))
    assert len(bad) == 12
    return root, sorted(bad)


@pytest.fixture
def check(tree, tmp_path):
    def check(**options):
        given = {"bad_images": tmp_path / "bad.csv", "verbose": 0}
        return check_images(tree[0], **{**given, **options})

    return check


@pytest.fixture
def inspected(monkeypatch):
    """Records the names of inspected images; interrupts the check at number `inspected.stop`."""

    class Inspected(list):
        stop = None

    calls = Inspected()

    def inspect(path):
        calls.append(path.name)
        if len(calls) == calls.stop:
            raise KeyboardInterrupt
        return inspect_image(path)

    monkeypatch.setattr(checking, "inspect_image", inspect)
    return calls


def listed(path):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "reason", "root", "size", "modified"]
    return [BadImage(*row[:2]) for row in rows]


# Finding bad images


@pytest.mark.parametrize("kind", bad_files())
def test_reasons(tmp_path, kind):
    reason, content = bad_files()[kind]
    (tmp_path / "a.jpg").write_bytes(content)
    assert inspect_image(tmp_path / "a.jpg") == reason


@pytest.mark.parametrize(
    "content",
    [
        encode(photograph(0)),
        encode(photograph(0), mode="CMYK"),
        encode(photograph(0), mode="L"),
        encode(photograph(0), "PNG"),
        encode(photograph(0), "GIF"),
        encode(photograph(0), "BMP"),
        encode(photograph(0), "WEBP"),
        encode(photograph(0, 1, 1)),
        encode(photograph(0)) + b"\0\n",
    ],
    ids=["JPEG", "CMYK", "grey", "PNG", "GIF", "BMP", "WebP", "1 x 1", "more than an image"],
)
def test_whole_images_are_good_whatever_their_names_say(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    assert inspect_image(tmp_path / "a.jpg") is None
    assert inspect_image(str(tmp_path / "a.jpg")) is None


def test_what_cannot_be_read(tmp_path):
    assert inspect_image(tmp_path / "a.jpg") == "missing"
    (tmp_path / "a.jpg").mkdir()
    assert inspect_image(tmp_path / "a.jpg") == "unreadable: Is a directory"
    (tmp_path / "b.jpg").write_bytes(b"RIFF\x10\0\0\0WAVEfmt ")
    assert inspect_image(tmp_path / "b.jpg") == "not an image"


def test_exactly_the_bad_ones_are_found(check, tree, tmp_path):
    _, bad = tree
    assert sorted(check()) == bad
    assert sorted(listed(tmp_path / "bad.csv")) == bad
    assert sorted(read_bad_images(tmp_path / "bad.csv")) == bad
    assert not (tmp_path / "bad.csv.progress").exists()


@pytest.mark.parametrize("workers", [1, 3])
def test_only_the_paths_that_are_given(check, tree, tmp_path, workers):
    _, bad = tree
    names = ["a.PNG", bad[2].path, os.fsencode(bad[5].path), "nowhere/x.jpg", "readme.txt"]
    expected = [
        BadImage(bad[2].path, bad[2].reason),
        BadImage(bad[5].path, bad[5].reason),
        BadImage("nowhere/x.jpg", "missing"),
        BadImage("readme.txt", "not an image"),
    ]
    assert check(paths=names, workers=workers) == expected
    assert listed(tmp_path / "bad.csv") == expected


def test_nothing_bad_is_no_list(check, tmp_path):
    assert check(paths=["a.PNG"]) == []
    assert check(paths=[]) == []
    assert not (tmp_path / "bad.csv").exists()


@pytest.mark.parametrize(
    "name", ["comma, and more.jpg", 'quo"te.jpg', "Kätzchen.jpg", "\udcff.jpg", "a\nb.jpg"]
)
def test_names_survive_the_list(tmp_path, name):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / name).write_bytes(b"")
    found = check_images(tmp_path / "images", bad_images=tmp_path / "bad.csv", verbose=0)
    assert found == read_bad_images(tmp_path / "bad.csv") == [BadImage(name, "empty")]


def test_training_leaves_out_what_is_listed(check, tree, tmp_path):
    root, bad = tree
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*.jpg"))
    lines = [f"{path} {i}" for i, path in enumerate(paths)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = check(paths=read_file_list(tmp_path / "list.txt", 60).paths)
    bad = [image for image in bad if image.path.endswith(".jpg")]
    assert sorted(found) == bad
    content = (tmp_path / "bad.csv").read_bytes()
    pipeline = image_list.pipeline(
        root,
        tmp_path / "list.txt",
        60,
        image_size=8,
        bad_images=tmp_path / "bad.csv",
        max_bad_share=0.2,
    )
    assert pipeline.num_samples == 60 - len(bad)
    ((_, y),) = pipeline.dataset.as_numpy_iterator()
    assert sorted(paths[i] for i in y) == sorted(set(paths) - {image.path for image in bad})
    assert (tmp_path / "bad.csv").read_bytes() == content


# Again


def test_fixed_files_leave_the_list(check, tree, tmp_path):
    root, bad = tree
    check()
    append_bad_images(tmp_path / "bad.csv", [BadImage("of/another/list.jpg", "missing")])
    for image in bad[:3]:
        (root / image.path).write_bytes(encode(photograph(0)))
    assert sorted(check()) == bad[3:]
    assert sorted(listed(tmp_path / "bad.csv")) == sorted(
        [*bad[3:], BadImage("of/another/list.jpg", "missing")]
    )


def test_a_list_without_bad_images_goes(check, tree, tmp_path):
    root, bad = tree
    check()
    for image in bad:
        (root / image.path).write_bytes(encode(photograph(0)))
    assert check() == []
    assert not (tmp_path / "bad.csv").exists()


def test_a_search_after_a_finished_one_begins_anew(check, inspected):
    check()
    assert len(inspected) == 65
    check()
    assert len(inspected) == 130


# Interrupted


@pytest.mark.parametrize("stop", [1, 8, 9, 30, 65])
def test_an_interrupted_search_goes_on(check, tree, inspected, monkeypatch, stop):
    monkeypatch.setattr(checking, "_CHUNK", 8)
    inspected.stop = stop
    with pytest.raises(KeyboardInterrupt):
        check(workers=1)
    before = set(inspected)
    inspected.clear()
    inspected.stop = None
    assert sorted(check(workers=1)) == tree[1]
    # Only images of the unfinished chunk are inspected again.
    finished = (stop - 1) // 8 * 8
    assert len(inspected) == 65 - finished
    assert len(before - set(inspected)) == finished


def test_an_interrupted_search_of_other_images_begins_anew(
    check, tree, inspected, monkeypatch, tmp_path
):
    monkeypatch.setattr(checking, "_CHUNK", 8)
    names = sorted(str(path.relative_to(tree[0])) for path in tree[0].rglob("*.jpg"))
    inspected.stop = 30
    with pytest.raises(KeyboardInterrupt):
        check(paths=names, workers=1)
    inspected.clear()
    inspected.stop = None
    check(paths=names[::-1])
    assert len(inspected) == 60
    # The same names in another folder are different images.
    inspected.clear()
    inspected.stop = 30
    with pytest.raises(KeyboardInterrupt):
        check(paths=names, workers=1)
    inspected.clear()
    inspected.stop = None
    (tmp_path / "copy").mkdir()
    found = check_images(tmp_path / "copy", names, tmp_path / "bad.csv", verbose=0)
    assert [image.reason for image in found] == ["missing"] * 60


@pytest.mark.parametrize("content", ["", "{", '{"checked": 8}', '{"names": "", "checked": 8}'])
def test_damaged_progress_begins_anew(check, tree, tmp_path, content):
    (tmp_path / "bad.csv.progress").write_text(content)
    assert sorted(check()) == tree[1]


@pytest.mark.parametrize(
    "left",
    [
        "",
        "path,reason\r\n",
        "path,reason\r\na.jpg,empty\r\nb.jp",
        "path,reason\na.jpg,empty",
        "\ufeffpath,reason\r\na.jpg,empty\r\n",
    ],
)
def test_what_a_killed_process_or_an_editor_left(tmp_path, left):
    """An incomplete last line, for example, does not damage the next one."""
    path = tmp_path / "bad.csv"
    path.write_text(left, newline="", encoding="utf-8")
    already = [BadImage("a.jpg", "empty")] if "a.jpg" in left else []
    assert read_bad_images(path) == already
    for name in ("c.jpg", "d.jpg"):
        append_bad_images(path, [BadImage(name, "missing")])
    assert read_bad_images(path) == [
        *already,
        BadImage("c.jpg", "missing"),
        BadImage("d.jpg", "missing"),
    ]


def test_workers_may_write_to_the_same_list(tmp_path):
    """The list may have several headers if several workers created it at the same time."""
    path = tmp_path / "bad.csv"
    path.write_bytes(b"path,reason\r\na.jpg,empty\r\npath,reason\r\nb.jpg,empty\r\na.jpg,empty\r\n")
    assert read_bad_images(path) == [BadImage("a.jpg", "empty"), BadImage("b.jpg", "empty")]
    with ThreadPoolExecutor(8) as pool:
        written = [[BadImage(f"{i} {j}.jpg", "missing") for j in range(3)] for i in range(200)]
        list(pool.map(lambda images: append_bad_images(tmp_path / "new.csv", images), written))
    rows = (tmp_path / "new.csv").read_text().splitlines()
    assert "" not in rows
    assert sorted(read_bad_images(tmp_path / "new.csv")) == sorted(chain(*written))


SLOW = """
import sys, time
from keras_noisy.datasets._image_files import checking
inspect_image = checking.inspect_image
def slowly(path):
    time.sleep(0.02)
    return inspect_image(path)
checking.inspect_image, checking._CHUNK = slowly, 4
checking.check_images(sys.argv[1], bad_images=sys.argv[2], workers=1, verbose=0)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_search_goes_on(check, tree, inspected, tmp_path):
    root, bad = tree
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, root, tmp_path / "bad.csv"], cwd=Path(__file__).parents[2]
    )
    progress, deadline = tmp_path / "bad.csv.progress", time.monotonic() + 120
    while not progress.exists() or json.loads(progress.read_text())["checked"] < 12:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    checked = json.loads(progress.read_text())["checked"]
    assert 12 <= checked < 65
    assert sorted(check()) == bad
    assert sorted(read_bad_images(tmp_path / "bad.csv")) == bad
    assert len(inspected) == 65 - checked
    assert not progress.exists()


# Messages


@pytest.mark.parametrize(
    "content", ["a.jpg,empty\n", "<html>", "path;reason\n", "path,reason,more\n"]
)
def test_a_file_of_another_kind_is_left_alone(check, tmp_path, content):
    (tmp_path / "bad.csv").write_text(content)
    expected = (
        "`path` must be a CSV file with the columns path, reason, root, size, modified. Received: "
    )
    with pytest.raises(
        ValueError, match=re.escape(f"{expected}{tmp_path / 'bad.csv'}, which begins with [")
    ):
        check()
    assert (tmp_path / "bad.csv").read_text() == content


def test_folder_must_exist(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`root` must be a folder\. Received: root='.*nowhere'"
    ):
        check_images(tmp_path / "nowhere")


@pytest.mark.parametrize("workers", [0, -1, 2.0, "2", True])
def test_workers_are_checked(check, workers):
    with pytest.raises(
        ValueError,
        match=f"`workers` must be None or an integer of at least 1. Received: workers={workers!r}",
    ):
        check(workers=workers)


def test_progress_bar(check, capsys, monkeypatch, inspected):
    monkeypatch.setattr(checking, "_CHUNK", 20)
    check()
    assert capsys.readouterr().out == ""
    inspected.stop = len(inspected) + 45
    with pytest.raises(KeyboardInterrupt):
        check(verbose=1, workers=1)
    assert "20/65" in capsys.readouterr().out
    inspected.stop = None
    check(verbose=1)
    shown = capsys.readouterr().out
    assert "65/65" in shown
    assert "20/65" not in shown  # it continues after the first 20


def test_list_may_be_in_a_folder_that_is_not_there(check, tree, tmp_path):
    assert sorted(check(bad_images=tmp_path / "new" / "folder" / "bad.csv")) == tree[1]
    assert sorted(read_bad_images(tmp_path / "new" / "folder" / "bad.csv")) == tree[1]


def test_arrays_of_paths(check, tree):
    names = np.array([image.path for image in tree[1]])
    assert check(paths=names) == tree[1]
