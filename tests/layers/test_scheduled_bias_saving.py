"""Models with a `LogitBias` layer are saved, loaded and resumed in the middle of a schedule."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from biased_model import count_steps, fit, make_data, make_model
from keras.optimizers.schedules import PolynomialDecay
from support import BACKEND

import keras_noisy

RESUME = """
    import sys
    import {first_import}
    import keras
    import numpy as np
    import keras_noisy
    model = keras.saving.load_model(sys.argv[1])
    data = np.load(sys.argv[2])
    history = model.fit(data["x"], data["y"], batch_size=8, epochs=4, initial_epoch=2, verbose=0,
                        shuffle=False, validation_data=(data["x"], data["y"])).history
    np.savez(sys.argv[3], *model.get_weights(), **history)
"""


def test_new_process_resumes_a_saved_schedule(tmp_path):
    x, y = make_data()
    uninterrupted = make_model(training_steps=14, rate=0.5)
    expected = fit(uninterrupted, epochs=4, validation_data=(x, y)).history
    model = make_model(training_steps=14, rate=0.5)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(model, epochs=3, callbacks=[checkpoint], validation_data=(x, y))
    np.savez(tmp_path / "data.npz", x=x, y=y)
    # PyTorch must be imported before TensorFlow, which Keras imports if it is installed.
    first_import = "torch" if BACKEND == "torch" else "keras"
    program = textwrap.dedent(RESUME.format(first_import=first_import))
    paths = [str(tmp_path / name) for name in ("2.keras", "data.npz", "resumed.npz")]
    subprocess.run([sys.executable, "-c", program, *paths], check=True)
    with np.load(tmp_path / "resumed.npz") as resumed:
        for key in ("loss", "val_loss", "logit_bias", "val_logit_bias"):
            np.testing.assert_allclose(resumed[key], expected[key][2:], rtol=1e-5, atol=1e-6)
        for i, weight in enumerate(uninterrupted.get_weights()):
            np.testing.assert_allclose(resumed[f"arr_{i}"], weight, rtol=1e-5, atol=1e-6)
    assert expected["logit_bias"][2] not in (0.0, expected["logit_bias"][1])


def test_backup_and_restore_resumes_the_schedule(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def train(folder, callbacks):
        model = make_model(rate=0.5)
        backup = keras.callbacks.BackupAndRestore(tmp_path / folder)
        return fit(model, callbacks=[backup, *callbacks]).history["logit_bias"], model

    expected, uninterrupted = train("uninterrupted", [])
    with pytest.raises(KeyboardInterrupt):
        train("interrupted", [Interrupt()])
    resumed, model = train("interrupted", [])
    np.testing.assert_allclose(resumed, expected[1:])
    for one, other in zip(model.get_weights(), uninterrupted.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_every_part_of_a_loaded_loss_takes_the_bias_of_the_layer(tmp_path):
    def make_loss(**options):
        return (keras_noisy.NCE() + keras_noisy.AGCE()).with_options(**options)

    model = make_model(loss=make_loss)
    fit(model, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.loss.logit_bias == "layer"
    assert count_steps(loaded) == 4
    x, y = make_data()
    assert loaded.train_on_batch(x, y) == pytest.approx(model.train_on_batch(x, y), rel=1e-6)
    assert loaded.get_layer("bias").get_config() == model.get_layer("bias").get_config()


def test_layer_config_contains_the_schedule():
    for epsilon in (PolynomialDecay(2.0, 5, 0.5), 2.5, "auto"):
        layer = keras_noisy.LogitBias(epsilon, adaptive=epsilon == 2.5, name="bias")
        loaded = keras.layers.deserialize(keras.layers.serialize(layer))
        assert loaded.get_config() == layer.get_config()
    scheduled = keras_noisy.LogitBias(training_steps=np.int64(7))
    loaded = keras.layers.deserialize(keras.layers.serialize(scheduled))
    assert (loaded.training_steps, loaded.adaptive) == (7, "sample")
    assert keras_noisy.LogitBias.from_config({"adaptive": True}).adaptive == "sample"  # old files
