"""How labels come about, as a model whose parameters are fitted to labels and predictions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy.cleaning._predictions import Predictions

# The parameters are fitted to a random part of larger data: to so many samples, or so many numbers.
_FITTED_SAMPLES, _FITTED_NUMBERS = (5_000, 50_000), 2e7
_TEMPERATURES = np.geomspace(0.25, 8.0, 75)
_STARTS = (15, 30, 45)  # positions from which the search for the temperature begins: 0.5, 1, 2
_STEPS = (-4, -1, 0, 1, 4)  # and its steps
# Shares of the wrong labels that are typical of the true class; the rest are any other class.
_TYPICAL_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
# A wrong label counts as typical of a class if more samples than this have it. Otherwise, errors of
# the networks, each of which is rare, would pass for typical labels.
_FEW = 2.0
_ITERATIONS = 100
_LEAST_GAIN = 0.01  # in the log-likelihood of all labels, to go on
_TINY = 1e-300


class LabelModel(NamedTuple):
    """The fitted model.

    A label is right with probability `1 - eta`; it is then drawn from `q`, the prediction at
    temperature `tau`. With probability `eta`, it is wrong:

    ```
    P(y | x) = (1 - eta) q(y) + eta w(y)
    w(y) = (1 - rho) (1 - q(y)) / (K - 1) + rho q(c) T(c, y)
    ```

    `c` is the predicted class. `T(c, y)` is the share of the label `y` among the wrong labels of
    samples of which `c` is predicted; labels of two samples or fewer don't count. `eta`, `tau`,
    `rho` and `T` maximise the likelihood of the labels.

    Attributes:
        doubts: Float64 array (n,), the probability `eta w(y) / P(y | x)` that the label is wrong.
        looks_like: Integer array (n,), the most probable class other than the label.
        temperature: `tau`.
        typical_share: `rho`.
    """

    doubts: NDArray[np.float64]
    looks_like: NDArray[np.int64]
    temperature: float
    typical_share: float


def fit_label_model(labels: NDArray[np.int64], predictions: Predictions) -> LabelModel:
    """Fits the model to labels (n,) and the predictions for the same samples."""
    rows: Any = slice(None)
    most = int(np.clip(_FITTED_NUMBERS / predictions.num_classes, *_FITTED_SAMPLES))
    if len(labels) > most:
        rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:most])
    part = _Labels(labels[rows], predictions, rows, _TEMPERATURES)
    fits = [
        (*_fit_temperature(part, share, start), share)
        for share in _TYPICAL_SHARES
        for start in _STARTS
    ]
    _, position, typical_share = max(fits)
    everything = _Labels(labels, predictions, slice(None), _TEMPERATURES[[position]])
    doubts = everything.first_guess()
    for _ in range(_ITERATIONS):
        doubts, _ = _expect(everything, typical_share, 0, doubts)
    temperature = float(_TEMPERATURES[position])
    return LabelModel(doubts, everything.looks_like, temperature, typical_share)


def _fit_temperature(part: "_Labels", typical_share: float, position: int) -> tuple[float, int]:
    """Returns the log-likelihood of the labels and the position of the most likely temperature."""
    doubts = part.first_guess()
    before = -np.inf
    for _ in range(_ITERATIONS):
        share = part.share_within_prediction(doubts)
        nearby = [position + step for step in _STEPS]
        tried = {
            i: _expect(part, typical_share, i, doubts, share)
            for i in nearby
            if 0 <= i < len(_TEMPERATURES)
        }
        position = max(tried, key=lambda i: tried[i][1])
        doubts, log_likelihood = tried[position]
        if log_likelihood < before + _LEAST_GAIN:
            break
        before = log_likelihood
    return log_likelihood, position


def _expect(
    part: "_Labels",
    typical_share: float,
    position: int,
    doubts: NDArray[np.float64],
    share: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Does a step of expectation maximisation.

    Returns:
        The new doubts, and the log-likelihood with the parameters that follow from the old ones.
    """
    if share is None:
        share = part.share_within_prediction(doubts)
    label, predicted = part.label_probs[position], part.top_probs[position]
    any_other = (1.0 - label) / (part.num_classes - 1)
    rate = doubts.mean()
    wrong = rate * ((1.0 - typical_share) * any_other + typical_share * predicted * share)
    total = (1.0 - rate) * label + wrong + _TINY
    return wrong / total, float(np.log(total).sum())


class _Labels:
    """Labels, and what the predictions say of them at several temperatures.

    Attributes:
        num_classes: Number of classes K.
        looks_like: Integer array (n,), the most probable class other than the label.
        label_probs: Float array (temperatures, n), the probability of the label.
        top_probs: Float array (temperatures, n), the largest probability.
    """

    def __init__(
        self, labels: NDArray[np.int64], predictions: Predictions, rows: Any, temperatures: Any
    ) -> None:
        self.num_classes = predictions.num_classes
        shape = (len(temperatures), len(labels))
        self.label_probs, self.top_probs = np.empty(shape), np.empty(shape)
        predicted = np.empty(len(labels), np.int64)
        self.looks_like = np.empty(len(labels), np.int64)
        for part, log_probs in predictions.iterate(rows):
            at, index = np.arange(len(log_probs)), labels[part]
            predicted[part] = log_probs.argmax(axis=-1)
            top = log_probs[at, predicted[part]]
            label = log_probs[at, index]
            for i, temperature in enumerate(temperatures):
                scaled = np.exp((log_probs - top[:, np.newaxis]) / np.float32(temperature))
                self.top_probs[i, part] = 1.0 / scaled.sum(axis=-1, dtype=np.float64)
                distance = (label.astype(np.float64) - top) / temperature
                self.label_probs[i, part] = np.exp(distance) * self.top_probs[i, part]
            log_probs[at, index] = -np.inf
            self.looks_like[part] = log_probs.argmax(axis=-1)
        self._disagrees = predicted != labels
        self._predicted = predicted
        pairs = predicted * self.num_classes + labels
        found, self._pair = np.unique(pairs, return_inverse=True)
        self._class_of_pair = found // self.num_classes

    def first_guess(self) -> NDArray[np.float64]:
        """Returns doubts to begin with."""
        return np.where(self._disagrees, 0.5, 0.0)

    def share_within_prediction(self, doubts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the share of a label among the frequent wrong labels of its predicted class.

        Other samples alone count, so that a sample does not confirm itself.
        """
        doubts = doubts * self._disagrees
        counts = np.maximum(np.bincount(self._pair, doubts) - _FEW, 0.0)
        of_class = np.bincount(self._class_of_pair, counts)[self._predicted] - doubts
        share = np.maximum(counts[self._pair] - doubts, 0.0) / np.maximum(of_class, 1.0)
        return share * self._disagrees
