"""Tables of images and labels, as spreadsheets export them."""

import csv
import io
import logging
import re
import sys

import pytest

from keras_noisy.datasets import read_table

pytest.importorskip("pandas")
pytestmark = pytest.mark.backend_free

ROWS = [
    [" image", "remark", "label ", "checked"],
    ["a, b.png", "", "épagneul ", "owl"],
    ["b.png", "late", " NA", " "],
    ["c.png", "", "épagneul", ""],
]


@pytest.fixture
def write(tmp_path):
    def write(rows, encoding="utf-8", **options):
        file = io.StringIO()
        csv.writer(file, **options).writerows(rows)
        path = tmp_path / "labels.csv"
        path.write_bytes(file.getvalue().encode(encoding))
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_table_is_read_however_it_was_exported(write, delimiter, encoding, caplog):
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        path = write(ROWS, encoding, delimiter=delimiter, quoting=quoting)
        table = read_table(path, ["image", "label"], optional=["checked"])
        assert table.to_dict("split") == {
            "index": [0, 1, 2],
            "columns": ["image", "label", "checked"],
            "data": [
                ["a, b.png", "épagneul", "owl"],
                ["b.png", "NA", ""],
                ["c.png", "épagneul", ""],
            ],
        }
    assert not caplog.records


def test_incomplete_rows_are_skipped_and_counted(write, caplog):
    path = write([*ROWS, ["d.png", "", "  ", ""], ["e.png"]])
    with caplog.at_level(logging.WARNING, "keras_noisy"):
        assert read_table(path)["image"].tolist() == ["a, b.png", "b.png", "c.png"]
    assert "2 of 5 rows are skipped" in caplog.text
    assert "'d.png'" in caplog.text


@pytest.mark.parametrize(
    ("rows", "encoding", "received"),
    [
        (ROWS, "latin-1", "can't decode byte"),
        (ROWS, "utf-16", "can't decode byte"),
        ([], "utf-8", "Could not determine delimiter"),
        ([*ROWS, ["a"] * 6], "utf-8", "Expected 4 fields in line 5, saw 6"),
        ([["image", "class"]], "utf-8", "without ['label']; it has ['image', 'class']"),
        (ROWS[:1], "utf-8", "with 0 rows, none"),
        ([ROWS[0], ["a.png"]], "utf-8", "with 1 rows, none"),
    ],
)
def test_what_is_no_such_table_is_refused(write, rows, encoding, received):
    path = write(rows, encoding)
    expected = f"^`path` must be a table .* Received: '{path}'.*{re.escape(received)}"
    with pytest.raises(ValueError, match=expected):
        read_table(path)


def test_missing_pandas_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        ImportError, match=r'^pandas is not installed. .*"keras-noisy\[datasets\]"$'
    ):
        read_table(write(ROWS))
