"""Formats of labels, leading axes, ignored labels, sample weights and reductions."""

from itertools import product

import keras
import numpy as np
import pytest
from cases import LABEL_CASES, ROW_CASES, every_family, every_loss
from support import BACKEND, compiled, gradient, tensor, to_numpy

import keras_noisy

every_bias = pytest.mark.parametrize("bias", [None, 2.0])


def random_batch(shape, num_classes=5, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(*shape, num_classes)).astype("float32")
    return rng.integers(0, num_classes, shape), logits


@every_family
@every_bias
@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (2, 3, 4)], ids=str)
def test_all_formats_and_leading_axes_agree(case, bias, shape):
    labels, logits = random_batch(shape)
    loss = case.make(logit_bias=bias)
    flat = to_numpy(loss(labels.reshape(-1), logits.reshape(-1, 5))).reshape(shape)
    one_hot = np.eye(5, dtype="float32")[labels]
    for name, y_true in {
        "integer": labels,
        "column": labels[..., np.newaxis],
        "one-hot": one_hot,
        "integer one-hot": one_hot.astype("int32"),
        "float integers": labels.astype("float32"),
    }.items():
        losses = loss(y_true, logits)
        assert tuple(losses.shape) == shape, name
        np.testing.assert_allclose(to_numpy(losses), flat, rtol=1e-5, atol=1e-7, err_msg=name)


@every_loss
def test_soft_target_averages_the_losses_of_its_labels(case):
    _, logits = random_batch((4,))
    targets = np.random.default_rng(1).dirichlet(np.ones(5), 4).astype("float32")
    loss = case.make()
    expected = sum(targets[:, k] * to_numpy(loss(np.full(4, k), logits)) for k in range(5))
    np.testing.assert_allclose(to_numpy(loss(targets, logits)), expected, rtol=1e-5)


@pytest.mark.parametrize("case", LABEL_CASES, ids=[case.name for case in LABEL_CASES])
@pytest.mark.parametrize("bias", [2.0, -2.0])
def test_soft_target_biases_each_label_separately(case, bias):
    _, logits = random_batch((4,))
    targets = np.random.default_rng(1).dirichlet(np.ones(5), 4).astype("float32")
    loss = case.make(logit_bias=bias)
    expected = sum(targets[:, k] * to_numpy(loss(np.full(4, k), logits)) for k in range(5))
    np.testing.assert_allclose(to_numpy(loss(targets, logits)), expected, rtol=1e-5)


@pytest.mark.parametrize("case", ROW_CASES, ids=[case.name for case in ROW_CASES])
@pytest.mark.parametrize("bias", [2.0, -2.0])
def test_soft_target_biases_all_classes_in_proportion(case, bias):
    _, logits = random_batch((4,))
    targets = np.random.default_rng(1).dirichlet(np.ones(5), 4).astype("float32")
    np.testing.assert_allclose(
        to_numpy(case.make(logit_bias=bias)(targets, logits)),
        to_numpy(case.make()(targets, logits + np.float32(bias) * targets)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "uint32"])
def test_integer_types_agree(dtype):
    # A uint8 cannot hold the number of classes.
    labels = np.array([0, 3, 255], dtype)
    logits = random_batch((3,), num_classes=300)[1]
    loss = keras_noisy.CE(from_logits=True, reduction=None)
    np.testing.assert_allclose(
        to_numpy(loss(labels, logits)), to_numpy(loss(labels.astype("int64"), logits))
    )


@every_family
@pytest.mark.parametrize("ignore_class", [-1, 255, 2])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_ignored_labels_do_not_count(case, ignore_class, reduction):
    labels, logits = random_batch((6, 2))
    labels[labels == 2] = 3
    labels[::2, 0] = ignore_class
    counts = labels != ignore_class
    loss = case.make(ignore_class=ignore_class, reduction=reduction)
    only = case.make(reduction=reduction)(labels[counts], logits[counts])
    expected = float(only)
    if reduction == "mean_with_sample_weight":
        # Without weights, Keras divides by the number of all labels.
        expected = float(case.make(reduction="sum")(labels[counts], logits[counts]))
        expected /= counts.sum()
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)
    slope = gradient(lambda z: loss(labels, z), logits)
    assert np.all(slope[~counts] == 0)
    assert np.all(slope[counts] != 0)
    one_hot = np.zeros((*labels.shape, 5), "float32")
    rows = counts | (0 <= ignore_class < 5)
    one_hot[rows] = np.eye(5)[labels[rows]]
    assert float(loss(one_hot, logits)) == pytest.approx(float(loss(labels, logits)), rel=1e-5)


def test_a_mask_and_ignore_class_agree_with_keras():
    class Masks(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs):
            return inputs * 1.0

        def compute_mask(self, inputs, mask=None):
            return keras.ops.convert_to_tensor([[True, True, False], [True, False, False]])

    labels, logits = np.array([[0, -1, 2], [3, 4, -1]]), random_batch((2, 3))[1]
    weights = np.array([[1.0, 2.0, 3.0], [0.5, 1.5, 2.5]], "float32")
    for ignore_class, options in product((-1, None), ({}, {"sample_weight": weights})):
        ours = keras_noisy.CE(from_logits=True, ignore_class=ignore_class)
        theirs = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=ignore_class
        )
        labels = labels if ignore_class == -1 else np.maximum(labels, 0)
        predictions = Masks()(logits)
        assert float(ours(labels, predictions, **options)) == pytest.approx(
            float(theirs(labels, predictions, **options)), rel=1e-6
        )


def test_all_ignored_is_zero():
    loss = keras_noisy.MAE(from_logits=True, ignore_class=0)
    assert float(loss(np.zeros(3, int), np.ones((3, 4), "float32"))) == 0.0


@every_family
def test_weights_and_reductions_agree_with_keras(case):
    labels, logits = random_batch((8,))
    weights = np.linspace(0.1, 2.0, 8).astype("float32")
    per_sample = to_numpy(case.make()(labels, logits))
    weighted = per_sample * weights
    for reduction, expected in {
        "sum_over_batch_size": weighted.mean(),
        "mean": weighted.mean(),
        "sum": weighted.sum(),
        "mean_with_sample_weight": weighted.sum() / weights.sum(),
    }.items():
        loss = case.make(reduction=reduction)
        assert float(loss(labels, logits, sample_weight=weights)) == pytest.approx(
            expected, rel=1e-5
        )
    np.testing.assert_allclose(
        to_numpy(case.make(reduction="none")(labels, logits, sample_weight=weights)),
        weighted,
        rtol=1e-5,
    )


@every_loss
@every_bias
def test_masked_class_gives_finite_results(case, bias):
    """Users mask classes with logits of -inf; only the label's logit must be finite."""
    labels, logits = random_batch((3,))
    labels[:] = 1
    logits[:, 4] = -np.inf
    one_hot = np.eye(5, dtype="float32")[labels]
    loss = case.make(logit_bias=bias)
    for y_true in (labels, one_hot):
        assert np.all(np.isfinite(to_numpy(loss(y_true, logits))))
        slope = gradient(lambda z, y_true=y_true: loss(y_true, z), logits)
        assert np.all(np.isfinite(slope[:, :4]))


@every_family
def test_compiled_equals_eager(case):
    labels, logits = random_batch((7,), num_classes=50)
    targets = np.random.default_rng(1).dirichlet(np.ones(50), 7).astype("float32")
    loss = case.make(logit_bias="auto")
    for y_true in (labels, targets):
        np.testing.assert_allclose(
            to_numpy(compiled(loss)(tensor(y_true), tensor(logits))),
            to_numpy(loss(y_true, logits)),
            rtol=1e-5,
            atol=1e-7,
        )


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX has vmap")
def test_vmap_agrees_with_a_loop():
    import jax

    labels, logits = random_batch((4, 3))
    loss = keras_noisy.MAE(logit_bias=1.0, from_logits=True)
    each = jax.vmap(loss)(tensor(labels), tensor(logits))
    expected = [float(loss(y, z)) for y, z in zip(labels, logits, strict=True)]
    np.testing.assert_allclose(to_numpy(each), expected, rtol=1e-6)


@pytest.mark.parametrize("ignore_class", [None, 2])
@pytest.mark.parametrize("kind", ["int32", "float32", "one-hot"])
def test_loss_works_inside_a_functional_model(kind, ignore_class):
    labels, logits = random_batch((6,))
    given = np.eye(5, dtype="float32")[labels] if kind == "one-hot" else labels.astype(kind)
    loss = keras_noisy.CE(from_logits=True, ignore_class=ignore_class, reduction=None)
    inputs = [keras.Input((5,)), keras.Input(given.shape[1:], dtype=given.dtype)]
    model = keras.Model(inputs, loss(inputs[1], inputs[0]))
    np.testing.assert_allclose(
        model.predict([logits, given], verbose=0), to_numpy(loss(labels, logits)), rtol=1e-5
    )


@pytest.mark.tensorflow
def test_labels_of_unknown_shape_are_not_broadcast():
    import tensorflow as tf

    loss = keras_noisy.CE(from_logits=True, reduction=None)
    shapes = [tf.TensorSpec([None, None]), tf.TensorSpec([None, 5])]
    function = tf.function(loss, input_signature=shapes)
    labels, logits = random_batch((6,))
    one_hot = np.eye(5, dtype="float32")[labels]
    np.testing.assert_allclose(
        to_numpy(function(one_hot, logits)), to_numpy(loss(labels, logits)), rtol=1e-5
    )
    for wrong in (np.ones((6, 1), "float32"), one_hot[:1]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(wrong, logits)


@pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch has torch.compile")
@pytest.mark.parametrize("dynamic", [None, True])
def test_one_graph_accepts_changing_shapes(dynamic):
    import torch

    torch._dynamo.reset()
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    function = torch.compile(loss, backend="eager", fullgraph=True, dynamic=dynamic)
    for size, num_classes in ((4, 20), (7, 20), (7, 30)):
        labels, logits = random_batch((size,), num_classes)
        assert float(function(tensor(labels), tensor(logits))) == pytest.approx(
            float(loss(labels, logits)), rel=1e-5
        )
