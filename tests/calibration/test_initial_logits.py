import keras
import numpy as np
import pytest

from keras_noisy.calibration import initial_logits


def build_model(head="linear"):
    """Builds a model with state: the averages of batch normalisation and the seed of dropout."""
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(6, activation=head, kernel_initializer="random_normal"),
        ]
    )


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(40, 8)).astype("float32")


def test_logits_are_those_in_training(inputs):
    model = build_model()
    model.layers[-2].rate = 0.0
    logits = initial_logits(model, inputs)
    expected = keras.ops.convert_to_numpy(model(inputs, training=True))
    np.testing.assert_allclose(logits.values, expected, rtol=1e-4, atol=1e-5)
    assert logits.num_classes == 6
    assert logits.mean == pytest.approx(expected.mean(), abs=1e-6)
    assert logits.std == pytest.approx(expected.std(), rel=1e-5)
    densities, edges = logits.histogram(bins=20)
    assert len(densities) == 20
    assert (densities * np.diff(edges)).sum() == pytest.approx(1.0)


def test_model_is_not_changed(inputs):
    model = build_model()
    before = [np.array(w) for w in model.get_weights()]
    state = [np.array(keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
    first, second = (initial_logits(model, inputs) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, variable in zip(state, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))
    assert not model.compiled


def test_inputs_are_passed_in_batches(inputs):
    model = build_model()
    model.layers[-2].rate = 0.0
    complete = initial_logits(model, inputs).values
    batches = initial_logits(model, inputs, batch_size=16).values
    assert complete.shape == batches.shape
    assert not np.allclose(complete, batches)  # batch normalisation depends on the batch


def test_probabilities_become_logits(inputs):
    model = build_model("softmax")
    model.layers[-2].rate = 0.0
    logits = initial_logits(model, inputs)
    assert logits.from_probabilities
    exp = np.exp(logits.values)
    expected = keras.ops.convert_to_numpy(model(inputs, training=True))
    np.testing.assert_allclose(exp / exp.sum(axis=1, keepdims=True), expected, rtol=1e-4)
    np.testing.assert_allclose(logits.values.mean(axis=1), 0.0, atol=1e-5)


def test_several_inputs_and_leading_axes_are_accepted():
    a, b = keras.Input((5, 4), name="a"), keras.Input((5, 4), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(7)(keras.layers.Add()([a, b])))
    x = np.ones((3, 5, 4), "float32")
    assert initial_logits(model, {"a": x, "b": x}, batch_size=2).values.shape == (15, 7)


def test_model_without_a_training_argument(inputs):
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(6)

        def call(self, x):
            return self.head(x)

    model = Plain()
    expected = keras.ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(initial_logits(model, inputs).values, expected, rtol=1e-5)


@pytest.mark.parametrize("x", [None, 3.0, iter([]), {"a": np.ones(2), "b": np.ones(3)}])
def test_bad_x(x):
    with pytest.raises(ValueError, match=r"`x` must be an array .* with at least one sample"):
        initial_logits(build_model(), x)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_bad_batch_size(inputs, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1"):
        initial_logits(build_model(), inputs, batch_size)


def test_bad_input(inputs):
    with pytest.raises(ValueError, match=r"`model` must be a keras.Model that is built"):
        initial_logits(keras.Sequential([keras.layers.Dense(3)]), inputs)
    with pytest.raises(ValueError, match=r"`model` must be a keras.Model that is built"):
        initial_logits("resnet", inputs)
    with pytest.raises(ValueError, match=r"`x` must be an array .* with at least one sample"):
        initial_logits(build_model(), inputs[:0])
    source = keras.Input((8,))
    two = keras.Model(source, [keras.layers.Dense(2)(source), keras.layers.Dense(3)(source)])
    with pytest.raises(ValueError, match=r"`model` must have one output .* Received: \[\(40, 2\)"):
        initial_logits(two, inputs)
    with pytest.raises(ValueError, match="`model` must return finite numbers"):
        initial_logits(build_model(), np.full((4, 8), np.nan, "float32"))
