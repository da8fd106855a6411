"""Configurations of losses are complete and serializable, and restore the losses."""

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
    "label_smoothing": 0.1,
    "reduction": "sum",
    "name": "mine",
    "dtype": "float64",
}


def list_arguments(loss):
    """Returns the names of the arguments of a loss class and its bases."""
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
    assert set(config) == list_arguments(case.loss)
    for name, value in {**case.arguments, **UNUSUAL}.items():
        if name != "losses":
            assert config[name] == value


@every_variant
def test_serialization_restores_the_loss(case):
    loss = case.loss(**{**case.arguments, **UNUSUAL})
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    for restored in (keras.losses.deserialize(config), losses.get(config)):
        assert type(restored) is case.loss
        assert restored.get_config() == loss.get_config()


@every_variant
def test_with_options_changes_only_the_options(case):
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


def test_numpy_values_become_serializable():
    loss = keras_noisy.MAE(
        logit_bias=np.float32(3.0), ignore_class=np.int64(3), dtype=np.float32, from_logits=np.True_
    )
    config = json.loads(json.dumps(loss.get_config()))
    restored = keras_noisy.MAE.from_config(config)
    assert restored.get_config() == loss.get_config()
    assert (restored.logit_bias, restored.ignore_class, restored.dtype) == (3.0, 3, "float32")


def test_registered_names_do_not_change():
    for case in DEFAULTS:
        name = f"keras_noisy>{case.loss.__name__}"
        assert keras.saving.get_registered_name(case.loss) == name


def test_get_accepts_losses_names_classes_and_configurations():
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
def test_get_rejects_other_objects(identifier):
    with pytest.raises(ValueError, match=r"'ce', .*'focalce'.*'nce\+agce'.*Received: identifier="):
        losses.get(identifier)


@keras.saving.register_keras_serializable(package="tests")
class Squared(losses.LabelLoss):
    def of_log_prob(self, log_prob):
        return (1.0 - keras.ops.exp(log_prob)) ** 2


def test_user_defined_loss():
    loss = Squared(from_logits=True, reduction=None)
    value = to_numpy(loss(np.array([0]), np.zeros((1, 2), "float32")))
    np.testing.assert_allclose(value, 0.25, rtol=1e-6)
    restored = losses.get(keras.losses.serialize(loss))
    assert type(restored) is Squared
    assert restored.get_config() == loss.get_config()


def test_losses_are_stateless():
    """Calls with other inputs change neither the results nor the attributes of a loss."""
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True, ignore_class=-1)
    before = dict(vars(loss))
    small, large = np.zeros((2, 20), "float32"), np.zeros((2, 2000), "float32")
    first = float(loss(np.array([0, -1]), small))
    loss(np.array([0, 1]), large)
    assert float(loss(np.array([0, -1]), small)) == first
    assert vars(loss) == before


class Power(losses.LabelLoss):
    """A loss without `get_config`."""

    def __init__(self, power=2.0):
        super().__init__()
        self.power = power

    def of_log_prob(self, log_prob):
        return (1.0 - keras.ops.exp(log_prob)) ** self.power


def test_options_and_sums_keep_attributes_of_user_defined_losses():
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


def test_user_defined_loss_may_have_the_name_of_another_loss():
    config = keras.losses.serialize(ThreefoldCE())
    assert type(losses.get({**config, "class_name": "CE"})) is ThreefoldCE
    assert type(losses.get(keras.losses.serialize(keras_noisy.CE()))) is keras_noisy.CE
