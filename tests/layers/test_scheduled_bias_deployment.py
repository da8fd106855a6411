"""`LogitBias` leaves no trace in a deployed or exported model."""

import keras
import numpy as np
import pytest
from biased_model import count_steps, fit, make_data, make_model

import keras_noisy


def test_model_without_the_layer_makes_the_same_predictions():
    x, y = make_data()
    model = make_model(rate=0.5)
    fit(model)
    deployed = keras.Model(model.inputs[0], model.get_layer("bias").input)
    assert [type(layer).__name__ for layer in deployed.layers] == ["InputLayer", "Dense"]
    assert len(deployed.weights) == 2
    predicted = model.predict(x, verbose=0)
    np.testing.assert_array_equal(deployed.predict(x, verbose=0), predicted)
    plain = float(keras_noisy.MAE(from_logits=True)(y, predicted))
    assert float(model.loss(y, deployed.predict(x, verbose=0))) == pytest.approx(plain, rel=1e-6)
    steps = count_steps(model)
    model.evaluate(x, y, verbose=0)
    model(x)
    assert count_steps(model) == steps  # Inference does not count as a step.


@pytest.mark.tensorflow
def test_exported_graph_has_no_operations_of_the_layer(tmp_path):
    import tensorflow as tf

    def export_operations(model, name):
        model.export(tmp_path / name, verbose=False)
        served = tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"]
        return sorted(op.type for op in served.graph.get_operations())

    model = make_model()
    fit(model)
    deployed = keras.Model(model.inputs[0], model.get_layer("bias").input)
    assert export_operations(model, "with") == export_operations(deployed, "without")
