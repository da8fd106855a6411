"""The metric `CurrentLogitBias` shows the logit bias in the logs of `fit`."""

import keras
import pytest
from biased_model import CLASSES, fit, make_data, make_model

import keras_noisy
from keras_noisy.calibration import logit_bias
from keras_noisy.training import CurrentLogitBias


@pytest.mark.tensorflow
def test_tensorboard_logs_the_bias(tmp_path):
    from tensorflow.python.summary.summary_iterator import summary_iterator

    fit(make_model(), callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    tags = {
        value.tag
        for path in tmp_path.glob("train/*")
        for event in summary_iterator(str(path))
        for value in event.summary.value
    }
    assert "epoch_logit_bias" in tags


def test_metric_logs_adaptive_and_constant_biases():
    x, y = make_data()
    for given, low, high in (("adaptive", 0.1, 1.2 * logit_bias(CLASSES)), (1.5, 1.5, 1.5)):
        loss = keras_noisy.MAE(logit_bias=given, from_logits=True)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(CLASSES)])
        model.compile("sgd", loss=loss, metrics=[CurrentLogitBias(loss, name="eps")])
        assert low <= model.fit(x, y, verbose=0).history["eps"][0] <= high * (1 + 1e-6)
    metric = CurrentLogitBias(loss)
    loaded = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert loaded.get_config() == metric.get_config()
    with pytest.raises(ValueError, match=r"`loss` must be a loss of keras_noisy.*Received"):
        CurrentLogitBias("mae")
