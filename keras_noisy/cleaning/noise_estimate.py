from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_noisy.cleaning._label_model import LabelModel, fit_label_model
from keras_noisy.cleaning._predictions import read_samples

_MAX_MATRIX_CLASSES = 10_000


class NoiseEstimate(NamedTuple):
    """The estimated label noise of a data set.

    Attributes:
        rate: Share of the labels that are wrong.
        rate_error: Standard error of `rate`.
        class_sizes: Integer array (K,), the number of samples with each label.
        class_rates: Float array (K,), the share of the samples with each label for which it is
            wrong; NaN for a label that no sample has.
        class_rate_errors: Float array (K,), their standard errors.
        true_classes: Integer array (m,), the true class of each pair of a true class and a wrong
            label that was found, the most frequent pair first.
        wrong_labels: Integer array (m,), the wrong label of each pair.
        counts: Float array (m,), the expected number of samples of each pair.
    """

    rate: float
    rate_error: float
    class_sizes: NDArray[np.int64]
    class_rates: NDArray[np.float64]
    class_rate_errors: NDArray[np.float64]
    true_classes: NDArray[np.int64]
    wrong_labels: NDArray[np.int64]
    counts: NDArray[np.float64]

    def transition_matrix(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the transition matrix and the standard errors of its entries.

        Returns:
            Two float arrays (K, K). Row i and column j of the first is the probability that a
            sample of class i is labelled j, as in `keras_noisy.noise`. A row without any sample is
            that of the identity, with NaN as its standard errors.

        Raises:
            ValueError: If there are more than 10,000 classes, for which the matrix is too large.
                The pairs have the same information.
        """
        num_classes = len(self.class_sizes)
        if num_classes > _MAX_MATRIX_CLASSES:
            raise ValueError(
                f"The transition matrix is for {_MAX_MATRIX_CLASSES:,} classes at most; use "
                f"`true_classes`, `wrong_labels` and `counts`. Received: {num_classes:,} classes"
            )
        right = self.class_sizes * (1.0 - np.nan_to_num(self.class_rates))
        joint = np.diag(right)
        joint[self.true_classes, self.wrong_labels] += self.counts
        sizes = joint.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            matrix = np.where(sizes > 0.0, joint / sizes, np.eye(num_classes))
            errors = np.where(sizes > 0.0, np.sqrt(matrix * (1.0 - matrix) / sizes), np.nan)
        return matrix, errors


def estimate_noise(labels: Any, predictions: Any, from_logits: bool = False) -> NoiseEstimate:
    """Estimates how many labels are wrong, in which classes, and what they are confused with.

    It uses the model of `keras_noisy.cleaning.suspicious_labels`, with predictions of networks
    that were not trained with the sample. The rate of a group of samples is the mean of their
    doubts. For n samples with the rate r, its standard error is `sqrt(r (1 - r) / n + s)`, where
    the second term, `s = sum(doubt (1 - doubt)) / n^2`, stands for labels that remain unclear; in
    the first term, one wrong and one right label are added to the samples. It does not contain the
    error of the model: where networks err with certainty, the rate is too high.

    Args:
        labels: Integers (n,) or (n, 1), or one-hot rows (n, K).
        predictions: Float array (n, K), predicted probabilities or, with `from_logits`, logits.
        from_logits: Whether `predictions` are logits. Defaults to `False`.

    Returns:
        `NoiseEstimate`.

    Raises:
        ValueError: If an argument is not as above, or if labels and predictions differ in length.

    Example:

    >>> import numpy as np
    >>> import keras_noisy
    >>> rng = np.random.default_rng(0)
    >>> true_labels = rng.integers(0, 10, 2000)
    >>> logits = 8.0 * np.eye(10)[true_labels] + rng.normal(size=(2000, 10))
    >>> noise = keras_noisy.noise.pair_flip(10, rate=0.2)
    >>> labels = keras_noisy.noise.corrupt(true_labels, noise, seed=0)
    >>> estimate = keras_noisy.cleaning.estimate_noise(labels, logits, from_logits=True)
    >>> f"{estimate.rate:.3f} ± {estimate.rate_error:.3f}, and {(labels != true_labels).mean():.3f}"
    '0.193 ± 0.009, and 0.193'
    >>> matrix, errors = estimate.transition_matrix()
    >>> f"{matrix[0, 1]:.2f} ± {errors[0, 1]:.2f}"
    '0.23 ± 0.03'
    """
    classes, checked = read_samples(labels, predictions, from_logits)
    return summarise_noise(fit_label_model(classes, checked), classes, checked.num_classes)


def summarise_noise(
    model: LabelModel, labels: NDArray[np.int64], num_classes: int
) -> NoiseEstimate:
    """Adds up the doubts of a fitted model."""
    doubts = model.doubts
    sizes = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, doubts, num_classes)
    unclear = np.bincount(labels, doubts * (1.0 - doubts), num_classes)
    with np.errstate(invalid="ignore"):
        class_rates = np.where(sizes > 0, sums / sizes, np.nan)
    pairs, index = np.unique(model.looks_like * num_classes + labels, return_inverse=True)
    counts = np.bincount(index, doubts).astype(np.float64)
    found = np.flatnonzero(counts >= 0.5)
    found = found[np.argsort(-counts[found], kind="stable")]
    return NoiseEstimate(
        rate=float(doubts.mean()),
        rate_error=float(_standard_error(len(labels), doubts.sum(), unclear.sum())),
        class_sizes=sizes,
        class_rates=class_rates,
        class_rate_errors=_standard_error(sizes, sums, unclear),
        true_classes=pairs[found] // num_classes,
        wrong_labels=pairs[found] % num_classes,
        counts=counts[found],
    )


def _standard_error(size: Any, wrong: Any, unclear: Any) -> Any:
    """Returns the standard error of the share of wrong labels; NaN without samples."""
    share = (wrong + 1.0) / (size + 2.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(share * (1.0 - share) / size + unclear / np.square(size, dtype=np.float64))
    return np.where(np.asarray(size) > 0, error, np.nan)
