"""Labels and predictions that are variables or sparse tensors."""

import keras
import numpy as np
import pytest
from cases import every_family, one_hot, some_batch
from support import BACKEND, tensor, to_numpy

import keras_noisy

LABELS, LOGITS = some_batch(num_classes=12)


@every_family
def test_variables(case):
    """Keras variables, and those of TensorFlow."""
    loss = case.make()
    expected = to_numpy(loss(LABELS, tensor(LOGITS)))
    variables = [keras.Variable(LOGITS)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variables.append(tf.Variable(LOGITS))
    for variable in variables:
        np.testing.assert_allclose(to_numpy(loss(LABELS, variable)), expected, rtol=1e-6)


@every_family
def test_sparse_targets_in_fit(case):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    targets = one_hot(LABELS, 12)
    losses = []
    for y in (targets, scipy_sparse.csr_matrix(targets)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(12)])
        model.compile("sgd", case.make(reduction="sum_over_batch_size"))
        x = np.ones((len(LABELS), 4), "float32")
        losses.append(model.fit(x, y, verbose=0, batch_size=3, shuffle=False).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.tensorflow
def test_ragged_tensors_are_errors():
    import tensorflow as tf

    loss, ragged = keras_noisy.MAE(from_logits=True), tf.ragged.constant([[1, 0], [2]])
    with pytest.raises(ValueError, match=r"`y_true` must be an array of labels.*RaggedTensor"):
        loss(ragged, np.zeros((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"must not be ragged.*Received: RaggedTensor"):
        loss([1, 2], tf.cast(ragged, "float32"))
