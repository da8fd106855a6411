"""The check of an argument that the theory's functions share."""

from keras_noisy._arguments import is_number


def check_logit_std(value: float) -> None:
    if not is_number(value) or not 0.0 <= value <= 5.0:
        raise ValueError(f"`logit_std` must be a number from 0 to 5. Received: logit_std={value!r}")
