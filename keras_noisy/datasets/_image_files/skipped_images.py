"""Finds out which images of an epoch were skipped because they could not be decoded."""

import functools
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy.datasets._image_files import exclusion
from keras_noisy.datasets._image_files.bad_images import (
    BadImage,
    append_bad_images,
    format_bad_images,
)
from keras_noisy.datasets._image_files.inspection import inspect_image

_LOG = logging.getLogger("keras_noisy")


class BadLimit(NamedTuple):
    """The number of images that may turn out to be bad.

    Images that were known to be bad before are not counted.

    Attributes:
        max_bad_share: Share of the images.
        max_bad_files: Number that is allowed in any case, unless it is more than half of all.
        total: Number of all images and unusable lines.
    """

    max_bad_share: float
    max_bad_files: int
    total: int

    def check(self, bad: Sequence[BadImage], list_path: Path) -> None:
        """Raises a ValueError if there are too many bad images.

        Args:
            bad: Bad images; the message shows the first ones.
            list_path: The list of bad images, for the message.
        """
        count = len({image.path for image in bad})
        allowed = max(self.max_bad_share * self.total, min(self.max_bad_files, self.total // 2))
        if count > allowed:
            raise ValueError(
                f"{count} of {self.total} images can't be used, more than `max_bad_share` and "
                f"`max_bad_files` allow (max_bad_share={self.max_bad_share!r}, "
                f"max_bad_files={self.max_bad_files!r}); they are listed in {list_path}. "
                f"{format_bad_images(bad)}"
            )


class SkippedImageTracker:
    """Tracks the images that arrive in an epoch, in order, and so those that don't.

    tf.data can skip samples that raise an error, which is fast, but does not report them. Samples
    are numbered by their position in the epoch: if a number is missing, that image is inspected and
    added to the list of bad images. Several epochs may be read at the same time.

    Args:
        root: Folder of the images.
        paths: Paths of the images, by index.
        order: Function from an epoch to the indices of its images.
        list_path: The list to which bad images are added.
        limit: How many images may turn out to be bad.
        bad_lines: Unusable lines of the list of images; they count, too.
        skipped: What is skipped, by reason; bad images are added to it.
        fewest: Number of images without which an epoch has no batch.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[bytes],
        order: Callable[[int], NDArray[np.int64]],
        list_path: Path,
        limit: BadLimit,
        bad_lines: Sequence[BadImage],
        skipped: exclusion.Skipped,
        fewest: int,
    ) -> None:
        self.root = root
        self.paths = paths
        # Cached, because every bad image needs it.
        self.order = functools.lru_cache(maxsize=2)(order)
        self.list_path = list_path
        self.limit = limit
        self.bad_lines = list(bad_lines)
        self.skipped = skipped
        self.already_bad = len(bad_lines) + len(skipped.get(exclusion.BAD, ()))
        self.fewest = fewest
        self.bad: dict[int, BadImage] = {}
        self._next_position: dict[int, int] = {}  # by epoch
        self._num_missing: Counter[int] = Counter()  # by epoch
        self._logged = 0
        self._lock = threading.Lock()

    def record_batch(self, epoch: int, positions: NDArray[np.int64]) -> np.bool_:
        """Records a batch; batches must be recorded in order. Returns True, to be used in a filter.

        Raises:
            ValueError: If too many images are bad.
        """
        first, following = self._next_position.get(int(epoch), 0), int(positions[-1]) + 1
        # Updated before anything is raised, because prefetching continues after an error.
        self._next_position[int(epoch)] = following
        self._add_skipped(int(epoch), np.setdiff1d(np.arange(first, following), positions))
        return np.True_

    def record_end(self, epoch: int) -> np.bool_:
        """Records the end of an epoch, and logs new bad images. Returns True, like `record_batch`.

        Raises:
            ValueError: If too many images are bad, or if there are too few for a batch.
        """
        first, total = self._next_position.get(int(epoch), 0), len(self.order(int(epoch)))
        self._next_position[int(epoch)] = total
        self._add_skipped(int(epoch), np.arange(first, total))
        if len(self.bad) > self._logged:
            self._logged = len(self.bad)
            _LOG.warning(
                "%d of %d images are skipped so far; they are listed in %s: %s",
                len(self.bad) + self.already_bad,
                self.limit.total,
                self.list_path,
                format_bad_images(list(self.bad.values())),
            )
        left = total - self._num_missing[int(epoch)]
        if left < min(self.fewest, total):
            raise ValueError(
                f"{left} of {total} images can be used, too few for a batch. The others are listed "
                f"in {self.list_path}. {format_bad_images(list(self.bad.values()))}"
            )
        return np.True_

    def _add_skipped(self, epoch: int, positions: NDArray[np.int64]) -> None:
        if not len(positions):
            return
        self._num_missing[epoch] += len(positions)
        indices = self.order(epoch)[positions].tolist()
        with self._lock:  # another epoch may skip the same images
            found = []
            for index in indices:
                if index in self.bad:
                    continue
                path = os.fsdecode(self.paths[index])
                if reason := inspect_image(self.root / path):
                    found.append(BadImage(path, reason))
                # An image that can be decoded by now counts, but is not listed: later trainings
                # should use it.
                self.bad[index] = BadImage(path, reason or "could not be read at first")
                self.skipped.setdefault(exclusion.BAD, []).append(path)
            append_bad_images(self.list_path, dict.fromkeys(found), self.root)
        self.limit.check([*self.bad.values(), *self.bad_lines], self.list_path)
