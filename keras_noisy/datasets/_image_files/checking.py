"""Finds bad images before a training does."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras

from keras_noisy._arguments import check_integer
from keras_noisy._files import write_atomically
from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.bad_images import (
    BadImage,
    append_bad_images,
    append_rows,
    read_bad_images,
    read_rows,
)
from keras_noisy.datasets._image_files.folders import (
    check_folder,
    find_images,
    list_folders,
    read_folder,
)
from keras_noisy.datasets._image_files.inspection import inspect_image
from keras_noisy.datasets._image_files.layouts import find_odd_layout
from keras_noisy.datasets._image_files.paths import list_forms, make_relative, normalise

# Number of images after which the results and the progress are written.
_CHUNK = 512


def check_images(
    root: str | os.PathLike,
    paths: Sequence[str | bytes] | None = None,
    bad_images: str | os.PathLike = "bad_images.csv",
    workers: int | None = None,
    verbose: int = 1,
) -> list[BadImage]:
    """Decodes all images, in parallel, and lists those that can't be decoded.

    Unlike a training, it also finds a JPEG whose data are cut although the end marker is there, if
    Pillow is installed.

    Results are written as it goes on: if it is interrupted or killed, the same call continues where
    it stopped. A call after a finished one starts over.

    Args:
        root: Folder of the images.
        paths: Paths of the images, relative to `root` or below it. Defaults to all files in it, at
            any depth, that have the suffix of a format that can be decoded; a warning in the log
            counts the others.
        bad_images: CSV file to write the bad images to; pipelines of the same `root` then skip
            them. Entries of other folders are left as they are. Defaults to `"bad_images.csv"`.
        workers: Positive integer, the number of images that are decoded at the same time. Defaults
            to the number of processors.
        verbose: 1 shows a progress bar, 0 does not. Defaults to `1`.

    Returns:
        List of the bad images among `paths`.

    Raises:
        FileNotFoundError: If `root` is not a folder.
        ValueError: If an argument is out of its range, if an absolute path is not below `root`, or
            if `bad_images` is a file with other columns.
        ImportError: If TensorFlow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_noisy.datasets import check_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.jpg").write_text("<html>Not found</html>")
    ...     check_images(folder, bad_images=Path(folder) / "bad.csv", verbose=0)
    [BadImage(path='a.jpg', reason='an HTML page')]
    """
    root, output = Path(root), Path(bad_images)
    check_folder("root", root)
    workers = check_integer("workers", workers, 1, or_none=True)
    if paths is None:
        names, skipped = find_images(root)
        exclusion.log_skipped(os.fspath(root), len(names), skipped)
    else:
        names = _make_relative(paths, root)
    progress = _Progress(output, root, names)
    if progress.checked == 0:
        _remove_from_list(output, set(names), root)
    bar = keras.utils.Progbar(len(names), verbose=verbose, unit_name="image")
    if progress.checked:
        bar.update(progress.checked)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for start in range(progress.checked, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            reasons = pool.map(lambda name: inspect_image(root / name), chunk)
            found = zip(chunk, reasons, strict=True)
            append_bad_images(output, [BadImage(name, why) for name, why in found if why], root)
            progress.write(start + len(chunk))
            bar.update(start + len(chunk))
    progress.path.unlink(missing_ok=True)
    checked = set(names)
    return [image for image in read_bad_images(output, root) if image.path in checked]


def survey_folder(root: Path) -> tuple[list[str], exclusion.Skipped, list[str]]:
    """Returns the images in a folder, what else is there by reason, and warnings about its layout.

    The warnings, and the classes without an image, are those of `image_folder.pipeline`.
    """
    check_folder("root", root)
    images, skipped = found = find_images(root)
    names = list_folders(root)
    if len(names) < 2:
        return images, skipped, []
    files = read_folder(root, names, found)
    warnings = find_odd_layout(root, names, images, is_default=True)
    if others := files.skipped.get(exclusion.NO_CLASS):
        warnings.append(f"{len(others)} images are in no class folder, such as {others[0]!r}.")
    used = set(files.labels.tolist())
    if empty := [name for label, name in enumerate(names) if label not in used]:
        skipped = {**skipped, exclusion.EMPTY_CLASS: empty}
    return images, skipped, warnings


def _make_relative(paths: Sequence[str | bytes], root: Path) -> list[str]:
    """Returns paths relative to `root`, each once."""
    forms = list_forms(root)
    names: dict[str, None] = {}
    for path in paths:
        name = make_relative(normalise(os.fsencode(path)), forms)
        if name is None:
            raise ValueError(
                "Absolute paths in `paths` must lie below `root`. Received: "
                f"{os.fsdecode(path)!r}, and root={os.fspath(root)!r}"
            )
        names[os.fsdecode(name)] = None
    return list(names)


class _Progress:
    """The number of images that are checked already, kept in a file beside the list.

    It counts for the same images in the same folder only.
    """

    def __init__(self, output: Path, root: Path, names: list[str]) -> None:
        self.path = output.with_name(output.name + ".progress")
        digest = hashlib.blake2b(digest_size=16)
        for name in [os.path.realpath(root), *names]:
            digest.update(os.fsencode(name) + b"\0")
        self._names = digest.hexdigest()
        self.checked = self._read()

    def _read(self) -> int:
        try:
            content: dict[str, Any] = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return int(content["checked"]) if content.get("names") == self._names else 0

    def write(self, checked: int) -> None:
        write_atomically(self.path, json.dumps({"names": self._names, "checked": checked}))


def _remove_from_list(output: Path, names: set[str], root: Path) -> None:
    """Removes the images that are about to be checked from an existing list."""
    listed = read_rows(output)
    roots = ("", os.path.realpath(root))
    kept = [row for row in listed if row.root not in roots or row.path not in names]
    if len(kept) == len(listed):
        return
    draft = output.with_name(output.name + ".tmp")
    draft.unlink(missing_ok=True)
    append_rows(draft, kept)
    if kept:
        draft.replace(output)
    else:
        output.unlink()
