"""A loss is its configuration: complete, JSON, and enough to make it again."""

import inspect
import json

import keras
import numpy as np
import pytest
from cases import DEFAULTS, every_variant
from support import to_numpy

import keras_noisy
from keras_noisy import losses

UNUSUAL = {
    "logit_bias": "auto",
    "from_logits": True,
    "ignore_class": 3,
    "reduction": "sum",
    "name": "mine",
    "dtype": "float64",
}


def parameters(loss):
    """The arguments of a loss class, those of its bases included."""
    return {
        name
        for base in loss.__mro__
        if issubclass(base, losses.RobustLoss)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }


@every_variant
def test_config_has_every_argument(case):
    config = case.loss(**{**case.arguments, **UNUSUAL}).get_config()
    assert set(config) == parameters(case.loss)
    for name, value in {**case.arguments, **UNUSUAL}.items():
        if name != "losses":
            assert config[name] == value


@every_variant
def test_round_trip(case):
    loss = case.loss(**{**case.arguments, **UNUSUAL})
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    for again in (keras.losses.deserialize(config), losses.get(config)):
        assert type(again) is case.loss
        assert again.get_config() == loss.get_config()


@every_variant
def test_with_options(case):
    loss = case.loss(**case.arguments)
    other = loss.with_options(logit_bias=2.0, name="other")
    assert type(other) is case.loss
    config = {**loss.get_config(), "logit_bias": 2.0, "name": "other"}
    parts = [
        {**part, "config": {**part["config"], "logit_bias": 2.0}}
        for part in config.get("losses", [])
    ]
    assert other.get_config() == (config | {"losses": parts} if parts else config)
    assert loss.logit_bias is None


def test_dtype_policy_round_trip():
    loss = keras_noisy.MAE(dtype=keras.DTypePolicy("mixed_bfloat16"))
    config = json.loads(json.dumps(loss.get_config()))
    assert keras_noisy.MAE.from_config(config).get_config() == loss.get_config()


def test_numpy_numbers_and_types_become_plain():
    loss = keras_noisy.MAE(
        logit_bias=np.float32(3.0), ignore_class=np.int64(3), dtype=np.float32, from_logits=np.True_
    )
    config = json.loads(json.dumps(loss.get_config()))
    again = keras_noisy.MAE.from_config(config)
    assert again.get_config() == loss.get_config()
    assert (again.logit_bias, again.ignore_class, again.dtype) == (3.0, 3, "float32")


def test_registered_names_are_a_promise():
    for case in DEFAULTS:
        name = f"keras_noisy>{case.loss.__name__}"
        assert keras.saving.get_registered_name(case.loss) == name


def test_get():
    loss = keras_noisy.GCE(q=0.3)
    assert losses.get(loss) is loss
    assert losses.get(None) is None
    assert type(losses.get("mae")) is type(losses.get("MAE")) is keras_noisy.MAE
    assert type(losses.get(keras_noisy.CE)) is keras_noisy.CE
    assert losses.get({"class_name": "gce", "config": {"q": 0.3}}).q == 0.3
    assert losses.get({"class_name": "MAE"}).logit_bias is None


@pytest.mark.parametrize(
    "identifier",
    [
        "weightedsum",
        losses.WeightedSum,
        "mean_squared_error",
        "",
        3,
        keras.losses.Loss,
        losses.LabelLoss,
        {"class_name": "Nope"},
        {},
        lambda y, p: 0,
    ],
)
def test_get_unknown(identifier):
    with pytest.raises(ValueError, match=r"'ce', 'focalce'.*'nce\+agce'.*Received: identifier="):
        losses.get(identifier)


@keras.saving.register_keras_serializable(package="tests")
class Squared(losses.LabelLoss):
    def of_log_prob(self, log_prob):
        return (1.0 - keras.ops.exp(log_prob)) ** 2


def test_a_loss_of_the_users_own():
    loss = Squared(from_logits=True, reduction=None)
    value = to_numpy(loss(np.array([0]), np.zeros((1, 2), "float32")))
    np.testing.assert_allclose(value, 0.25, rtol=1e-6)
    again = losses.get(keras.losses.serialize(loss))
    assert type(again) is Squared
    assert again.get_config() == loss.get_config()


def test_stateless():
    """Nothing but the configuration: the same call gives the same loss, in any order."""
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True, ignore_class=-1)
    before = dict(vars(loss))
    small, large = np.zeros((2, 20), "float32"), np.zeros((2, 2000), "float32")
    first = float(loss(np.array([0, -1]), small))
    loss(np.array([0, 1]), large)
    assert float(loss(np.array([0, -1]), small)) == first
    assert vars(loss) == before


class Power(losses.LabelLoss):
    """A loss that is not written with care: no configuration."""

    def __init__(self, power=2.0):
        super().__init__()
        self.power = power

    def of_log_prob(self, log_prob):
        return (1.0 - keras.ops.exp(log_prob)) ** self.power


def test_options_and_sums_keep_what_a_users_loss_holds():
    loss = Power(power=5.0)
    assert loss.with_options(logit_bias=1.0).power == 5.0
    options = {"from_logits": True, "reduction": None}
    logits = np.zeros((1, 2), "float32")
    for changed in (loss.with_options(**options), (2.0 * loss).with_options(**options)):
        value = to_numpy(changed(np.array([0]), logits))
        factor = 2.0 if isinstance(changed, losses.WeightedSum) else 1.0
        np.testing.assert_allclose(value, factor * 0.5**5, rtol=1e-6)
    assert not loss.from_logits


@keras.saving.register_keras_serializable(package="tests", name="CE")
class ThreefoldCE(losses.LabelLoss):
    def of_log_prob(self, log_prob):
        return -3.0 * log_prob


def test_a_users_loss_may_be_named_as_ours():
    config = keras.losses.serialize(ThreefoldCE())
    assert type(losses.get({**config, "class_name": "CE"})) is ThreefoldCE
    assert type(losses.get(keras.losses.serialize(keras_noisy.CE()))) is keras_noisy.CE
