"""The models map raw images to float32 logits, on every backend."""

import re
import sys

import keras
import numpy as np
import pytest

from keras_noisy.datasets import normalisation
from keras_noisy.models import cifar_resnet, cnn8, mlp1024, resnet, small_cnn


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def small_resnet(num_classes=7, depth=18, library="keras_cv"):
    pytest.importorskip(library)
    return resnet(num_classes, depth, (32, 32, 3), library=library)


BUILDERS = {
    "cifar_resnet": lambda: cifar_resnet(7, 18, (8, 8, 3)),
    "cnn8": lambda: cnn8(7, (8, 8, 3)),
    "resnet": small_resnet,
    "resnet on keras-hub": lambda: small_resnet(library="keras_hub"),
    "small_cnn": lambda: small_cnn(7),
}


@pytest.fixture(scope="module", params=BUILDERS)
def model_and_images(request):
    model = BUILDERS[request.param]()
    return model, images(4, *model.input_shape[1:])


def test_logits(model_and_images):
    model, x = model_and_images
    logits = model.predict(x, verbose=0)
    assert logits.shape == (4, 7)
    assert logits.dtype == np.float32
    assert logits.min() < 0  # They are not probabilities.


def test_images_are_scaled_inside(model_and_images):
    model, _ = model_and_images
    (rescaling,) = (
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Rescaling)
    )
    np.testing.assert_allclose(rescaling.scale, 1 / 255)


@pytest.mark.parametrize("library", ["keras_cv", "keras_hub"])
def test_resnet_with_the_normalisation_of_a_data_set(library, tmp_path):
    """The layer is applied to raw images, without another rescaling, also after saving."""
    pytest.importorskip(library)
    layer = normalisation("imagenet")
    model = resnet(7, 18, (32, 32, 3), layer, library)
    rescalings = [
        each for each in model._flatten_layers() if isinstance(each, keras.layers.Rescaling)
    ]
    assert rescalings == [layer]
    x = images(4, 32, 32, 3)
    bare = keras.Model(model.layers[-3].input, model.layers[-3].output)  # The backbone.
    features = np.mean(bare.predict(layer(x.astype("float32")), verbose=0), axis=(1, 2))
    expected = features @ model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-3, atol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_logits_are_float32_under_mixed_precision(build):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build()
    assert model.layers[1].compute_dtype == "bfloat16"
    logits = model(images(2, *model.input_shape[1:]))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


def test_saved_model_predicts_the_same(model_and_images, tmp_path):
    model, x = model_and_images
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_small_cnn_has_the_stated_size():
    assert small_cnn(1000).count_params() == 544_056


@pytest.mark.backend_free
def test_mlp1024_has_the_stated_size():
    assert mlp1024(1000).count_params() == 3_928_040


def test_small_cnn_takes_images_without_a_channel_axis():
    keras.utils.set_random_seed(1)
    with_axis = small_cnn(5)
    without = small_cnn(5, (28, 28))
    without.set_weights(with_axis.get_weights())
    x = images(3, 28, 28, 1)
    np.testing.assert_allclose(
        without.predict(x[..., 0], verbose=0), with_axis.predict(x, verbose=0), rtol=1e-6
    )


def test_small_cnn_takes_other_shapes():
    assert small_cnn(3, [32, 40, 3]).output_shape == (None, 3)


def test_small_cnn_learns():
    x, y = images(2, 8, 8).repeat(32, axis=0), np.repeat([0, 1], 32)
    model = small_cnn(2, (8, 8))
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    losses = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize(
    ("depth", "weights"),
    [
        (18, 11_183_488),
        pytest.param(34, 21_299_072, marks=pytest.mark.backend_free),
        pytest.param(50, 23_564_800, marks=pytest.mark.backend_free),
    ],
)
def test_resnet_has_the_size_of_its_depth(depth, weights):
    model = small_resnet(7, depth)
    assert model.count_params() - model.get_layer("logits").count_params() == weights


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("depth", "weights"), [(18, 11_182_528), (34, 21_298_112), (50, 23_545_792)]
)
def test_resnet_on_keras_hub_has_the_size_of_its_depth(depth, weights):
    model = small_resnet(7, depth, "keras_hub")
    assert model.count_params() - model.get_layer("logits").count_params() == weights


@pytest.mark.parametrize("library", ["keras_cv", "keras_hub"])
def test_resnet_takes_images_of_any_size(library):
    pytest.importorskip(library)
    model = resnet(3, input_shape=(None, None, 3), library=library)
    assert model(images(1, 40, 33, 3)).shape == (1, 3)


@pytest.mark.parametrize("build", [cifar_resnet, cnn8, mlp1024, resnet, small_cnn])
@pytest.mark.parametrize("num_classes", [1, 10.0, "10", None, True])
def test_bad_num_classes(build, num_classes):
    with pytest.raises(ValueError, match="`num_classes` must be an integer of at least 2") as error:
        build(num_classes)
    assert str(error.value).endswith(f"Received: num_classes={num_classes!r}")


@pytest.mark.parametrize("build", [cifar_resnet, cnn8, resnet, small_cnn])
@pytest.mark.parametrize("shape", [(28,), (28, 28, 3, 1), (28, -1, 3), (28, 28, None), 28, "abc"])
def test_bad_input_shape(build, shape):
    with pytest.raises(ValueError, match="`input_shape` must be") as error:
        build(10, input_shape=shape)
    assert str(error.value).endswith(f"Received: input_shape={shape!r}")


@pytest.mark.parametrize("shape", [(), (28, 0), (28, None), 784, "abc"])
def test_bad_input_shape_of_mlp1024(shape):
    with pytest.raises(ValueError, match="`input_shape` must be a sequence of positive") as error:
        mlp1024(10, input_shape=shape)
    assert str(error.value).endswith(f"Received: input_shape={shape!r}")


@pytest.mark.parametrize("build", [cifar_resnet, resnet])
@pytest.mark.parametrize("depth", [19, "18", None, [18]])
def test_bad_depth(build, depth):
    with pytest.raises(ValueError, match=r"`depth` must be 18, 34 or 50") as error:
        build(10, depth)
    assert str(error.value).endswith(f"Received: depth={depth!r}")


@pytest.mark.parametrize("build", [cifar_resnet, cnn8, resnet])
@pytest.mark.parametrize("bad", ["cifar10", 255, keras.layers.Rescaling])
def test_bad_normalisation(build, bad):
    with pytest.raises(ValueError, match=r"`normalisation` must be a layer, .* or None") as error:
        build(10, normalisation=bad)
    assert str(error.value).endswith(f"Received: normalisation={bad!r}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": ()}, "`filters` must hold at least one integer. Received: filters=()"),
        ({"filters": 16}, "`filters` must hold at least one integer. Received: filters=16"),
        ({"filters": (16, 0)}, "`filters` must be an integer of at least 1. Received: filters=0"),
        ({"hidden_units": 2.5}, "`hidden_units` must be an integer of at least 1. Received: "),
    ],
)
def test_bad_widths(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small_cnn(10, **arguments)


@pytest.mark.parametrize("library", ["keras-cv", None])
def test_bad_library(library):
    allowed = "`library` must be 'keras_cv' or 'keras_hub'"
    with pytest.raises(ValueError, match=allowed) as error:
        resnet(10, library=library)
    assert str(error.value).endswith(f"Received: library={library!r}")


@pytest.mark.parametrize(("library", "extra"), [("keras_cv", "vision"), ("keras_hub", "hub")])
def test_missing_library(library, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf'pip install "keras-noisy\[{extra}\]"') as error:
        resnet(10, library=library)
    assert "\n" not in str(error.value)
