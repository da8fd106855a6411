"""Iterates over the batches of data sets of all kinds."""

from collections.abc import Iterator
from typing import Any


def is_data_set(data: Any) -> bool:
    """Returns whether data yield batches, or have a `dataset` that does, as a `Pipeline` has."""
    return _is_iterable(data) or _is_iterable(getattr(data, "dataset", None))


def iterate_batches(argument: str, data: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yields the inputs, the labels and the weights, or `None`, of each batch of a data set.

    Raises:
        ValueError: If a batch has other parts.
    """
    for batch in data if _is_iterable(data) else data.dataset:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            parts = f" with {len(batch)} parts" if isinstance(batch, (tuple, list)) else ""
            raise ValueError(
                f"`{argument}` must have batches (x, labels) or (x, labels, weights). "
                f"Received: {type(batch).__name__}{parts}"
            )
        x, labels, *weights = batch
        yield x, labels, weights[0] if weights else None


def _is_iterable(data: Any) -> bool:
    return hasattr(data, "__iter__") or hasattr(data, "__getitem__")
