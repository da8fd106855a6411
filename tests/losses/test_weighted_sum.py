"""Weighted sums of losses: operators, common options and published combinations."""

import math

import keras
import numpy as np
import pytest
from cases import some_batch
from references import batch_reference
from support import to_numpy

import keras_noisy as kn
from keras_noisy import losses
from keras_noisy.losses._published import PUBLISHED


def list_parts(loss):
    return [(weight, type(part)) for weight, part in zip(loss.weights, loss.losses, strict=True)]


def test_operators_build_sums():
    nce, mae, ce = kn.NCE(), kn.MAE(), kn.CE()
    assert list_parts(10.0 * nce + 0.1 * mae) == [(10.0, kn.NCE), (0.1, kn.MAE)]
    assert list_parts(nce + mae) == [(1.0, kn.NCE), (1.0, kn.MAE)]
    assert list_parts(nce * 3) == [(3.0, kn.NCE)]
    assert list_parts(np.float64(3.0) * nce) == [(3.0, kn.NCE)]
    assert list_parts(2 * (nce + 3 * mae) + ce) == [(2.0, kn.NCE), (6.0, kn.MAE), (1.0, kn.CE)]
    assert list_parts(sum([nce, mae, ce])) == [(1.0, kn.NCE), (1.0, kn.MAE), (1.0, kn.CE)]


def test_value_is_the_weighted_sum_of_the_parts():
    labels, logits = some_batch()
    options = {"from_logits": True, "reduction": None, "logit_bias": 2.0}
    loss = 10.0 * kn.NCE(**options) + 0.1 * kn.AGCE(a=1.8, q=3.0, **options)
    expected = 10 * batch_reference("NCE", {}, labels, logits, 2.0)[0]
    expected += 0.1 * batch_reference("AGCE", {"a": 1.8, "q": 3.0}, labels, logits, 2.0)[0]
    np.testing.assert_allclose(to_numpy(loss(labels, logits)), expected, rtol=1e-5)


def test_parts_share_their_options():
    loss = kn.NCE(from_logits=True, logit_bias="auto", name="a") + kn.MAE(
        from_logits=True, logit_bias="auto", name="b"
    )
    assert (loss.from_logits, loss.logit_bias) == (True, "auto")
    changed = loss.with_options(logit_bias=1.0, ignore_class=3)
    assert [(part.logit_bias, part.ignore_class) for part in changed.losses] == [(1.0, 3)] * 2
    given = losses.WeightedSum([kn.NCE(), kn.MAE(logit_bias=1.0)], logit_bias=2.0)
    assert [part.logit_bias for part in given.losses] == [2.0, 2.0]
    assert given.weights == [1.0, 1.0]


@pytest.mark.parametrize(
    ("option", "value"),
    [("logit_bias", 2.0), ("from_logits", True), ("ignore_class", 1), ("reduction", "sum")],
)
def test_parts_with_different_options_are_rejected(option, value):
    with pytest.raises(ValueError, match=f"`{option}` must be the same in all parts.*Received"):
        kn.NCE(**{option: value}) + kn.MAE()


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan, 1e7])
def test_weight_out_of_range(weight):
    with pytest.raises(ValueError, match=r"`weights` must be a number in \[0, 1e6\].*Received"):
        weight * kn.NCE()


@pytest.mark.parametrize("other", [True, "2", None, [1.0]])
def test_invalid_operands(other):
    with pytest.raises(TypeError):
        other * kn.NCE()
    with pytest.raises(TypeError):
        kn.NCE() + other


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        ([], None, "`losses` must be losses"),
        ([kn.MAE(), keras.losses.Hinge()], None, "`losses` must be losses"),
        (3, None, "`losses` must be losses"),
        ([kn.MAE()], [1.0, 2.0], "`weights` must be one number for each"),
        ([kn.MAE()], ["1"], "`weights` must be a number"),
    ],
)
def test_invalid_sums(parts, weights, message):
    with pytest.raises(ValueError, match=message):
        losses.WeightedSum(parts, weights)


def test_parts_of_weight_0_do_not_count():
    labels, logits = some_batch()
    options = {"from_logits": True, "reduction": None}
    loss = 0.0 * kn.CE(**options) + kn.MAE(**options)
    np.testing.assert_array_equal(
        to_numpy(loss(labels, logits)), to_numpy(kn.MAE(**options)(labels, logits))
    )


# The parts as (weight, loss, arguments), transcribed independently from the papers. Their MAE is
# 1 - p_y, half of ours, and A is -log(1e-4).
A = {"A": 9.210340371976182}
PAPERS = {
    "mnist": {
        "sce": [(1, "SCE", {"alpha": 0.01, "beta": 1, **A})],
        "nce+rce": [(1, "NCE", {}), (10, "RCE", A)],
        "nce+mae": [(1, "NCE", {}), (5, "MAE", {})],
        "nfl+rce": [(1, "NFL", {}), (10, "RCE", A)],
        "nfl+mae": [(1, "NFL", {}), (5, "MAE", {})],
        "agce": [(1, "AGCE", {"a": 4, "q": 0.2})],
        "aul": [(1, "AUL", {"a": 3, "q": 0.1})],
        "ael": [(1, "AEL", {"a": 3.5})],
        "nce+agce": [(1, "AGCE", {"a": 4, "q": 0.2})],
        "nce+aul": [(1, "AUL", {"a": 3, "q": 0.1})],
        "nce+ael": [(1, "AEL", {"a": 3.5})],
        "anl-ce": [(1, "NCE", {}), (1, "NNCE", {})],
        "anl-fl": [(1, "NFL", {}), (1, "NNFL", {})],
    },
    "cifar10": {
        "sce": [(1, "SCE", {"alpha": 0.1, "beta": 1, **A})],
        "nce+rce": [(1, "NCE", {}), (1, "RCE", A)],
        "nce+mae": [(1, "NCE", {}), (0.5, "MAE", {})],
        "nfl+rce": [(1, "NFL", {}), (1, "RCE", A)],
        "nfl+mae": [(1, "NFL", {}), (0.5, "MAE", {})],
        "agce": [(1, "AGCE", {"a": 0.6, "q": 0.6})],
        "aul": [(1, "AUL", {"a": 5.5, "q": 3})],
        "ael": [(1, "AEL", {"a": 2.5})],
        "nce+agce": [(1, "NCE", {}), (4, "AGCE", {"a": 6, "q": 1.5})],
        "nce+aul": [(1, "NCE", {}), (4, "AUL", {"a": 6.3, "q": 1.5})],
        "nce+ael": [(1, "NCE", {}), (4, "AEL", {"a": 5})],
        "anl-ce": [(5, "NCE", {}), (5, "NNCE", {})],
        "anl-fl": [(5, "NFL", {}), (5, "NNFL", {})],
        "jal-ce": [(1, "NCE", {}), (1, "AMSE", {"a": 30})],
    },
    "cifar100": {
        "sce": [(1, "SCE", {"alpha": 6, "beta": 0.1, **A})],
        "nce+rce": [(10, "NCE", {}), (0.1, "RCE", A)],
        "nce+mae": [(10, "NCE", {}), (0.5, "MAE", {})],
        "nfl+rce": [(10, "NFL", {}), (0.1, "RCE", A)],
        "nfl+mae": [(10, "NFL", {}), (0.5, "MAE", {})],
        "agce": [(1, "AGCE", {"a": 0.6, "q": 0.6})],
        "aul": [(1, "AUL", {"a": 5.5, "q": 3})],
        "ael": [(1, "AEL", {"a": 2.5})],
        "nce+agce": [(10, "NCE", {}), (0.1, "AGCE", {"a": 1.8, "q": 3})],
        "nce+aul": [(10, "NCE", {}), (0.015, "AUL", {"a": 6, "q": 3})],
        "nce+ael": [(10, "NCE", {}), (0.1, "AEL", {"a": 1.5})],
        "anl-ce": [(10, "NCE", {}), (1, "NNCE", {})],
        "anl-fl": [(10, "NFL", {}), (1, "NNFL", {})],
        "jal-ce": [(5, "NCE", {}), (1, "AMSE", {"a": 20})],
    },
    "webvision": {
        "sce": [(1, "SCE", {"alpha": 10, "beta": 1, **A})],
        "nce+rce": [(50, "NCE", {}), (0.1, "RCE", A)],
        "nce+mae": [(50, "NCE", {}), (0.5, "MAE", {})],
        "nfl+rce": [(50, "NFL", {}), (0.1, "RCE", A)],
        "nfl+mae": [(50, "NFL", {}), (0.5, "MAE", {})],
        "agce": [(1, "AGCE", {"a": 1e-5, "q": 0.5})],
        "nce+agce": [(50, "NCE", {}), (0.1, "AGCE", {"a": 2.5, "q": 3})],
        "anl-ce": [(20, "NCE", {}), (1, "NNCE", {})],
        "jal-ce": [(50, "NCE", {}), (1, "AMSE", {"a": 30})],
        "eps-ce+mae": [(0.015, "EpsSoftmaxCE", {"m": 1e3}), (0.3, "MAE", {})],
    },
}


@pytest.mark.parametrize("dataset", PAPERS)
def test_published_settings_agree_with_the_papers(dataset):
    labels, logits = some_batch(num_classes=20)
    assert set(PAPERS[dataset]) == {
        name
        for name, recipe in PUBLISHED.items()
        if isinstance(recipe.settings.get(dataset), tuple)
    }
    options = {"from_logits": True, "logit_bias": 2.0, "reduction": None}
    for name, parts in PAPERS[dataset].items():
        loss = losses.get(name.upper(), dataset=dataset.upper(), **options)
        expected = sum(
            weight * batch_reference(part, arguments, labels, logits, 2.0)[0]
            for weight, part, arguments in parts
        )
        np.testing.assert_allclose(
            to_numpy(loss(labels, logits)), expected, rtol=1e-5, atol=1e-5, err_msg=name
        )
        config = keras.losses.serialize(loss)
        assert keras.losses.deserialize(config).get_config() == loss.get_config()


# (alpha, beta, m) by data set and noise, transcribed independently.
EPS_SOFTMAX = {
    ("cifar10", "none"): (0.01, 5, 1e5),
    ("cifar10", "symmetric 0.8"): (0.01, 5, 1e5),
    ("cifar10", "asymmetric"): (0.02, 5, 1e3),
    ("cifar10", "instance_dependent 0.2"): (0.045, 10, 1e5),
    ("cifar10", "human"): (0.5, 1, 1e4),
    ("cifar100", "none"): (0.1, 1, 1e4),
    ("cifar100", "symmetric 0.2"): (0.05, 1, 1e4),
    ("cifar100", "symmetric 0.4"): (0.03, 1, 1e4),
    ("cifar100", "symmetric 0.6"): (0.0125, 1, 1e4),
    ("cifar100", "symmetric 0.8"): (0.0075, 1, 1e4),
    ("cifar100", "instance_dependent 0.4"): (0.03, 1, 1e4),
    ("cifar100", "asymmetric 0.1"): (0.015, 1, 1e2),
    ("cifar100", "asymmetric 0.2"): (0.007, 1, 1e2),
    ("cifar100", "asymmetric 0.3"): (0.005, 1, 1e2),
    ("cifar100", "asymmetric 0.4"): (0.004, 1, 1e2),
    ("cifar100", "human"): (0.5, 1, 1e4),
}


def test_published_settings_by_noise_agree_with_the_paper():
    for (dataset, noise), (alpha, beta, m) in EPS_SOFTMAX.items():
        for name, gamma in (("eps-ce+mae", 0.0), ("eps-fl+mae", 0.1)):
            loss = losses.get(name, dataset=dataset, noise=noise)
            assert loss.weights == [alpha, beta]
            assert (loss.losses[0].m, loss.losses[0].gamma) == (m, gamma)
            assert type(loss.losses[1]) is kn.MAE
    message = r"`noise` must be one of \['none', 'symmetric 0.2', .*Received: noise="
    for noise in (None, "symmetric", "symmetric 0.5", ""):
        with pytest.raises(ValueError, match=message):
            losses.get("eps-ce+mae", dataset="cifar100", noise=noise)


def test_weight_penalties():
    found = {
        (name, dataset): penalty.l1
        for name, recipe in PUBLISHED.items()
        for dataset in recipe.settings
        if (penalty := losses.weight_penalty(name.upper(), dataset)) is not None
    }
    assert found == {
        ("anl-ce", "mnist"): 1e-6,
        ("anl-ce", "cifar10"): 5e-5,
        ("anl-ce", "cifar100"): 5e-7,
        ("anl-ce", "webvision"): 5e-6,
        ("anl-fl", "mnist"): 1e-6,
        ("anl-fl", "cifar10"): 5e-5,
        ("anl-fl", "cifar100"): 5e-7,
        ("jal-ce", "cifar10"): 5e-5,
        ("jal-ce", "cifar100"): 5e-6,
    }
    with pytest.raises(ValueError, match=r"`dataset` goes with one of .*Received: 'mae'"):
        losses.weight_penalty("mae", "cifar10")
    with pytest.raises(ValueError, match=r"`dataset` must be one of .*Received: dataset='mnist'"):
        losses.weight_penalty("jal-ce", "mnist")


def test_unknown_published_settings():
    for arguments in ({}, {"dataset": "imagenet"}):
        with pytest.raises(ValueError, match=r"`dataset` must be one of \['cifar10', .*Received"):
            losses.get("nce+agce", **arguments)
    with pytest.raises(ValueError, match=r"`dataset` goes with one of .*Received: 'mae'"):
        losses.get("mae", dataset="cifar10")
    with pytest.raises(ValueError, match="`dataset` goes with the name of a loss"):
        losses.get(kn.MAE(), dataset="cifar10")


def test_product_of_weights_out_of_range():
    with pytest.raises(ValueError, match=r"`weights` must be a number in \[0, 1e6\]"):
        1e4 * (1e4 * kn.NCE())


def test_weights_must_not_all_be_0():
    loss = 0.0 * kn.MAE(from_logits=True) + 0.0 * kn.CE(from_logits=True)
    with pytest.raises(ValueError, match="`weights` must not all be 0"):
        loss(*some_batch())


def test_get_sets_options():
    assert losses.get("nce+agce", dataset="cifar100").name == "nce_agce"
    assert losses.get("mae", from_logits=True).from_logits
    assert losses.get(kn.GCE, logit_bias=1.0).logit_bias == 1.0
    assert losses.get(kn.GCE(q=0.3), logit_bias=1.0).q == 0.3
    assert losses.get({"class_name": "GCE", "config": {"q": 0.3}}, logit_bias=1.0).logit_bias == 1.0
    assert losses.get("agce").a == 0.6
