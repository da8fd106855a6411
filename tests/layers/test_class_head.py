"""`ClassHead` has the values and gradients of a dense layer, without computing all logits."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from support import BACKEND, to_numpy

import keras_noisy
from keras_noisy._core.chunked_softmax import ClassChunks, summarise_log_probs
from keras_noisy.layers import ClassHead
from keras_noisy.layers._top_k import top_k

# The values of `jit_compile` to test. On TensorFlow, XLA is slow to compile, so few tests use it.
JITS = {"tensorflow": [False, True], "jax": [True], "torch": [False]}[BACKEND]
BATCH, DEPTH, CLASSES = 16, 6, 50
RNG = np.random.default_rng(0)
X = RNG.standard_normal((3 * BATCH, DEPTH)).astype("float32")
Y = RNG.integers(0, CLASSES, 3 * BATCH)

LOSSES = {
    "ce": keras_noisy.CE(from_logits=True),
    "mae": keras_noisy.MAE(from_logits=True),
    "mae, biased": keras_noisy.MAE(logit_bias="auto", from_logits=True),
    "gce, adaptive": keras_noisy.GCE(logit_bias="adaptive", from_logits=True),
    "sce": keras_noisy.SCE(from_logits=True),
    "sum": 2.0 * keras_noisy.AGCE(from_logits=True) + keras_noisy.MAE(from_logits=True),
    "row loss": keras_noisy.NCE(from_logits=True),
    "negative bias": keras_noisy.MAE(logit_bias=-1.0, from_logits=True),
    "ignored class": keras_noisy.MAE(ignore_class=3, from_logits=True),
    "smoothed": (keras_noisy.CE() + keras_noisy.SCE() + keras_noisy.MAE()).with_options(
        from_logits=True, label_smoothing=0.3
    ),
    "gce, smoothed": keras_noisy.GCE(from_logits=True, label_smoothing=0.3),
}


@pytest.fixture
def used_chunks(monkeypatch):
    """Returns a list to which each computation of a chunk of logits appends its `ClassChunks`."""
    chunks = []

    def watch(name):
        original = getattr(ClassChunks, name)

        def record_and_compute(self, which):
            chunks.append(self)
            return original(self, which)

        monkeypatch.setattr(ClassChunks, name, record_and_compute)

    watch("logits")
    watch("logits_of")
    return chunks


def train(make_head, loss, jit, y=Y, annealed=False, metrics=None, epochs=2, validate=False):
    """Trains a small classifier; returns the history, the weights and the model."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((DEPTH,))
    logits = make_head()(keras.layers.Dense(DEPTH, activation="tanh")(inputs))
    if annealed:
        bias = keras_noisy.LogitBias(training_steps=9)
        logits = bias(logits)
        loss = loss.with_options(logit_bias=bias)
    model = keras.Model(inputs, logits)
    model.compile(keras.optimizers.SGD(0.5), loss, metrics=metrics, jit_compile=jit)
    options = {"validation_data": (X, y)} if validate else {}
    history = model.fit(
        X, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, **options
    ).history
    return history, [to_numpy(weight) for weight in model.weights], model


def make_dense():
    return keras.layers.Dense(CLASSES, dtype="float32", name="logits")


def head_maker(chunk_size, **options):
    """Returns a function that creates the head, to be called after the seed is set."""
    return lambda: ClassHead(CLASSES, chunk_size, name="logits", **options)


def assert_same_training(first, second, rtol=1e-5):
    """Asserts that two results of `train` have the same history and weights."""
    for name in first[0]:
        np.testing.assert_allclose(first[0][name], second[0][name], rtol=rtol)
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "jit"),
    [(name, JITS[0]) for name in LOSSES] + [("gce, adaptive", jit) for jit in JITS[1:]],
)
def test_trains_like_a_dense_layer(name, jit, used_chunks):
    expected = train(make_dense, LOSSES[name], jit)
    assert not used_chunks
    assert_same_training(train(head_maker(8), LOSSES[name], jit), expected)
    assert bool(used_chunks) == (name not in ("row loss", "negative bias"))
    assert all(chunks.num_chunks == 7 for chunks in used_chunks)


@pytest.mark.parametrize("jit", JITS)
def test_trains_like_a_dense_layer_with_an_annealed_bias_and_a_metric(jit, used_chunks):
    loss = keras_noisy.MAE(from_logits=True)
    options = {"annealed": True, "metrics": ["accuracy"], "validate": True}
    expected = train(make_dense, loss, jit, **options)
    assert_same_training(train(head_maker(16), loss, jit, **options), expected)
    assert used_chunks


def test_soft_targets_do_not_use_chunks(used_chunks):
    targets = keras.utils.to_categorical(Y, CLASSES)
    expected = train(make_dense, LOSSES["mae"], "auto", y=targets)
    assert_same_training(train(head_maker(8), LOSSES["mae"], "auto", y=targets), expected)
    assert not used_chunks


@pytest.mark.parametrize("chunk_size", [1, 7, 50, 8192])
@pytest.mark.parametrize("use_bias", [True, False])
def test_log_probs_entropy_and_top_k_match_float64(chunk_size, use_bias):
    """The logits are so large that their exponentials overflow in float32."""
    x = 30.0 * X[:BATCH].astype("float64")
    kernel = RNG.standard_normal((DEPTH, CLASSES))
    bias = RNG.standard_normal(CLASSES) if use_bias else np.zeros(CLASSES)
    logits = x @ kernel + bias
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    chunks = ClassChunks(
        *(ops.convert_to_tensor(each, "float32") for each in (x, kernel)),
        ops.convert_to_tensor(bias, "float32") if use_bias else None,
        chunk_size,
    )
    y = Y[:BATCH]
    log_prob, mean, entropy = summarise_log_probs(chunks, ops.convert_to_tensor(y))
    size = np.abs(logits).max()
    np.testing.assert_allclose(
        to_numpy(log_prob), log_probs[np.arange(BATCH), y], atol=1e-6 * size, rtol=1e-6
    )
    np.testing.assert_allclose(to_numpy(mean), log_probs.mean(axis=-1), rtol=1e-5)
    expected = -np.sum(np.exp(log_probs) * log_probs, axis=-1)
    np.testing.assert_allclose(to_numpy(entropy), expected, atol=3e-5)
    values, classes = top_k(chunks, 5)
    order = np.argsort(-logits, axis=-1)[:, :5]
    np.testing.assert_array_equal(to_numpy(classes), order)
    np.testing.assert_allclose(
        to_numpy(values), np.take_along_axis(logits, order, axis=-1), rtol=1e-5, atol=1e-4
    )


def test_trains_like_a_dense_layer_without_logits_in_training():
    loss = LOSSES["gce, adaptive"]
    metrics = [keras_noisy.training.CurrentLogitBias(loss)]
    expected = train(make_dense, loss, "auto", metrics=metrics)
    head = head_maker(8, logits_in_training=False)
    history, weights, model = train(head, loss, "auto", metrics=metrics)
    assert history["logit_bias"][1] > 0.0
    assert_same_training((history, weights), expected)
    assert np.isnan(to_numpy(model(X[:2], training=True))).all()
    assert np.isfinite(to_numpy(model(X[:2]))).all()


def test_smoothed_losses_without_logits_in_training():
    loss = LOSSES["smoothed"]
    expected = train(make_dense, loss, "auto")
    head = head_maker(8, logits_in_training=False)
    assert_same_training(train(head, loss, "auto"), expected)


def test_mixed_precision_has_logits_and_weights_in_float32():
    """Products are computed in bfloat16, sums and logits in float32."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    history, _, model = train(head_maker(8), LOSSES["mae, biased"], "auto")
    assert keras.backend.standardize_dtype(model(X[:2]).dtype) == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    keras.config.set_dtype_policy("float32")
    exact = train(make_dense, LOSSES["mae, biased"], "auto")[0]
    np.testing.assert_allclose(history["loss"], exact["loss"], rtol=2e-2)


def test_saved_model_loads_with_the_same_predictions(tmp_path):
    head = head_maker(8, use_bias=False, kernel_initializer="he_uniform")
    _, _, model = train(head, LOSSES["mae, biased"], "auto", epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be an integer of at least 2"),
        ({"num_classes": 5.0}, "`num_classes` must be"),
        ({"num_classes": 5, "chunk_size": 0}, "`chunk_size` must be an integer of at least 1"),
        ({"num_classes": 5, "use_bias": 1}, "`use_bias` must be True or False"),
    ],
)
def test_bad_arguments_raise_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassHead(**arguments)


@pytest.mark.backend_free
def test_bad_calls_raise_errors():
    with pytest.raises(ValueError, match=r"must have the shape \(batch, D\)"):
        ClassHead(5)(np.zeros((2, 3, 4), "float32"))
    head = ClassHead(5)
    with pytest.raises(ValueError, match="must be built"):
        head.top_k(np.zeros((2, 3)), 1)
    head(np.zeros((2, 3), "float32"))
    for k in (0, 6, 1.0, True):
        with pytest.raises(ValueError, match="`k` must be an integer from 1 to 5"):
            head.top_k(np.zeros((2, 3)), k)
    for shape in ((2, 4), (3,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"`inputs` must have the shape \(batch, 3\)"):
            head.top_k(np.zeros(shape), 1)
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        head(np.zeros((2, 4), "float32"))


SPLIT_BY_CLASSES = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import keras
import numpy as np
import keras_noisy
from keras_noisy._core.chunked_softmax import summarise_log_probs

keras_noisy.training.use_devices(count=2, class_shards=2)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((32, 6)).astype("float32"), rng.integers(0, 52, 32)
losses = []
for make_head in (
    lambda: keras.layers.Dense(52, name="logits"),
    lambda: keras_noisy.layers.ClassHead(52, 10, name="logits"),
):
    keras.utils.set_random_seed(0)
    head = make_head()
    model = keras.Sequential([keras.Input((6,)), head])
    model.compile(keras.optimizers.SGD(0.5), keras_noisy.MAE(logit_bias="auto", from_logits=True))
    history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history
    losses.append(history["loss"])
    assert head.kernel.value.sharding.shard_shape((6, 52)) == (6, 26)
assert head._chunks(x).shards == 2
np.testing.assert_allclose(*losses, rtol=1e-5)

@jax.jit
def compute(x):
    return summarise_log_probs(head._chunks(x), y[:16])

lines = compute.lower(x[:16]).compile().as_text().splitlines()
gathers = [line.split("all-gather")[0] for line in lines if "all-gather" in line]
assert not gathers or "f32[6,52]" not in gathers[0], "the kernel is gathered"
print("equal")
"""


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution splits layers only on JAX")
def test_head_split_by_classes_trains_like_a_split_dense_layer():
    process = subprocess.run(
        [sys.executable, "-c", SPLIT_BY_CLASSES],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert process.stdout.strip().endswith("equal"), process.stderr


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX reports the memory of a compiled step")
def test_compiled_training_step_allocates_no_logits():
    """Measures a training step without metrics, because metrics use the logits."""
    import jax

    batch, classes = 64, 20_000
    x = np.ones((batch, 4), "float32")
    y = np.arange(batch)
    loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)

    def measure_temporary_bytes(head):
        model = keras.Sequential([keras.Input((4,)), head])
        model.compile("sgd", loss)

        def step(weights):
            logits, _ = model.stateless_call(weights, [], x, training=True)
            return loss(y, logits)

        weights = [variable.value for variable in model.trainable_variables]
        compiled = jax.jit(jax.value_and_grad(step)).lower(weights).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    logits_bytes = 4 * batch * classes
    assert measure_temporary_bytes(keras.layers.Dense(classes)) > logits_bytes
    head = ClassHead(classes, chunk_size=500)
    assert measure_temporary_bytes(head) < 0.2 * logits_bytes


@pytest.mark.parametrize("run", ["call", "fit"])
def test_eager_steps(run):
    """As in a compiled step: eager calls of the loss, and `run_eagerly=True`."""
    dense, head = (make_model_with(layer) for layer in (make_dense(), head_maker(8)()))
    head.set_weights(dense.get_weights())
    loss = keras_noisy.CE(from_logits=True)
    if run == "call":
        values = [to_numpy(loss(Y[:BATCH], model(X[:BATCH]))) for model in (dense, head)]
    else:
        values = []
        for model in (dense, head):
            model.compile("sgd", loss, run_eagerly=True)
            values.append(
                model.fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"]
            )
    np.testing.assert_allclose(*values, rtol=1e-5)


def make_model_with(layer):
    return keras.Sequential([keras.Input((DEPTH,)), layer])


@pytest.mark.parametrize(
    ("loss", "one_hot"),
    [
        (keras_noisy.CE(), False),
        (keras_noisy.NCE(from_logits=True), False),
        (keras_noisy.CE(from_logits=True), True),
        (keras_noisy.MAE(logit_bias=-1.0, from_logits=True), False),
        (keras_noisy.MAE(logit_bias=1.0, from_logits=True, label_smoothing=0.1), False),
    ],
    ids=["probabilities", "row", "one-hot", "negative bias", "smoothed"],
)
def test_loss_that_needs_missing_logits_is_an_error(loss, one_hot):
    model = make_model_with(ClassHead(CLASSES, logits_in_training=False))
    model.compile("sgd", loss)
    y = np.eye(CLASSES, dtype="float32")[Y] if one_hot else Y
    with pytest.raises(
        ValueError, match="output of a ClassHead layer with logits_in_training=False"
    ):
        model.fit(X, y, verbose=0)
