"""Reads tables of images and labels, as spreadsheets export them."""

import csv
import logging
import os
from collections.abc import Sequence
from typing import Any

from keras_noisy._extras import require

_LOG = logging.getLogger("keras_noisy")


def read_table(
    path: str | os.PathLike,
    columns: Sequence[str] = ("image", "label"),
    optional: Sequence[str] = (),
) -> Any:
    """Reads a CSV file with a row for each image, as Excel and other programs export it.

    The values may be separated by commas, semicolons or tabs, and the file may begin with a
    byte-order mark. Spaces around values and names of columns are removed. Rows without a value in
    one of `columns` are skipped; a warning in the log counts them.

    Args:
        path: The file, in UTF-8, whose first row has the names of the columns.
        columns: Names of the columns in which every row has a value. Defaults to
            `("image", "label")`.
        optional: Names of the columns whose values may be empty. Defaults to none.

    Returns:
        A `pandas.DataFrame` of strings with these columns.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no table in UTF-8, if a column is missing, or if no row has a
            value in each of `columns`.
        ImportError: If pandas is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_noisy.datasets import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels.csv"
    ...     _ = file.write_text("image;label;remark\\n1.jpg;cat \\n2.jpg;dog\\n", "utf-8-sig")
    ...     table = read_table(file)
    >>> table.values.tolist()
    [['1.jpg', 'cat'], ['2.jpg', 'dog']]
    """
    pandas = require("pandas", extra="datasets")
    names = [*columns, *optional]
    try:
        table = pandas.read_csv(
            path,
            sep=None,  # found in the first row
            engine="python",
            dtype=str,
            index_col=False,
            keep_default_na=False,  # a class may have the name "NA"
            skipinitialspace=True,
            encoding="utf-8-sig",
        ).fillna("")
    except (ValueError, csv.Error) as error:
        raise ValueError(
            "`path` must be a table in UTF-8 with the names of its columns in the first row, such "
            f'as Excel\'s "CSV UTF-8". Received: {os.fspath(path)!r} ({error})'
        ) from error
    table = table.rename(columns=str.strip)
    if missing := [name for name in names if name not in table.columns]:
        raise ValueError(
            f"`path` must be a table with the columns {names}. Received: {os.fspath(path)!r} "
            f"without {missing}; it has {list(table.columns)}"
        )
    table = table[names].apply(lambda column: column.str.strip())
    is_complete = (table[list(columns)] != "").all(axis="columns")
    if not is_complete.any():
        raise ValueError(
            f"`path` must be a table with values in the columns {list(columns)}. "
            f"Received: {os.fspath(path)!r} with {len(table)} rows, none of which has them all"
        )
    if skipped := int((~is_complete).sum()):
        _LOG.warning(
            "%s: %d of %d rows are skipped, because they have no value in one of the columns %s, "
            "for example %s.",
            os.fspath(path),
            skipped,
            len(table),
            list(columns),
            table[~is_complete].iloc[0].to_dict(),
        )
    return table[is_complete].reset_index(drop=True)
