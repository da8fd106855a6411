import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy._files import write_atomically
from keras_noisy.cleaning._images import ImageList, read_images, write_images
from keras_noisy.cleaning._tables import read_csv
from keras_noisy.datasets._image_files.folders import check_folder

_COLUMNS = ["path", "label", "mark", "new_label"]
_MARKS = ("right", "wrong", "unclear")


class CleanedLabels(NamedTuple):
    """Images and their labels after the marks were applied.

    Attributes:
        paths: Paths of the images, relative to the root.
        labels: Integer array (n,), the corrected labels.
        class_names: The names of the classes.
        num_corrected: Number of labels that were replaced.
        num_left_out: Number of images that are left out, because they are marked as unclear.
        files: Paths that were written, or would be.
    """

    paths: list[str]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    num_corrected: int
    num_left_out: int
    files: list[Path]


class _Mark(NamedTuple):
    path: str
    label: str
    mark: str
    new_label: str


def apply_marks(
    root: str | os.PathLike,
    marks: str | os.PathLike,
    output: str | os.PathLike = "audit",
    links: str | os.PathLike | None = None,
    *,
    dry_run: bool = False,
    verbose: int = 1,
) -> CleanedLabels:
    """Corrects the labels that were marked in the report of an audit.

    An image that is marked as wrong gets the new label; one that is marked as unclear is left out.
    All others keep their labels. It writes to the folder of the audit:

    - `cleaned.csv`: images and labels, with the columns `image` and `label`, for another
      `keras_noisy.cleaning.audit` or any other program;
    - `cleaned.txt`: a line `path label` for each image, with labels counted from 0, for
      `keras_noisy.datasets.image_list`;
    - `class_names.txt`: the names of the classes in the order of the labels, a line each.

    The images are neither changed nor moved.

    Args:
        root: Folder of the images.
        marks: The CSV file that the report exports, with the columns `path`, `label`, `mark`
            (`right`, `wrong` or `unclear`) and `new_label`.
        output: Folder of the audit. Defaults to `"audit"`.
        links: New folder to fill with a folder for each class, of links to the images. Defaults to
            `None`: no links.
        dry_run: Whether to only check and count, and to write nothing. Defaults to `False`.
        verbose: 0 for no output, 1 for a few lines. Defaults to `1`.

    Returns:
        `CleanedLabels`.

    Raises:
        ValueError: If the table has other columns or marks, if it has images or labels that the
            audit does not have, or a class that does not exist, or if `links` is not empty.
        FileNotFoundError: If a file or folder does not exist.
        OSError: If a file can't be written; then no links are left behind.

    Example:

    >>> from keras_noisy import cleaning
    >>> cleaned = cleaning.apply_marks("photos", "marks.csv", dry_run=True)  # doctest: +SKIP
    12 labels corrected, 3 images left out, 4,985 images left
    """
    check_folder("root", Path(root))
    folder, marks = Path(output), Path(marks)
    images = _read_audit(folder)
    rows = _read_marks(marks, images)
    new_labels = {row.path: row.new_label for row in rows if row.mark == "wrong"}
    labels = images.labels.copy()
    for i, path in enumerate(images.paths):
        if path in new_labels:
            labels[i] = images.class_names.index(new_labels[path])
    unclear = {row.path for row in rows if row.mark == "unclear"}
    cleaned = images._replace(labels=labels).without(unclear)
    files = [folder / name for name in ("cleaned.csv", "cleaned.txt", "class_names.txt")]
    if links is not None:
        _check_new_folder(Path(links))
        files.append(Path(links))
    if not dry_run:
        _write(cleaned, files)
        if links is not None:
            _link(Path(root), cleaned, set(new_labels), Path(links))
    if verbose:
        print(
            f"{_count(len(new_labels), 'label')} corrected, "
            f"{_count(len(unclear), 'image')} left out, "
            f"{_count(len(cleaned.paths), 'image')} left"
        )
        for file in files:
            print(f"{'Would write' if dry_run else 'Wrote'} {file}")
    return CleanedLabels(*cleaned, len(new_labels), len(unclear), files)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _read_audit(folder: Path) -> ImageList:
    """Returns the images of an audit that is done."""
    noise = folder / "noise.json"
    if not noise.exists():
        raise FileNotFoundError(
            "`output` must be the folder of an audit that is done. Received: "
            f"output={os.fspath(folder)!r}, without noise.json"
        )
    content = json.loads(noise.read_text(encoding="utf-8", errors="surrogateescape"))
    return read_images(folder / "images.csv", [each["name"] for each in content["classes"]])


def _read_marks(path: Path, images: ImageList) -> list[_Mark]:
    header, *table = read_csv(path) or [[]]
    if header != _COLUMNS or any(len(row) != len(_COLUMNS) for row in table):
        raise ValueError(
            f"`marks` must be a table with the columns {', '.join(_COLUMNS)}, as the report "
            f"exports it. Received: marks={os.fspath(path)!r} with the columns {', '.join(header)}"
        )
    rows = [_Mark(*row) for row in table]
    labels = dict(zip(images.paths, images.labels.tolist(), strict=True))
    problems = [
        *_list(rows, lambda row: row.mark not in _MARKS, "another mark than right, wrong, unclear"),
        *_list(rows, lambda row: row.path not in labels, "an image that the audit does not have"),
        *_list(
            rows,
            lambda row: row.path in labels and images.class_names[labels[row.path]] != row.label,
            "another label than the audit has",
        ),
        *_list(
            rows,
            lambda row: row.mark == "wrong" and row.new_label not in images.class_names,
            "a new label that is no class",
        ),
    ]
    counts = Counter(row.path for row in rows)
    problems += _list(rows, lambda row: counts[row.path] > 1, "an image with two marks")
    if problems:
        raise ValueError(
            f"`marks` must be what the report of this audit exports. Received: "
            f"marks={os.fspath(path)!r}, {'; '.join(problems)}"
        )
    return rows


def _list(rows: Sequence[_Mark], is_wrong: Callable[[_Mark], bool], problem: str) -> list[str]:
    """Returns a description of the rows with a problem, in a list that is empty without one."""
    found = [row for row in rows if is_wrong(row)]
    number = "1 row has" if len(found) == 1 else f"{len(found)} rows have"
    return [f"{number} {problem}, such as {','.join(found[0])!r}"] if found else []


def _write(images: ImageList, files: Sequence[Path]) -> None:
    lines = [f"{path} {label}\n" for path, label in zip(images.paths, images.labels, strict=True)]
    if broken := [path for path in images.paths if "\n" in path or path != path.strip()]:
        raise ValueError(
            "Paths in a list must not contain line ends, or spaces at their ends. "
            f"Received: {broken[0]!r}"
        )
    write_images(files[0], images)
    write_atomically(files[1], "".join(lines))
    write_atomically(files[2], "".join(f"{name}\n" for name in images.class_names))


def _check_new_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"`links` must be a new or empty folder. Received: links={os.fspath(folder)!r}"
        )


def _link(root: Path, images: ImageList, corrected: Collection[str], folder: Path) -> None:
    """Fills a folder with links; it appears when it is complete."""
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        for name in images.class_names:
            (draft / name).mkdir(parents=True)
        for path, label in zip(images.paths, images.labels, strict=True):
            name = images.class_names[label]
            # Below the folder of its class, an image keeps its path. A corrected one keeps the name
            # of its old folder too, to differ from others of the same name.
            inner = path.replace("/", "__") if path in corrected else path.removeprefix(f"{name}/")
            target = draft / name / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to((root / path).resolve())
        if folder.exists():
            folder.rmdir()
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
