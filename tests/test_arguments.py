"""Checks of arguments return valid values and raise errors that say what is allowed."""

import re

import numpy as np
import pytest

from keras_noisy._arguments import (
    check_choice,
    check_classes,
    check_flag,
    check_integer,
    check_number,
)

pytestmark = pytest.mark.backend_free


def test_valid_values_become_plain_python_types():
    checked = [
        check_integer("n", np.int64(3), 1),
        check_integer("n", 3, 1, 3),
        check_integer("n", None, 1, or_none=True),
        check_classes("num_classes", np.uint8(2)),
        check_number("q", np.float32(0.5), "(0, 1]"),
        check_number("q", 1, "(0, 1]"),
        check_number("q", "auto", "(0, 1]", word="auto"),
        check_flag("flag", np.True_),
        check_flag("flag", None, or_none=True),
    ]
    assert checked == [3, 3, None, 2, 0.5, 1.0, "auto", True, None]
    types = [int, int, type(None), int, float, float, str, bool, type(None)]
    assert [type(value) for value in checked] == types
    check_choice("name", "b", {"a": 1, "b": 2})
    check_choice("name", None, (None, "a"))


ARRAY = np.ones(2)


def expect_error(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}")


@pytest.mark.parametrize("value", [0, 4, 2.0, "2", True, None, ARRAY], ids=repr)
def test_invalid_integers(value):
    with expect_error(f"`n` must be an integer from 1 to 3. Received: n={value!r}"):
        check_integer("n", value, 1, 3)


def test_integers_without_an_upper_bound():
    with expect_error("`n` must be an integer of at least 1. Received: n=0"):
        check_integer("n", 0, 1)
    with expect_error("`n` must be None or an integer of at least 1. "):
        check_integer("n", 0, 1, or_none=True)
    with expect_error("`k` must be an integer of at least 2. Received: k=1"):
        check_classes("k", 1)


@pytest.mark.parametrize("value", [0.0, 1.5, "1", True, None, np.nan, ARRAY], ids=repr)
def test_invalid_numbers(value):
    with expect_error(f"`q` must be a number in (0, 1]. Received: q={value!r}"):
        check_number("q", value, "(0, 1]")


def test_numbers_beyond_the_limits_of_float32():
    limits = {"not_below": 1e-6, "not_above": 0.9}
    for value in (1e-7, 0.95):
        with pytest.raises(
            ValueError,
            match=r'^`q` must be a number in \(0, 1\), not below 1e-06, .*, or "auto"\. ',
        ):
            check_number("q", value, "(0, 1)", word="auto", **limits)


@pytest.mark.parametrize("value", [0, 1.0, "yes", None, ARRAY], ids=repr)
def test_invalid_flags(value):
    with expect_error(f"`flag` must be True or False. Received: flag={value!r}"):
        check_flag("flag", value)
    if value is not None:
        with expect_error("`flag` must be None, True or False. Received: "):
            check_flag("flag", value, or_none=True)


@pytest.mark.parametrize("value", ["d", None, ["a"], ARRAY], ids=repr)
def test_invalid_choices(value):
    with expect_error(f"`name` must be 'a', 'b' or 'c'. Received: name={value!r}"):
        check_choice("name", value, ("a", "b", "c"))
