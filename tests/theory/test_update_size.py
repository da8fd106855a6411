import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.theory import update_size
from keras_noisy.theory.update_size import RULES

STEPS = 150
# Optimizers with the rule and the constant that describe them. The learning rate is 1, and small
# betas let the averages follow the gradients soon.
optimizers = keras.optimizers
OPTIMIZERS = {
    "sgd": (lambda: optimizers.SGD(1.0), "proportional", 1e-7),
    "adam": (lambda: optimizers.Adam(1.0, beta_2=0.9), "relative", 1e-7),
    "adam, large epsilon": (
        lambda: optimizers.Adam(1.0, beta_2=0.9, epsilon=1e-3),
        "relative",
        1e-3,
    ),
    "adamax": (lambda: optimizers.Adamax(1.0), "relative", 1e-7),
    "nadam": (lambda: optimizers.Nadam(1.0), "relative", 1e-7),
    "rmsprop": (lambda: optimizers.RMSprop(1.0), "root", 1e-7),
    "adagrad": (lambda: optimizers.Adagrad(1.0), "accumulated", 0.1),
    "lion": (lambda: optimizers.Lion(1.0), "sign", 1e-7),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("gradient", [1e-8, 1e-6, 1e-4])
def test_agrees_with_the_optimizers_of_keras(name, gradient):
    make, rule, constant = OPTIMIZERS[name]
    optimizer, weight = make(), keras.Variable([0.0])
    optimizer.build([weight])
    steps = 1 if rule in ("proportional", "accumulated", "sign") else STEPS
    for _ in range(steps):
        before = keras.ops.convert_to_numpy(weight).copy()
        optimizer.apply([keras.ops.full((1,), gradient)])
    update = float(np.abs(keras.ops.convert_to_numpy(weight) - before)[0])
    # The weight is a float32 number of up to `STEPS`.
    assert update == pytest.approx(float(update_size(gradient, rule, constant)), rel=2e-2)


@given(
    gradient=st.floats(1e-12, 1e3),
    factor=st.floats(1.0, 1e6),
    constant=st.floats(1e-12, 1.0),
    rule=st.sampled_from(RULES),
)
def test_a_larger_gradient_moves_further_but_at_most_in_proportion(
    gradient, factor, constant, rule
):
    small, large = update_size([gradient, factor * gradient], rule, constant)
    assert small * (1 - 1e-12) <= large <= factor * small * (1 + 1e-9)


def test_limits():
    gradients = np.array([1e-14, 1e3])
    for rule, small in (("relative", 1e-7), ("root", 1e-14 / 1e-7**0.5)):
        expected = [small, 1.0]
        np.testing.assert_allclose(update_size(gradients, rule), expected, rtol=1e-6)
    assert update_size(0.0, "sign") == 0.0
    assert update_size(np.ones((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0,), r"`gradient` must be sizes of at least 0. Received: gradient=-1.0"),
        ((float("nan"),), "`gradient` must be sizes"),
        ((1.0, "adam"), r"`rule` must be one of \['proportional'.*Received: rule='adam'"),
        ((1.0, "root", 0.0), "`constant` must be a number above 0. Received: constant=0.0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        update_size(*arguments)
