"""Collects the causes that are found, and describes errors as such."""

import itertools
import re
from collections.abc import Iterable, Iterator

# The number of samples that are named for each cause.
NAMED_SAMPLES = 5


class Causes:
    """Collects causes. Messages that differ in numbers and received values are one cause."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[str, list[int]]] = {}

    def add(self, part: str, message: str, samples: Iterable[int] = ()) -> None:
        """Adds a cause, or samples to a cause that has been found before."""
        _, named = self._found.setdefault(self._key(part, message), (message, []))
        named.extend(itertools.islice(samples, NAMED_SAMPLES - len(named)))

    def is_known(self, part: str, message: str) -> bool:
        """Returns whether a cause has been found, and no more of its samples are to be named."""
        _, named = self._found.get(self._key(part, message), ("", None))
        return named is not None and len(named) in (0, NAMED_SAMPLES)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """Yields part, message and samples of each cause, as the fields of a `Cause`."""
        for (part, _), (message, samples) in self._found.items():
            yield part, message, tuple(samples)

    @staticmethod
    def _key(part: str, message: str) -> tuple[str, str]:
        return part, re.sub(r"\d+", "", message.partition(" Received:")[0])


def describe_error(error: Exception) -> str:
    """Returns the message of an error, with its type if it does not describe an argument."""
    text = str(error).strip()
    if isinstance(error, ValueError) and text.startswith("`"):
        return text
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
