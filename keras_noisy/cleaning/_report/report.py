"""Writes the page of suspicious images as one HTML file that needs no server."""

import base64
import hashlib
import json
import math
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from keras_noisy._files import write_atomically

# Digits after the decimal point of probabilities on the page, which shows them in per cent.
_DIGITS = 6


class ReportSample(NamedTuple):
    """An image whose label may be wrong.

    Attributes:
        path: Path of the image relative to the images' root, with slashes.
        label: Class that the image is labelled as.
        looks_like: Class that the image looks like most.
        doubt: Probability that the label is wrong.
        expected_share: Expected share of wrong labels from the top of the list up to this image.
    """

    path: str
    label: str
    looks_like: str
    doubt: float
    expected_share: float


class ReportClass(NamedTuple):
    """A class, and how many of its labels are wrong.

    Attributes:
        name: Name of the class.
        size: Number of images with this label.
        noise_rate: Share of wrong labels among them.
        noise_rate_error: Standard error of this share, or NaN.
        confused_with: Class that the wrongly labelled images look like most often, or `""`.
        confused_count: Number of images that look like it.
    """

    name: str
    size: int
    noise_rate: float
    noise_rate_error: float
    confused_with: str
    confused_count: float


def write_report(
    path: str | os.PathLike[str],
    samples: Sequence[ReportSample],
    classes: Sequence[ReportClass],
    *,
    root: str | os.PathLike[str],
    num_samples: int,
    noise_rate: float,
    noise_rate_error: float,
    title: str,
    note: str = "",
) -> None:
    """Writes a page on which people look at suspicious images and mark their labels.

    The page is one file with everything but the images, which it shows from their folder. Browsers
    open it from the disk. Marks stay in the browser; the page exports them as a CSV file with the
    columns `path`, `label`, `mark` (`right`, `wrong` or `unclear`) and `new_label`.

    If the page and the images have a folder in common, other than the root of the file system, the
    page finds the images by their path relative to it: both can be moved together. Otherwise it
    finds them by their absolute path.

    Args:
        path: Path of the page. An existing file is replaced.
        samples: The images, most suspicious first.
        classes: All classes.
        root: Folder of the images.
        num_samples: Number of labels in the data set.
        noise_rate: Estimated share of wrong labels in the data set, or NaN.
        noise_rate_error: Standard error of this share, or NaN.
        title: Title of the page.
        note: Text below the estimate. Defaults to `""`.

    Raises:
        OSError: If the file can't be written. No part of it remains.
    """
    data = _describe(samples, classes)
    data |= {
        "key": _identify(root, samples),
        "base": _link_folder(root, Path(path).parent),
        "title": title,
        "note": note,
        "numSamples": int(num_samples),
        "noiseRate": _round(noise_rate),
        "noiseRateError": _round(noise_rate_error),
    }
    style, script = _read("style.css"), _read("page.js")
    page = _read("page.html").replace("{{script hash}}", _hash_source(script))
    page = page.replace("{{style}}", style).replace("{{script}}", script)
    # Comes last, so that nothing is replaced inside of names.
    write_atomically(path, page.replace("{{data}}", _to_json(data)))


def _describe(samples: Sequence[ReportSample], classes: Sequence[ReportClass]) -> dict[str, Any]:
    """Returns the samples as columns, and the classes; both contain indices of names."""
    names = dict.fromkeys(each.name for each in classes)
    names |= dict.fromkeys(name for each in samples for name in (each.label, each.looks_like))
    names |= dict.fromkeys(each.confused_with for each in classes)
    index = {name: i for i, name in enumerate(name for name in names if name)}
    index[""] = -1
    return {
        "names": [name for name in index if name],
        "paths": [each.path for each in samples],
        "labels": [index[each.label] for each in samples],
        "looks": [index[each.looks_like] for each in samples],
        "doubts": [_round(each.doubt) for each in samples],
        "shares": [_round(each.expected_share) for each in samples],
        "classes": [
            {
                "name": index[each.name],
                "size": int(each.size),
                "rate": _round(each.noise_rate),
                "error": _round(each.noise_rate_error),
                "other": index[each.confused_with],
                "count": _round(each.confused_count),
            }
            for each in classes
        ],
    }


def _round(value: float) -> float | None:
    """Rounds a number for the page; JSON has no NaN."""
    value = float(value)
    return round(value, _DIGITS) if math.isfinite(value) else None


def _identify(root: str | os.PathLike[str], samples: Sequence[ReportSample]) -> str:
    """Returns a key for the marks in the browser, so that those of two reports do not mix."""
    rows = [[*each[:3], _round(each.doubt), _round(each.expected_share)] for each in samples]
    content = json.dumps([os.path.abspath(root), rows])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _link_folder(root: str | os.PathLike[str], start: str | os.PathLike[str]) -> str:
    """Returns the URL of a folder, with a final slash, as pages in the folder `start` see it."""
    root, start = Path(os.path.abspath(root)), Path(os.path.abspath(start))
    has_common_folder = (
        root.anchor == start.anchor and os.path.commonpath([root, start]) != root.anchor
    )
    if not has_common_folder:
        return root.as_uri().rstrip("/") + "/"
    parts = Path(os.path.relpath(root, start)).parts
    return "./" + "".join(quote(os.fsencode(part), safe="") + "/" for part in parts)


def _to_json(data: Any) -> str:
    """Returns JSON in ASCII that can stand in a `<script>` element: no `<` ends or hides it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash_source(script: str) -> str:
    """Returns the hash with which the page's security policy allows its own script only."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _read(name: str) -> str:
    return (
        resources.files("keras_noisy.cleaning._report").joinpath(name).read_text(encoding="utf-8")
    )
