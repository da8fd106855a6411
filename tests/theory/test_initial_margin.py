import numpy as np
import pytest

from keras_noisy.theory import initial_margin


@pytest.mark.parametrize("logit_std", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("num_classes", [2, 100, 5000])
def test_it_is_the_log_of_the_mean_sum_over_the_other_classes(num_classes, logit_std):
    logits = logit_std * np.random.default_rng(0).normal(
        size=(2_000_000 // num_classes, num_classes)
    )
    sums = np.exp(logits[:, 1:]).sum(axis=-1)
    error = 4.5 * sums.std() / sums.mean() / len(sums) ** 0.5
    assert initial_margin(num_classes, logit_std) == pytest.approx(
        -np.log(sums.mean()), abs=error + 1e-9
    )


def test_bad_input():
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2"):
        initial_margin(1)
    with pytest.raises(ValueError, match="`logit_std` must be"):
        initial_margin(10, -1.0)
