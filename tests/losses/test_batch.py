"""The parts of a sum share what they compute from a batch."""

import numpy as np
import pytest
from cases import one_hot, some_batch
from support import tensor, to_numpy

import keras_noisy
from keras_noisy._core import batch

PARTS = [keras_noisy.GCE(), keras_noisy.AGCE(), keras_noisy.MAE()]
COUNTED = {
    "label": "label_log_prob",
    "chunks": "summarise_log_probs",
    "row": "class_log_probs",
    "entropy": "prediction_entropy",
}


@pytest.fixture
def counts(monkeypatch):
    """Counts the calls of each function."""
    found = dict.fromkeys(COUNTED, 0)

    def count(name, function):
        original = getattr(batch, function)

        def counting(*arguments, **options):
            found[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(batch, function, counting)

    for name, function in COUNTED.items():
        count(name, function)
    return found


def compute(parts, targets=False, **options):
    """Computes a sum of losses; returns its values, the loss, the labels and the logits."""
    y_true, logits = some_batch()
    y_true = one_hot(y_true, logits.shape[-1]) if targets else y_true
    loss = sum(parts).with_options(from_logits=True, reduction=None, **options)
    return to_numpy(loss(y_true, tensor(logits))), loss, y_true, logits


def called(counts):
    return {name: count for name, count in counts.items() if count}


def test_label_losses_share_the_label_log_prob(counts):
    compute(PARTS)
    assert called(counts) == {"label": 1}


def test_adaptive_bias_shares_row_and_entropy(counts):
    compute(PARTS, logit_bias="adaptive")
    assert called(counts) == {"label": 1, "row": 1, "entropy": 1}


def test_adaptive_bias_shares_the_entropy_of_the_chunks(counts):
    y_true, logits = some_batch()
    head = keras_noisy.layers.ClassHead(logits.shape[-1], chunk_size=4)
    loss = sum([*PARTS, keras_noisy.NCE()]).with_options(from_logits=True, logit_bias="adaptive")
    loss(y_true, head(tensor(logits), training=True))
    assert called(counts) == {"chunks": 1, "row": 1}


def test_label_log_prob_of_targets_is_an_error():
    y_true, logits = some_batch()
    targets = one_hot(y_true, logits.shape[-1])
    read = batch.Batch(targets, tensor(logits), True, None, None, "float32")
    with pytest.raises(ValueError, match=r"`y_true` must be integer labels.*Received: targets"):
        read.label_log_prob  # noqa: B018


def test_soft_targets_share_the_row(counts):
    compute(PARTS, targets=True, logit_bias="adaptive")
    assert called(counts) == {"row": 1, "entropy": 1}


def test_row_losses_share_the_row(counts):
    compute([keras_noisy.NCE(), keras_noisy.NFL(), keras_noisy.MAE()])
    assert called(counts) == {"label": 1, "row": 1}


def test_row_losses_share_the_row_with_the_bias(counts):
    compute([keras_noisy.NCE(), keras_noisy.NNCE()], logit_bias=1.0)
    assert called(counts) == {"row": 1}


@pytest.mark.parametrize("targets", [False, True])
@pytest.mark.parametrize("logit_bias", [None, "adaptive", -1.0, 2.0])
def test_sum_equals_the_sum_of_its_parts(logit_bias, targets):
    total, loss, y_true, logits = compute(
        [*PARTS, keras_noisy.NCE()], targets, logit_bias=logit_bias
    )
    alone = sum(to_numpy(part(y_true, tensor(logits))) for part in loss.losses)
    np.testing.assert_allclose(total, alone, rtol=1e-6)
