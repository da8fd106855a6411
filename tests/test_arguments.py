"""Checks of arguments: what passes, and what errors say."""

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


def test_what_passes_is_plain_python():
    passed = [
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
    assert passed == [3, 3, None, 2, 0.5, 1.0, "auto", True, None]
    kinds = [int, int, type(None), int, float, float, str, bool, type(None)]
    assert [type(value) for value in passed] == kinds
    check_choice("name", "b", {"a": 1, "b": 2})
    check_choice("name", None, (None, "a"))


ARRAY = np.ones(2)


def refused(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}")


@pytest.mark.parametrize("value", [0, 4, 2.0, "2", True, None, ARRAY], ids=repr)
def test_integers(value):
    with refused(f"`n` must be an integer from 1 to 3. Received: n={value!r}"):
        check_integer("n", value, 1, 3)


def test_integers_without_an_end():
    with refused("`n` must be an integer of at least 1. Received: n=0"):
        check_integer("n", 0, 1)
    with refused("`n` must be None or an integer of at least 1. "):
        check_integer("n", 0, 1, or_none=True)
    with refused("`k` must be an integer of at least 2. Received: k=1"):
        check_classes("k", 1)


@pytest.mark.parametrize("value", [0.0, 1.5, "1", True, None, np.nan, ARRAY], ids=repr)
def test_numbers(value):
    with refused(f"`q` must be a number in (0, 1]. Received: q={value!r}"):
        check_number("q", value, "(0, 1]")


def test_numbers_that_a_float_gives_up():
    limits = {"not_below": 1e-6, "not_above": 0.9}
    for value in (1e-7, 0.95):
        with pytest.raises(
            ValueError,
            match=r'^`q` must be a number in \(0, 1\), not below 1e-06, .*, or "auto"\. ',
        ):
            check_number("q", value, "(0, 1)", word="auto", **limits)


@pytest.mark.parametrize("value", [0, 1.0, "yes", None, ARRAY], ids=repr)
def test_flags(value):
    with refused(f"`flag` must be True or False. Received: flag={value!r}"):
        check_flag("flag", value)
    if value is not None:
        with refused("`flag` must be None, True or False. Received: "):
            check_flag("flag", value, or_none=True)


@pytest.mark.parametrize("value", ["d", None, ["a"], ARRAY], ids=repr)
def test_choices(value):
    with refused(f"`name` must be 'a', 'b' or 'c'. Received: name={value!r}"):
        check_choice("name", value, ("a", "b", "c"))
