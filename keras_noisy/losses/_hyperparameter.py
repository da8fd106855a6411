"""The ranges of hyperparameters, and their dependence on the number of classes."""

from typing import Any, NamedTuple

from keras_noisy._arguments import check_integer, check_number, read_interval


class Hyperparameter(NamedTuple):
    """A hyperparameter of a loss, and its range.

    Attributes:
        name: The name of the argument.
        interval: The allowed numbers in mathematical notation, such as `"(0, 1]"`.
        smallest: The smallest number that float32 can handle, if the interval allows smaller ones.
        largest: The largest number that float32 can handle, if the interval allows larger ones.
        is_integer: Whether it must be an integer.
        word: A word that is allowed, too.
        usual: The smallest and largest number that are worth trying, which the interactive page
            offers.
    """

    name: str
    interval: str
    smallest: float | None = None
    largest: float | None = None
    is_integer: bool = False
    word: str | None = None
    usual: tuple[float, float] | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number that can be used."""
        _, low, high, _ = read_interval(self.interval)
        return (
            low if self.smallest is None else self.smallest,
            high if self.largest is None else self.largest,
        )

    def check(self, value: Any) -> Any:
        """Returns the value as a plain Python number or word, or raises a ValueError."""
        if self.is_integer:
            low, high = self.limits
            return check_integer(self.name, value, int(low), int(high))
        return check_number(
            self.name,
            value,
            self.interval,
            not_below=self.smallest,
            not_above=self.largest,
            word=self.word,
        )


class Calibration(NamedTuple):
    """How a loss moves to another number of classes; see `keras_noisy.calibration.match`.

    Attributes:
        argument: The hyperparameter to change, or `None`.
        by_weight: Whether to change the weight of the loss in a sum instead.
        low: The smallest value to try, if it is above the limit of the hyperparameter.
        only_scales: Whether the hyperparameter hardly does more than scale the loss.
        is_needed: Whether the loss learns more slowly with more classes.
        reason: A sentence, why nothing can be changed.
    """

    argument: str | None = None
    by_weight: bool = False
    low: float | None = None
    only_scales: bool = False
    is_needed: bool = True
    reason: str = ""
