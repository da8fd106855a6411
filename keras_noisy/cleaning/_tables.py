"""Tables of comma-separated values, whose names of files may be no UTF-8."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def format_csv(rows: Sequence[Sequence[Any]]) -> str:
    """Formats rows as a table of comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_csv(path: Path) -> list[list[str]]:
    """Reads the rows of a table in UTF-8, which may begin with a byte-order mark."""
    content = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    return list(csv.reader(io.StringIO(content, newline="")))
