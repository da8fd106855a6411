import math
from typing import Any

import keras
from keras import ops

from keras_noisy._arguments import check_classes, check_flag, check_integer
from keras_noisy._typing import Tensor
from keras_noisy.losses.class_chunks import ClassChunks, HeadSource, top_k


@keras.saving.register_keras_serializable(package="keras_noisy")
class ClassHead(keras.layers.Layer, HeadSource):
    """The last layer of a classifier with very many classes, for losses that do without all logits.

    It is a dense layer, `z = x W + b`, and its output is the logits. But with a million classes the logits of
    a batch, and their gradient, fill the memory. Every loss that is a function of the label's log-probability
    (all `keras_noisy.losses.LabelLoss`) finds in these logits the features and weights that they are made from,
    and computes value and gradients for some thousand classes at a time, with integer labels,
    `from_logits=True` and any logit bias but a negative one. The values are those of a dense layer, up to
    rounding.

    A compiled step, on JAX or on TensorFlow in a graph with or without XLA, then never computes the logits,
    unless a metric needs them. Leave metrics to `evaluate`, which has the ordinary logits, or to `top_k`. On
    PyTorch, and in eager steps, the logits would be computed nevertheless: `logits_in_training=False` gives NaN
    in their place, and training metrics are then meaningless.

    With `keras.distribution.ModelParallel` on JAX the kernel may be split by classes, `(None, "classes")`; each
    chunk then has classes of every device.

    Args:
        num_classes: Integer, at least 2, the number K of classes.
        chunk_size: Positive integer, the number of classes computed at a time. Memory beside weights and
            gradients is about `3 * batch * chunk_size` numbers. Defaults to `8192`.
        use_bias: Whether there is a `b`. Defaults to `True`.
        logits_in_training: Whether the output in training is the logits. Defaults to `True`.
        kernel_initializer: As in `keras.layers.Dense`. Defaults to `"glorot_uniform"`.
        bias_initializer: As in `keras.layers.Dense`. Defaults to `"zeros"`.
        **kwargs: `name`, `dtype`, `trainable`; see `keras.layers.Layer`. Under mixed precision the products are
            computed in it; the output is float32 in any case.

    Shapes:
        Input (batch, D), output (batch, K).

    Raises:
        ValueError: If an argument is out of its range, or the input is not (batch, D).

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> model = keras.Sequential([keras.Input((16,)), keras_noisy.layers.ClassHead(20000)])
    >>> loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
    >>> model.compile("sgd", loss=loss)
    >>> history = model.fit(np.ones((8, 16)), np.arange(8), verbose=0)
    >>> model.output_shape
    (None, 20000)
    >>> values, classes = model.layers[-1].top_k(np.ones((8, 16)), k=5)
    >>> tuple(classes.shape)
    (8, 5)
    """

    def __init__(
        self,
        num_classes: int,
        chunk_size: int = 8192,
        use_bias: bool = True,
        logits_in_training: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = check_classes("num_classes", num_classes)
        self.chunk_size = check_integer("chunk_size", chunk_size, 1)
        self.use_bias = check_flag("use_bias", use_bias)
        self.logits_in_training = check_flag("logits_in_training", logits_in_training)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"The input must have the shape (batch, D). Received: shape {tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: input_shape[-1]})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.num_classes),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.num_classes,), initializer=self.bias_initializer
            )
        self.expect_calls()

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        chunks = self._chunks(inputs)
        if training and not self.logits_in_training:
            shape = (ops.shape(inputs)[0], self.num_classes)
            logits = ops.broadcast_to(ops.full((1, 1), math.nan, dtype="float32"), shape)
        else:
            logits = ops.cast(ops.matmul(inputs, chunks.kernel), "float32")
            if chunks.bias is not None:
                logits = logits + ops.cast(chunks.bias, "float32")
        self.give_chunks(logits, chunks)
        return logits

    def top_k(self, inputs: Tensor, k: int = 5) -> tuple[Tensor, Tensor]:
        """The k largest logits of each sample, chunk by chunk.

        Args:
            inputs: Float tensor (batch, D), the features.
            k: Integer from 1 to the number of classes. Defaults to `5`.

        Returns:
            Two tensors (batch, k), the logits, largest first, and the classes, int32.

        Raises:
            ValueError: If an argument is none of the above, or the layer is not built.
        """
        k = check_integer("k", k, 1, self.num_classes)
        if not self.built:
            raise ValueError("The layer must be built before `top_k`. Received: one that is not")
        inputs = ops.convert_to_tensor(inputs, dtype=self.compute_dtype)
        depth = self.kernel.shape[0]
        if tuple(inputs.shape[1:]) != (depth,):
            raise ValueError(
                f"`inputs` must have the shape (batch, {depth}). Received: shape {tuple(inputs.shape)}"
            )
        return top_k(self._chunks(inputs), k)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        return keras.KerasTensor((inputs.shape[0], self.num_classes), dtype="float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.num_classes)

    def _chunks(self, inputs: Tensor) -> ClassChunks:
        kernel, bias = (
            None if weight is None else ops.convert_to_tensor(weight, dtype=self.compute_dtype)
            for weight in (self.kernel, self.bias)
        )
        return ClassChunks(inputs, kernel, bias, self.chunk_size, self._shards())

    def _shards(self) -> int:
        """In how many parts the classes are cut, one for a device."""
        distribution = keras.distribution.distribution()
        if distribution is None:
            return 1
        layout = distribution.get_variable_layout(self.kernel)
        axis = None if layout is None else layout.axes[-1]
        if axis is None:
            return 1
        mesh = distribution.device_mesh
        return int(dict(zip(mesh.axis_names, mesh.shape, strict=True))[axis])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "chunk_size": self.chunk_size,
            "use_bias": self.use_bias,
            "logits_in_training": self.logits_in_training,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
