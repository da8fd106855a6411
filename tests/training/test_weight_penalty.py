import keras
import numpy as np
import pytest

from keras_noisy import losses
from keras_noisy.training import penalise_weights


def small_model():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3),
        ]
    )


def test_the_penalty_is_that_of_all_trainable_weights_and_trains():
    x, y = np.random.default_rng(0).normal(size=(16, 4)).astype("float32"), np.arange(16) % 3
    model = small_model()
    loss = losses.get("anl-ce", dataset="cifar100", from_logits=True)
    model.compile("sgd", loss=loss)
    alone = model.evaluate(x, y, verbose=0)
    penalise_weights(model, keras.regularizers.L1(0.01))
    size = sum(np.abs(keras.ops.convert_to_numpy(w)).sum() for w in model.trainable_weights)
    # This needs no second `compile`.
    assert model.evaluate(x, y, verbose=0) == pytest.approx(alone + 0.01 * size, rel=1e-5)
    penalise_weights(model, None)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(alone, rel=1e-5)


def test_the_penalty_trains():
    """Without a gradient of the loss, the L1 norm decreases by that of the penalty alone."""
    x, y = np.zeros((16, 4), "float32"), np.arange(16) % 3
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), loss=losses.get("mae", from_logits=True))
    model.fit(x, y, verbose=0)
    before = np.abs(keras.ops.convert_to_numpy(model.weights[0]))
    penalise_weights(model, keras.regularizers.L1(0.01))
    model.fit(x, y, batch_size=16, verbose=0)
    after = np.abs(keras.ops.convert_to_numpy(model.weights[0]))
    np.testing.assert_allclose(after, np.abs(before - 0.001), atol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="`model` must be built"):
        penalise_weights(keras.Sequential([keras.layers.Dense(3)]), "l1")
    with pytest.raises(ValueError, match="regularizer"):
        penalise_weights(small_model(), "nope")
