import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_number


def class_flips(targets: NDArray[np.int64], rate: float) -> NDArray[np.float64]:
    """Transition matrix from each class to `targets[class]` with probability `rate`.

    Classes that are their own targets stay.
    """
    rate = check_number("rate", rate, "[0, 1]")
    classes = np.arange(len(targets))
    matrix = np.zeros((len(targets), len(targets)))
    matrix[classes, classes] = 1.0 - rate
    matrix[classes, targets] += rate
    matrix[classes[targets == classes], classes[targets == classes]] = 1.0  # no rounding
    return matrix
