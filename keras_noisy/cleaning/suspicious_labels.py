from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_number
from keras_noisy.cleaning._label_model import LabelModel, fit_label_model
from keras_noisy.cleaning._predictions import read_samples


class SuspiciousLabels(NamedTuple):
    """How suspicious the label of each sample is.

    Attributes:
        ranking: Integer array (n,), all samples, the most suspicious one first.
        doubts: Float array (n,), the probability that the label of a sample is wrong.
        looks_like: Integer array (n,), the most probable class other than the label.
        expected_shares: Float array (n,), the share of wrong labels that is expected among the
            first one, two, … of `ranking`.
        num_suspicious: Number of samples whose doubt is at least the threshold.
    """

    ranking: NDArray[np.int64]
    doubts: NDArray[np.float64]
    looks_like: NDArray[np.int64]
    expected_shares: NDArray[np.float64]
    num_suspicious: int

    @property
    def suspicious(self) -> NDArray[np.int64]:
        """The samples whose doubt is at least the threshold, the most suspicious one first."""
        return self.ranking[: self.num_suspicious]


def suspicious_labels(
    labels: Any, predictions: Any, from_logits: bool = False, threshold: float = 0.5
) -> SuspiciousLabels:
    """Finds labels that are probably wrong.

    The predictions must come from networks that were not trained with the sample, as
    `keras_noisy.cleaning.out_of_fold` returns them. A network that has seen the label may have
    memorised it. The better the predictions, the better the list: train with a robust loss.

    The doubt is a probability, which needs no correct labels to be found. It comes from a model of
    how labels come about, which is fitted to all labels. A label is right with probability
    `1 - eta`, and then drawn from the prediction `q` at temperature `tau`; otherwise, it is wrong:

    ```
    P(y | x) = (1 - eta) q(y) + eta w(y)
    w(y) = (1 - rho) (1 - q(y)) / (K - 1) + rho q(c) T(c, y)
    doubt = eta w(y) / P(y | x)
    ```

    The share `1 - rho` of the wrong labels is any other class. The rest is typical of the predicted
    class `c`, such as cats that are labelled as lynxes; `T(c, y)` is the share of the label `y`
    among the wrong labels of samples of which `c` is predicted, if more than two have it. All
    parameters maximise the likelihood of the labels.

    The computation takes seconds and memory for a few numbers for each sample, also with 10,000
    classes. The predictions may be a `numpy.memmap`.

    Args:
        labels: Integers (n,) or (n, 1), or one-hot rows (n, K).
        predictions: Float array (n, K), predicted probabilities or, with `from_logits`, logits.
        from_logits: Whether `predictions` are logits. Defaults to `False`.
        threshold: Number in [0, 1], the doubt from which on a label is suspicious. Defaults to
            `0.5`.

    Returns:
        `SuspiciousLabels`, with values for all samples, not only for the suspicious ones.

    Raises:
        ValueError: If an argument is not as above, or if labels and predictions differ in length.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> rng = np.random.default_rng(0)
    >>> true_labels = rng.integers(0, 10, 2000)
    >>> logits = 8.0 * np.eye(10)[true_labels] + rng.normal(size=(2000, 10))
    >>> noise = keras_noisy.noise.symmetric(10, rate=0.2)
    >>> labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
    >>> result = keras_noisy.cleaning.suspicious_labels(labels, logits, from_logits=True)
    >>> len(result.suspicious), int((labels != true_labels).sum())
    (386, 386)
    >>> bool((result.looks_like[result.suspicious] == true_labels[result.suspicious]).all())
    True
    """
    check_number("threshold", threshold, "[0, 1]")
    classes, checked = read_samples(labels, predictions, from_logits)
    return rank_labels(fit_label_model(classes, checked), threshold)


def rank_labels(model: LabelModel, threshold: float) -> SuspiciousLabels:
    """Ranks the samples of a fitted model."""
    ranking = np.argsort(-model.doubts, kind="stable")
    sums = np.cumsum(model.doubts[ranking])
    return SuspiciousLabels(
        ranking=ranking,
        doubts=model.doubts,
        looks_like=model.looks_like,
        expected_shares=sums / np.arange(1, len(sums) + 1),
        num_suspicious=int(np.count_nonzero(model.doubts >= threshold)),
    )
