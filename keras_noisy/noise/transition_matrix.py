from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from keras_noisy.noise._transitions import cumulate_row, find_class


class TransitionMatrix(NDArrayOperatorsMixin, ABC):
    """A transition matrix (K, K) that is computed from a formula, and takes no memory.

    `keras_noisy.noise.symmetric` and `keras_noisy.noise.pair_flip` return it. The noise functions
    use the formula, so that a million classes are no problem. Everywhere else, it behaves as a
    read-only array: indexing computes the entries that are asked for, while `np.asarray`,
    arithmetic, comparisons and the methods of arrays compute all K x K numbers. To change entries,
    make an array with `np.array(matrix)`.

    Args:
        num_classes: Integer K.
        rate: Float in [0, 1], the rate of the noise.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> matrix = keras_noisy.noise.symmetric(num_classes=1_000_001, rate=0.5)
    >>> matrix
    symmetric(num_classes=1000001, rate=0.5)
    >>> matrix.shape, float(matrix[7, 7]), float(matrix[7, 8])
    ((1000001, 1000001), 0.5, 5e-07)
    >>> matrix[:2, :3].tolist()
    [[0.5, 5e-07, 5e-07], [5e-07, 0.5, 5e-07]]
    """

    ndim = 2
    dtype = np.dtype("float64")

    def __init__(self, num_classes: int, rate: float) -> None:
        self.num_classes = num_classes
        self.rate = rate

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_classes, self.num_classes

    @property
    def size(self) -> int:
        return self.num_classes**2

    @abstractmethod
    def compute_entries(self, true: NDArray[Any], noisy: NDArray[Any]) -> NDArray[np.float64]:
        """Returns `T[true, noisy]` for arrays of classes of the same shape."""

    @abstractmethod
    def draw(self, true: NDArray[Any], draws: NDArray[np.float64]) -> NDArray[Any]:
        """Returns the noisy label for each true one and its draw from [0, 1), both (samples,)."""

    def list_entries(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64], float]:
        """Returns the entries on the diagonal and right of it, and the value of all others.

        Returns:
            True classes, noisy classes and entries, all (2 K,), and a float.
        """
        classes = np.arange(self.num_classes)
        true = np.tile(classes, 2)
        noisy = np.concatenate([classes, (classes + 1) % self.num_classes])
        return true, noisy, self.compute_entries(true, noisy), float(self[0, -1])

    def __len__(self) -> int:
        return self.num_classes

    def __getitem__(self, key: Any) -> Any:
        # Views without memory of their own, which NumPy indexes by all of its rules.
        classes = np.arange(self.num_classes)
        true = np.broadcast_to(classes[:, np.newaxis], self.shape)[key]
        return self.compute_entries(true, np.broadcast_to(classes, self.shape)[key])[()]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            "The entries of this transition matrix are computed from a formula. Change an array "
            f"that `np.array` makes of it. Received: {self!r}"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(
                f"`copy` must not be False: {self!r} is computed. Received: copy=False"
            )
        return np.asarray(self[:], dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = (
            np.asarray(each) if isinstance(each, TransitionMatrix) else each for each in inputs
        )
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # The other methods of arrays, such as `sum` and `T`.
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)


class SymmetricMatrix(TransitionMatrix):
    """The matrix of `keras_noisy.noise.symmetric`."""

    def __init__(self, num_classes: int, rate: float, include_self: bool) -> None:
        super().__init__(num_classes, rate)
        self.include_self = include_self

    def compute_entries(self, true: NDArray[Any], noisy: NDArray[Any]) -> NDArray[np.float64]:
        wrong = self.rate / (self.num_classes if self.include_self else self.num_classes - 1)
        correct = 1.0 - self.rate + (wrong if self.include_self else 0.0)
        return np.where(true == noisy, correct, wrong)

    def cumulate(self) -> NDArray[np.float64]:
        """Returns the table (K,) of `cumulate_row`, which is the same for every class."""
        return cumulate_row(self[0], 0)

    def draw(self, true: NDArray[Any], draws: NDArray[np.float64]) -> NDArray[Any]:
        return find_class(np.searchsorted(self.cumulate(), draws, side="right"), true)

    def __repr__(self) -> str:
        more = ", include_self=True" if self.include_self else ""
        return f"symmetric(num_classes={self.num_classes}, rate={self.rate!r}{more})"


class PairFlipMatrix(TransitionMatrix):
    """The matrix of `keras_noisy.noise.pair_flip`."""

    def compute_entries(self, true: NDArray[Any], noisy: NDArray[Any]) -> NDArray[np.float64]:
        flipped = np.where(noisy == (true + 1) % self.num_classes, self.rate, 0.0)
        return np.where(true == noisy, 1.0 - self.rate, flipped)

    def draw(self, true: NDArray[Any], draws: NDArray[np.float64]) -> NDArray[Any]:
        # The table of `cumulate_row` has 1 - rate, and then 1 for the next class.
        return np.where(draws < 1.0 - self.rate, true, (true + 1) % self.num_classes)

    def __repr__(self) -> str:
        return f"pair_flip(num_classes={self.num_classes}, rate={self.rate!r})"
