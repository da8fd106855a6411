from typing import Any

import keras


def penalise_weights(model: keras.Model, regularizer: Any) -> None:
    """Sets a regularizer for every trainable weight of a model, biases and normalisation included.

    Formula:

    ```
    total loss = loss + sum over all weights w of regularizer(w)
    ```

    Active negative losses and joint asymmetric losses were published with such a penalty, and
    without weight decay. `keras_noisy.losses.weight_penalty` returns it:

    ```python
    loss = keras_noisy.losses.get("anl-ce", dataset="cifar100", from_logits=True)
    penalise_weights(model, keras_noisy.losses.weight_penalty("anl-ce", dataset="cifar100"))
    ```

    Keras adds the penalty to the values that `fit` and `evaluate` report as `loss` and `val_loss`.
    Pass the loss as a metric, too, to see it without the penalty. Existing regularizers of the
    weights are replaced. The penalty is not saved with the model: call this function again after
    loading, before the training continues.

    Args:
        model: A model that is built.
        regularizer: An instance, a name or a configuration, as in `keras.regularizers.get`, or
            `None` to remove all penalties.

    Raises:
        ValueError: If the model has no trainable weights yet, or if the regularizer is unknown.

    Example:

    >>> import keras
    >>> from keras_noisy.training import penalise_weights
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> penalise_weights(model, keras.regularizers.L1(0.5))
    >>> len(model.losses)  # The penalties of the kernel and of the bias.
    2

    References:

    - Ye, Li, Dai, Liu, Sun, Tong, 2023, "Active Negative Loss Functions for Learning with Noisy
      Labels", [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/).
    """
    regularizer = keras.regularizers.get(regularizer)
    if not model.trainable_weights:
        raise ValueError(
            "`model` must be built and have trainable weights. "
            f"Received: {model.name!r} with built={model.built}"
        )
    for weight in model.trainable_weights:
        weight.regularizer = regularizer
    # Functions that are already compiled would ignore the new regularizer.
    model.train_function = model.test_function = None
