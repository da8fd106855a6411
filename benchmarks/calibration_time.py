"""How long do the functions of `keras_noisy.calibration` take?

    KERAS_BACKEND=torch python benchmarks/calibration_time.py

Each function is called twice in the same process, because results are cached: first with one number
of classes, and again with another one.
"""

import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import keras

import keras_noisy
from keras_noisy.calibration import average_error, logit_bias, match
from keras_noisy.theory import gce_q

MANY = 100_000
CALLS: dict[str, Callable[[int], object]] = {
    f"logit_bias({MANY})": lambda k: logit_bias(MANY + k),
    f"gce_q({MANY})": lambda k: gce_q(MANY + k),
    f"average_error(MAE(), 0, {MANY})": lambda k: average_error(keras_noisy.MAE(), 0.0, MANY + k),
    f"match(GCE(), 100, {MANY})": lambda k: match(keras_noisy.GCE(), 100, MANY + k),
    **{
        f"average_error({loss.__name__}(), 0, 1000)": (
            lambda k, loss=loss: average_error(loss(), 0.0, 1000 + k)
        )
        for loss in keras_noisy.losses.LOSSES
    },
    "match(BiTempered(), 100, 1000)": lambda k: match(keras_noisy.BiTempered(), 100, 1000 + k),
}


def main() -> None:
    """Times all calls and prints a table."""
    print(f"{keras.backend.backend()}\n{'call':<40} {'first':>9} {'again':>9}   [ms]")
    for name, call in CALLS.items():
        times = []
        for k in range(2):
            start = time.perf_counter()
            call(k)
            times.append(1000 * (time.perf_counter() - start))
        print(f"{name:<40} {times[0]:>9.0f} {times[1]:>9.0f}")


if __name__ == "__main__":
    main()
