"""Finds signs that a folder is laid out in another way than one folder for each class."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

_SPLITS = (
    {"train", "training"},
    {"val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"},
)


def find_odd_layout(
    root: Path, class_names: Sequence[str], images: Sequence[str], is_default: bool
) -> list[str]:
    """Returns warnings about a folder of classes, each with what to pass instead.

    Args:
        root: The folder.
        class_names: The paths of its classes.
        images: The paths of its images.
        is_default: Whether the classes are simply all folders in `root`.
    """
    if not is_default:
        return []
    where, lower = os.fspath(root), {name.lower() for name in class_names}
    if all(lower & names for names in _SPLITS):
        kinds = [name for name in class_names if any(name.lower() in names for names in _SPLITS)]
        return [
            f"The folders {_join(kinds)} in {where!r} are taken for classes, but their names are "
            f"those of splits. Pass root={os.path.join(where, kinds[0])!r}, for example."
        ]
    direct: set[str] = set()
    inner: dict[str, set[str]] = {}
    for path in images:
        name, _, rest = path.partition("/")
        if "/" in rest:
            inner.setdefault(name, set()).add(rest.partition("/")[0])
        else:
            direct.add(name)
    copies = {
        name: folders & set(class_names)
        for name, folders in inner.items()
        if len(folders & set(class_names)) >= 2
    }
    warnings = [
        f"The folder {name!r} in {where!r} is taken for a class, but holds folders with the names "
        f"of other classes ({_join(sorted(same))}): perhaps a copy, whose images would count "
        f"twice. Pass class_names={_show(n for n in class_names if n not in copies)}, for example."
        for name, same in copies.items()
    ]
    nested = [
        name
        for name in class_names
        if name not in direct and name not in copies and len(inner.get(name, ())) >= 2
    ]
    if nested:
        deeper = (f"{name}/{folder}" for name in nested for folder in sorted(inner[name]))
        warnings.append(
            f"The folders {_join(nested)} in {where!r} are taken for classes, but hold images in "
            f"folders only. If those are the classes, pass class_names={_show(deeper)}."
        )
    # Not `str.isdigit`, which is true of "²".
    used = [name for name in class_names if name in direct or name in inner]
    if all(name.isdecimal() for name in used):
        by_number = sorted(used, key=int)
        if by_number != used:
            warnings.append(
                f"The names of the folders in {where!r} are numbers, but labels follow their "
                f"alphabetical order: {_join(used)}. For the order of the numbers, pass "
                f"class_names={_show(by_number)}."
            )
    keys = [unicodedata.normalize("NFC", name).strip().casefold() for name in class_names]
    counts = Counter(keys)
    if alike := [name for name, key in zip(class_names, keys, strict=True) if counts[key] > 1]:
        warnings.append(
            f"The folders {_join(alike)} in {where!r} are different classes, although their names "
            "differ by case, spaces or the encoding of accents alone. Merge them if they are one "
            "class."
        )
    return warnings


def _join(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _show(names: Iterable[str]) -> str:
    return f"({_join([repr(name) for name in names])})"
