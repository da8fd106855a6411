"""How much time does a loss of the package take in the training step of a large network?

Measures `train_on_batch` (forward and backward pass, SGD with momentum) of ResNet-50 with 1000
classes, of keras-cv or of Keras, which needs no TensorFlow, with losses of the package and with
`keras.losses.SparseCategoricalCrossentropy`, in turns and in random order. Each loss has its own
model; Keras's cross-entropy has two, whose ratio shows the accuracy of the measurement.

    KERAS_BACKEND=tensorflow python benchmarks/training_step.py
    KERAS_BACKEND=torch python benchmarks/training_step.py --size 64 --batch 4 --turns 9
"""

import os
import random
import statistics
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages

import glyph_runs
import keras
import numpy as np

import keras_noisy
from keras_noisy.training import suitable_precision

CROSSENTROPY = "Keras's cross-entropy"
LOSSES = {
    CROSSENTROPY: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "the same again": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "CE": keras_noisy.CE(from_logits=True),
    'MAE(logit_bias="auto")': keras_noisy.MAE(logit_bias="auto", from_logits=True),
    "10 NCE + 0.1 AGCE": 10.0 * keras_noisy.NCE(from_logits=True)
    + 0.1 * keras_noisy.AGCE(a=1.8, q=3.0, from_logits=True),
}


def main() -> None:
    """Measures all losses in turns and prints ratios."""
    options = parse()
    if options.mixed:
        keras.config.set_dtype_policy(suitable_precision())
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (options.batch, options.size, options.size, 3)).astype("float32")
    labels = rng.integers(options.classes, size=options.batch).astype("int32")
    models = {name: build_model(loss, options) for name, loss in LOSSES.items()}
    print(
        f"{keras.backend.backend()}, ResNet-50, {options.batch} images of {options.size} pixels, "
        f"{options.classes} classes, {options.turns} turns, {keras.config.dtype_policy().name}"
    )
    for model in models.values():
        for _ in range(2):
            model.train_on_batch(images, labels)
    order = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(options.turns):
        for name in order.sample(list(models), len(models)):
            start = time.perf_counter()
            models[name].train_on_batch(images, labels)  # waits, because it returns numbers
            seconds[name].append(time.perf_counter() - start)
    print(f"{'':26} {'ms':>8} {'ratio':>7}   quartiles of the ratios")
    for name, taken in seconds.items():
        ratios = [a / b for a, b in zip(taken, seconds[CROSSENTROPY], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        median = 1000 * statistics.median(taken)
        print(f"{name:26} {median:8.1f} {middle:7.3f}   {low:.3f} to {high:.3f}")


def build_model(loss: keras.losses.Loss, options: Any) -> keras.Model:
    """Builds and compiles a ResNet-50."""
    keras.utils.set_random_seed(0)
    shape = (options.size, options.size, 3)
    if options.network == "keras":
        model = keras.applications.ResNet50(
            weights=None,
            input_shape=shape,
            classes=options.classes,
            classifier_activation=None,
        )
    else:
        model = keras_noisy.models.resnet(options.classes, depth=50, input_shape=shape)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss=loss)
    return model


def parse() -> Any:
    """Reads the command line."""
    parser = glyph_runs.OneLineParser(__doc__)
    add = parser.add_argument
    add("--classes", type=int, default=1000, help="number of classes")
    add("--size", type=int, default=224, help="pixels of height and width")
    add("--batch", type=int, default=8, help="images in a step")
    add("--turns", type=int, default=15, help="paired measurements")
    add("--network", choices=["keras_cv", "keras"], default="keras_cv", help="source of ResNet-50")
    add("--mixed", action="store_true", help="the precision that suits the device, not float32")
    return parser.parse_args()


if __name__ == "__main__":
    main()
