"""Properties of the losses: special cases, limits, symmetry and ranges."""

import math
import re

import keras
import numpy as np
import pytest
import references
from cases import DEFAULTS, VARIANTS, every_loss, every_variant, some_batch
from loss_docstring import read_docstring
from support import tensor, to_numpy, value_and_gradient

import keras_noisy as kn

EQUAL = [
    ("GCE(q -> 0) is CE", kn.GCE(q=1e-6), kn.CE(), 1e-4),
    ("GCE(1) is MAE / 2", kn.GCE(q=1.0), 0.5 * kn.MAE(), 1e-6),
    ("BiTempered(1, 1) is CE", kn.BiTempered(1.0, 1.0), kn.CE(), 1e-6),
    ("BiTempered(-> 1, -> 1) is CE", kn.BiTempered(1 - 1e-6, 1 + 1e-6), kn.CE(), 1e-4),
    ("TaylorCE(many) is CE", kn.TaylorCE(order=3000), kn.CE(), 1e-4),
    ("TaylorCE(1) is MAE / 2", kn.TaylorCE(order=1), 0.5 * kn.MAE(), 1e-6),
    ("SCE(beta=0) is alpha CE", kn.SCE(alpha=3.0, beta=0.0), 3.0 * kn.CE(), 1e-6),
    ("SCE(alpha=0) is beta RCE", kn.SCE(alpha=0.0, beta=2.0, A=5.0), 2.0 * kn.RCE(A=5.0), 1e-6),
    ("RCE(A) is A/2 MAE", kn.RCE(A=9.2), 4.6 * kn.MAE(), 1e-6),
    ("PHuberCE(1) is MAE / 2", kn.PHuberCE(tau=1.0), 0.5 * kn.MAE(), 1e-6),
    ("PHuberCE(tau -> inf) is CE", kn.PHuberCE(tau=1e9), kn.CE(), 1e-6),
    ("FocalCE(0) is CE", kn.FocalCE(gamma=0.0), kn.CE(), 1e-6),
    ("FocalCE(gamma -> 0) is CE", kn.FocalCE(gamma=1e-6), kn.CE(), 1e-4),
    ("AGCE(a -> 0) is GCE", kn.AGCE(a=1e-9, q=0.7), kn.GCE(q=0.7), 1e-4),
    ("AGCE(q=1) is MAE / 2", kn.AGCE(a=3.0, q=1.0), 0.5 * kn.MAE(), 1e-5),
    ("AUL(q=1) is MAE / 2", kn.AUL(a=3.0, q=1.0), 0.5 * kn.MAE(), 1e-5),
    ("JS(weight -> 0) is CE", kn.JS(weight=1e-6), kn.CE(), 1e-3),
    ("NFL(0) is NCE", kn.NFL(gamma=0.0), kn.NCE(), 1e-6),
    ("NGCE(q -> 0) is NCE", kn.NGCE(q=1e-6), kn.NCE(), 1e-4),
    ("NNFL(0) is NNCE", kn.NNFL(gamma=0.0), kn.NNCE(), 1e-6),
    ("MAERescale(1) is MAE / 2", kn.MAERescale(scale=1.0), 0.5 * kn.MAE(), 1e-5),
    ("ForwardCE(0) is CE", kn.ForwardCE(0.0), kn.CE(), 1e-6),
    ("ForwardCE(-> 0) is CE", kn.ForwardCE(1e-6), kn.CE(), 1e-3),
    ("ForwardCE(I) is CE", kn.ForwardCE(np.eye(10)), kn.CE(), 1e-6),
    ("EpsSoftmaxCE(0) is CE", kn.EpsSoftmaxCE(m=0.0), kn.CE(), 1e-6),
    ("EpsSoftmaxCE(0, 2) is FocalCE(2)", kn.EpsSoftmaxCE(0.0, gamma=2.0), kn.FocalCE(2.0), 1e-6),
    ("NGCE(1) is MAE / 2 (K - 1)", kn.NGCE(q=1.0), (0.5 / 9) * kn.MAE(), 1e-5),
]


@pytest.mark.parametrize("bias", [None, 3.0])
@pytest.mark.parametrize(
    ("left", "right", "rtol"), [e[1:] for e in EQUAL], ids=[e[0] for e in EQUAL]
)
def test_special_cases_and_limits_agree(left, right, rtol, bias):
    # With scale 1, no label is so unlikely that the limits are still far.
    labels, logits = some_batch(num_classes=10, scale=1.0)
    options = {"from_logits": True, "reduction": None, "logit_bias": bias}

    def values_and_slopes(loss):
        loss = loss.with_options(**options)
        return value_and_gradient(lambda z: loss(labels, z), logits)

    for one, other in zip(values_and_slopes(left), values_and_slopes(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


SYMMETRIC = {"MAE", "RCE", "NCE", "NFL", "NGCE", "NNCE", "NNFL"}
SYMMETRIC_CASES = {"GCE(q=1)", "MAERescale()"}  # its scale is 1 for 10 classes


def sum_over_all_labels(loss, num_classes=10):
    _, logits = some_batch(num_classes, batch=40, scale=10.0)
    losses = [to_numpy(loss(np.full(40, k), logits)) for k in range(num_classes)]
    return np.sum(losses, axis=0)


@every_variant
def test_symmetric_losses_sum_to_a_constant_and_others_do_not(case):
    sums = sum_over_all_labels(case.make())
    is_constant = np.ptp(sums) < 1e-5 * sums.mean()
    assert is_constant == (case.loss.__name__ in SYMMETRIC or case.name in SYMMETRIC_CASES)
    expected = {"MAE": 18.0, "NCE": 1.0, "NFL": 1.0, "NGCE": 1.0, "NNCE": 9.0, "NNFL": 9.0}
    if case.loss.__name__ in expected:
        assert sums.mean() == pytest.approx(expected[case.loss.__name__], rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [kn.AGCE(a=3.0, q=1.0), kn.AUL(a=3.0, q=1.0), kn.TaylorCE(order=1), kn.PHuberCE(tau=1.0)],
    ids=lambda loss: type(loss).__name__,
)
def test_other_losses_are_symmetric_in_special_cases(loss):
    sums = sum_over_all_labels(loss.with_options(from_logits=True, reduction=None))
    assert np.ptp(sums) < 1e-5 * sums.mean()


@every_loss
def test_no_loss_is_symmetric_with_a_bias(case):
    sums = sum_over_all_labels(case.make(logit_bias=2.5))
    assert np.ptp(sums) > 1e-3 * sums.mean()


@every_loss
def test_documented_symmetry_is_true(case):
    if case.loss is kn.losses.WeightedSum:
        pytest.skip("a sum has the symmetry of its parts")
    assert read_docstring(case.loss).properties["Symmetric"].startswith("yes") == (
        case.loss.__name__ in SYMMETRIC
    )


# The range of a sum depends on its parts. With t2 = 4, no float32 logit comes close to the bound.
CASES_WITH_RANGE = [
    case
    for case in DEFAULTS + VARIANTS
    if case.loss is not kn.losses.WeightedSum and case.arguments.get("t2") != 4.0
]


@pytest.mark.parametrize("case", CASES_WITH_RANGE, ids=[case.name for case in CASES_WITH_RANGE])
def test_documented_range_is_true(case):
    """All values lie in the range and come close to both ends."""
    loss, num_classes = case.make(), 5
    low, high = re.match(
        r"\[(.+), (.+)[\])]", read_docstring(case.loss).properties["Range"]
    ).groups()
    config = case.loss(**case.arguments).for_classes(num_classes).get_config()
    names = {**config, "K": num_classes, "inf": math.inf}
    names |= {
        "log": math.log,
        "exp": math.exp,
        "harmonic": lambda n: sum(1 / i for i in range(1, n + 1)),
    }
    low = eval(low, names)
    high = eval(high, names) if names.get("t1") != 1.0 else math.inf
    ends = np.zeros((3, num_classes), "float32")
    # The label is almost certain, almost impossible with ties, or another class is certain.
    ends[:, 0] = 1e4, -1e4, -1e4
    ends[2, 1] = 1e4
    at_ends = to_numpy(loss(np.zeros(3, int), ends))
    inside = [to_numpy(loss(*some_batch(num_classes, 64, scale))) for scale in (1, 5, 50)]
    values = np.concatenate([at_ends, *inside])
    assert values.min() == pytest.approx(low, abs=1e-6, rel=1e-6)
    if math.isinf(high):
        assert values.max() > 20.0
    else:
        assert values.max() <= high * (1 + 1e-6)
        assert values.max() >= high * (1 - 1e-3)


@pytest.mark.parametrize("t2", [1.0001, 1.05, 1.2, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 1e4])
@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_bi_tempered_probabilities_sum_to_1(t2, scale, num_classes):
    _, logits = some_batch(num_classes, 16, scale)
    probs = to_numpy(kn.losses.tempered_softmax(logits, t2))
    np.testing.assert_allclose(probs.sum(axis=-1), 1.0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_tempered_softmax_agrees_with_the_reference(dtype):
    _, logits = some_batch(12, 4, 5.0)
    logits = tensor(logits.reshape(2, 2, 12), dtype)
    for temperature in (1.0, 1.3):
        probs = kn.losses.tempered_softmax(logits, temperature)
        assert keras.backend.standardize_dtype(probs.dtype) == "float32"
        for row, z in zip(
            to_numpy(probs).reshape(4, 12), to_numpy(logits).reshape(4, 12), strict=True
        ):
            expected = references.tempered_softmax(z.tolist(), temperature).p
            np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-7)


def test_tempered_softmax_of_bad_input():
    with pytest.raises(ValueError, match=r"`temperature` must be a number in \[1, 5\]. Received"):
        kn.losses.tempered_softmax(np.zeros((2, 3)), 0.5)
    with pytest.raises(ValueError, match=r"`logits` must have shape .*K of at least 2"):
        kn.losses.tempered_softmax(np.zeros((2, 1)))
