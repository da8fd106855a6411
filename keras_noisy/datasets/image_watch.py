"""Notices which images of an epoch could not be decoded, while the others train."""

import functools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_noisy.datasets.bad_images import append_bad_images, inspect_image, shown
from keras_noisy.datasets.file_list import BadImage

_LOG = logging.getLogger("keras_noisy")


class ImageWatch:
    """Keeps count of the images that arrive, in their order, and so of those that do not.

    tf.data leaves out what raises an error, quickly and in silence. What arrives is numbered by its place
    in the epoch: where a number is missing, an image was bad, and only then is it looked at again, to
    find out why. Several epochs may be read at the same time.

    Args:
        root: Folder of the images.
        paths: Their paths, by index.
        order_of: From an epoch to the indices of its images.
        list_path: Where to add the bad ones.
        max_bad_share: The share of the images that may be bad.
        already_bad: Number of those that the lists have.
        total: Number of all images and unusable lines.
        batch_size: Images in a batch; only the last one of an epoch has fewer.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[bytes],
        order_of: Callable[[int], NDArray[np.int64]],
        list_path: Path,
        max_bad_share: float,
        already_bad: int,
        total: int,
        batch_size: int,
    ) -> None:
        self.root = root
        self.paths = paths
        # Asked for at every bad image.
        self.order_of = functools.lru_cache(maxsize=2)(order_of)
        self.list_path = list_path
        self.max_bad_share = max_bad_share
        self.already_bad = already_bad
        self.total = total
        self.batch_size = batch_size
        self.bad: dict[int, BadImage] = {}
        self._next: dict[int, int] = {}  # by epoch
        self._told = 0
        self._lock = threading.Lock()

    def arrived(self, epoch: int, positions: NDArray[np.int64]) -> np.bool_:
        """To be told of each batch, in order; returns True, so that a filter may ask it.

        Raises:
            ValueError: If too many are bad.
        """
        first, following = self._next.get(int(epoch), 0), int(positions[-1]) + 1
        # At once: what reads ahead goes on after an error.
        self._next[int(epoch)] = following
        self._missed(int(epoch), np.setdiff1d(np.arange(first, following), positions))
        if len(positions) < self.batch_size:
            self.end(epoch)  # nobody may ask for more
        return np.True_

    def end(self, epoch: int) -> np.bool_:
        """To be told that nothing more arrives in an epoch; returns False, as a filter that has nothing.

        Raises:
            ValueError: If too many are bad.
        """
        first, following = self._next.get(int(epoch), 0), len(self.order_of(int(epoch)))
        self._next[int(epoch)] = following
        self._missed(int(epoch), np.arange(first, following))
        if len(self.bad) > self._told:
            self._told = len(self.bad)
            _LOG.warning(
                "%d of %d images are left out so far, as %s says: %s",
                len(self.bad) + self.already_bad,
                self.total,
                self.list_path,
                shown(list(self.bad.values())),
            )
        return np.False_

    def _missed(self, epoch: int, positions: NDArray[np.int64]) -> None:
        if not len(positions):
            return
        indices = self.order_of(epoch)[positions].tolist()
        with self._lock:  # another epoch may meet the same images
            found = []
            for index in indices:
                if index in self.bad:
                    continue
                path = os.fsdecode(self.paths[index])
                if reason := inspect_image(self.root / path):
                    found.append(BadImage(path, reason))
                # What is whole by now counts, but is not listed: it would be left out for ever.
                self.bad[index] = BadImage(path, reason or "could not be read at first")
            append_bad_images(self.list_path, found)
        refuse_too_many(
            list(self.bad.values()),
            self.already_bad,
            self.total,
            self.max_bad_share,
            self.list_path,
        )


def refuse_too_many(
    bad: Sequence[BadImage], already_bad: int, total: int, max_bad_share: float, list_path: Path
) -> None:
    """Raises ValueError if more than a share of the images is bad."""
    count = len(bad) + already_bad
    if count > max_bad_share * total:
        raise ValueError(
            f"{count} of {total} images can't be used, more than `max_bad_share` allows "
            f"(max_bad_share={max_bad_share!r}); {list_path} has them. {shown(bad)}"
        )
