"""`match` keeps the average error of every loss with a suitable hyperparameter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_noisy
from keras_noisy.calibration import average_error, match
from keras_noisy.theory import gce_q

NCE_AGCE = 10.0 * keras_noisy.NCE() + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0)


@pytest.mark.parametrize(
    "loss",
    [
        keras_noisy.GCE(q=0.7),
        keras_noisy.SCE(),
        keras_noisy.PHuberCE(),
        keras_noisy.AGCE(),
        keras_noisy.AGCE(a=1.8, q=3.0),
        keras_noisy.AUL(),
        keras_noisy.AEL(),
        keras_noisy.JS(),
        keras_noisy.MAERescale(scale=1.0),
        keras_noisy.AMSE(),
        keras_noisy.NCE(),
        keras_noisy.NFL(),
        keras_noisy.NNFL(),
        NCE_AGCE,
        keras_noisy.GCE(logit_bias=1.0),
    ],
    ids=repr,
)
def test_average_error_is_kept(loss):
    matched = match(loss, 100, 300)
    before, after = average_error(loss, 0.0, 100), average_error(matched, 0.0, 300)
    assert after == pytest.approx(before, rel=1e-4)
    assert average_error(loss, 0.0, 300) > 0.9 * before  # it is not kept without `match`


def test_bi_tempered_changes_t2():
    matched = match(keras_noisy.BiTempered(), 20, 40)
    assert 1.0 < matched.t2 < 1.2
    assert matched.t1 == 0.8
    before = average_error(keras_noisy.BiTempered(), 0.0, 20)
    assert average_error(matched, 0.0, 40) == pytest.approx(before, rel=1e-4)


def test_integer_hyperparameter_is_the_nearest():
    loss = keras_noisy.TaylorCE(order=2)
    target = average_error(loss, 0.0, 100)
    order = match(loss, 100, 1000).order
    errors = [
        average_error(keras_noisy.TaylorCE(order=o), 0.0, 1000) for o in range(order - 2, order + 3)
    ]
    assert np.argmin(np.abs(np.log(np.array(errors) / target))) == 2


def test_published_value():
    assert match(keras_noisy.GCE(q=0.7), 100, 1000).q == pytest.approx(0.4816, abs=1e-3)


@settings(max_examples=8)
@given(st.integers(10, 3000), st.integers(10, 3000), st.floats(0.2, 1.0), st.floats(0.0, 2.0))
def test_agrees_with_the_theory_of_gce(from_classes, to_classes, q, logit_std):
    """`gce_q` computes the same exponent without a backend."""
    matched = match(keras_noisy.GCE(q=q), from_classes, to_classes, logit_std)
    expected = gce_q(to_classes, q, from_classes, logit_std)
    assert matched.q == pytest.approx(expected, rel=1e-4)


def test_matching_back_restores_the_hyperparameter():
    there = match(keras_noisy.GCE(q=0.5), 50, 500)
    assert match(there, 500, 50).q == pytest.approx(0.5, rel=1e-4)


def test_options_are_kept():
    loss = keras_noisy.GCE(from_logits=True, ignore_class=255, reduction="sum", name="own")
    config = match(loss, 100, 1000).get_config()
    assert {**config, "q": 0.7} == loss.get_config()
    matched = match(keras_noisy.NCE(from_logits=True, ignore_class=255), 10, 100)
    assert (matched.from_logits, matched.ignore_class) == (True, 255)
    assert matched.losses[0].from_logits


def test_only_the_normalised_parts_of_a_sum_gain_weight():
    matched = match(NCE_AGCE, 100, 1000)
    assert matched.weights[0] > 100.0
    assert matched.weights[1] == 0.1


def test_most_robust_value_if_all_values_pull_harder():
    assert match(keras_noisy.GCE(q=0.7), 100, 10).q == 1.0
    assert match(keras_noisy.TaylorCE(order=2), 100, 10).order == 1
    assert match(NCE_AGCE, 100, 10).weights == [0.0, 0.1]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (keras_noisy.MAE(), "MAE has no hyperparameter.*Use logit_bias=4.842 instead"),
        (keras_noisy.RCE(), "as a learning rate does.*Use logit_bias=4.842 instead"),
        (
            keras_noisy.AGCE(q=1.0),
            "the gradient.*does not depend on a. Use logit_bias=4.842 instead",
        ),
        (keras_noisy.AGCE(), "`a` can make that 0.0117 at most. Use logit_bias=4.842 instead"),
        (keras_noisy.CE(), "CE needs no change"),
        (keras_noisy.FocalCE(), "FocalCE needs no change"),
        (keras_noisy.ForwardCE(), "ForwardCE needs no change"),
        (
            keras_noisy.CE() + keras_noisy.MAE(),
            "none of them with a weight above 0. Received: 1 . CE",
        ),
        (0.0 * keras_noisy.NCE() + keras_noisy.MAE(), "none of them with a weight above 0"),
        (keras_noisy.MAE(logit_bias=2.0), "MAE has no hyperparameter to change.$"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_error_says_why_a_loss_cannot_be_matched(loss, message):
    with pytest.raises(ValueError, match=f"`loss` cannot be matched: .*{message}"):
        match(loss, 10, 1000)


def test_weight_out_of_range():
    with pytest.raises(ValueError, match=r"a weight would have to be 2.*e\+06, and 1e\+06"):
        match(50.0 * keras_noisy.NCE() + 0.1 * keras_noisy.MAE(), 10, 100_000)


def test_auto_stays_auto_in_a_sum():
    matched = match(keras_noisy.NCE() + keras_noisy.GCE(q="auto"), 100, 300)
    assert matched.losses[1].q == "auto"


def test_subclasses_are_rejected():
    class CustomGCE(keras_noisy.GCE):
        pass

    with pytest.raises(ValueError, match="CustomGCE has no hyperparameter"):
        match(CustomGCE(), 100, 1000)


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"`loss` must be a loss of keras_noisy. Received: loss='gce'"
    ):
        match("gce", 10, 100)
    for classes in ((1, 100), (100, 1)):
        with pytest.raises(ValueError, match="_classes` must be an integer of at least 2"):
            match(keras_noisy.GCE(), *classes)
