from typing import Any

import keras


def penalise_weights(model: keras.Model, regularizer: Any) -> None:
    """Gives every trainable weight of a model a regularizer, biases and normalisation included.

    Formula:

    ```
    loss = loss of the labels + sum over all weights w of regularizer(w)
    ```

    It is the weight penalty of active negative losses: `keras.regularizers.L1(delta)` beside the sum
    `keras_noisy.losses.get("anl-ce", dataset=…)` and no weight decay. Published with delta = 1e-6 for
    MNIST, 5e-5 for CIFAR-10, 5e-7 for CIFAR-100 and 5e-6 for WebVision.

    Keras adds the penalty to what `fit` and `evaluate` report as `loss` and `val_loss`; give the loss as
    a metric too to see that of the labels alone. A regularizer that a weight has already is replaced. Penalties set in this way are not
    saved with the model: call it again after loading, before training goes on.

    Args:
        model: A model that is built.
        regularizer: As in `keras.regularizers.get`: an instance, a name or a configuration; or
            `None`, which takes all penalties away.

    Raises:
        ValueError: If the model has no trainable weights yet, or if there is no such regularizer.

    Example:

    >>> import keras
    >>> from keras_noisy.training import penalise_weights
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> penalise_weights(model, keras.regularizers.L1(0.5))
    >>> len(model.losses)  # of the kernel and of the bias
    2

    References:

    - Ye, Li, Dai, Liu, Sun, Tong, 2023, "Active Negative Loss Functions for Learning with Noisy Labels",
      [NeurIPS 2023](https://mlanthology.org/neurips/2023/ye2023neurips-active/).
    """
    regularizer = keras.regularizers.get(regularizer)
    if not model.trainable_weights:
        raise ValueError(
            "`model` must be built and have trainable weights. "
            f"Received: {model.name!r} with built={model.built}"
        )
    for weight in model.trainable_weights:
        weight.regularizer = regularizer
    # Steps that were compiled before would go on without it.
    model.train_function = model.test_function = None
