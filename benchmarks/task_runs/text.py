"""Features of texts: hashed parts."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np


def list_ngrams(text: str, shortest: int, longest: int) -> list[str]:
    """Lists all parts of a text of the given lengths, including the spaces at its ends."""
    padded = f" {text} "
    return [
        padded[start : start + length]
        for length in range(shortest, longest + 1)
        for start in range(len(padded) - length + 1)
    ]


def hash_texts(texts: Iterable[Sequence[str]], size: int) -> np.ndarray:
    """Returns the square roots of the counts of hashed parts, as rows of length `sqrt(size)`.

    The entries then have a mean square of 1.

    Args:
        texts: The parts of each text.
        size: Length of a row.
    """
    rows = []
    for parts in texts:
        hashes = [zlib.crc32(part.encode()) % size for part in parts]
        rows.append(np.sqrt(np.bincount(hashes, minlength=size)).astype("float32"))
    features = np.stack(rows)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features * (np.sqrt(size) / np.maximum(lengths, 1e-6)).astype("float32")
