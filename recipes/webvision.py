"""Train on WebVision 1.0: web images of 50 or 1,000 classes, labelled by search queries.

Reads the official folders and file lists; where something is missing, it says what to download and where
to put it.

    python recipes/webvision.py /data/webvision --subset mini
    python recipes/webvision.py /data/webvision --subset google --epochs 100 --mixed-precision

The defaults for "mini" are those of most published tables: ResNet-50, 250 epochs, batches of 512, SGD with
Nesterov momentum 0.9, learning rate 0.4 times 0.97 in each epoch, weight decay 3e-5, gradients clipped at
a norm of 5. Losses are the package's: the MAE with a bias that falls to 0 in training, cross-entropy, and
GCE. Writes `log.csv`, a row an epoch, and goes on after an interruption if it is started again.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length

import keras

import keras_noisy
from keras_noisy.datasets import normalisation, webvision
from keras_noisy.models import resnet, small_cnn

LOSSES = {
    "mae+annealed": keras_noisy.MAE(from_logits=True),
    "mae+adaptive": keras_noisy.MAE(logit_bias="adaptive", from_logits=True),
    "ce": keras_noisy.CE(from_logits=True),
    "gce": keras_noisy.GCE(q="auto", from_logits=True),
}
MODELS = ["resnet18", "resnet34", "resnet50", "small_cnn"]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    if options.mixed_precision:
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    train, val = (
        webvision.pipeline(
            options.root,
            split,
            options.subset,
            image_size=options.image_size,
            batch_size=options.batch_size,
            bad_images=options.results / "bad_images.csv",
            max_bad_share=options.max_bad_share,
            seed=options.seed,
        )
        for split in ("train", "val")
    )
    print(
        f"{train.num_samples} images of {train.num_classes} classes, {train.steps} batches an epoch"
    )
    model = build(train, options)
    model.fit(
        train.dataset,
        epochs=options.epochs,
        shuffle=False,  # done already
        validation_data=val.dataset,
        callbacks=[
            keras.callbacks.BackupAndRestore(options.results / "backup"),
            keras.callbacks.CSVLogger(options.results / "log.csv", append=True),
        ],
        verbose=2 if options.quiet else "auto",
    )
    model.save(options.results / "model.keras")


def build(train: keras_noisy.datasets.Pipeline, options: argparse.Namespace) -> keras.Model:
    keras.utils.set_random_seed(options.seed)
    shape = (options.image_size, options.image_size, 3)
    if options.model == "small_cnn":
        model = small_cnn(train.num_classes, shape)
    else:
        depth = int(options.model.removeprefix("resnet"))
        model = resnet(train.num_classes, depth, shape, normalisation("imagenet"))
    loss = LOSSES[options.loss]
    if options.loss == "mae+annealed":
        bias = keras_noisy.LogitBias(training_steps=options.epochs * train.steps)
        model = keras.Model(model.input, bias(model.output))
        loss = loss.with_options(logit_bias=bias)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(
            options.learning_rate, train.steps, 0.97, staircase=True
        ),
        momentum=0.9,
        nesterov=True,
        weight_decay=3e-5,
        clipnorm=5.0,
    )
    top5 = keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")
    model.compile(optimizer, loss=loss, metrics=["accuracy", top5])
    return model


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("root", type=Path, help="folder with info, google, flickr and val_images_256")
    add("--subset", default="mini", choices=webvision.SUBSETS, help="training images")
    add("--loss", default="mae+annealed", choices=LOSSES, help="what to train by")
    add("--model", default="resnet50", choices=MODELS, help="network; small_cnn to try things out")
    add("--image-size", type=int, default=224, help="height and width in pixels")
    add("--epochs", type=int, default=250, help="passes over the training images")
    add("--batch-size", type=int, default=512, help="images in a batch")
    add("--learning-rate", type=float, default=0.4, help="of the first epoch")
    add("--mixed-precision", action="store_true", help="compute in bfloat16, for a GPU")
    add("--max-bad-share", type=float, default=0.01, help="share of images that may be bad files")
    add("--seed", type=int, default=0, help="of the network, the order and the augmentation")
    add("--results", type=Path, default=Path("results/webvision"), help="folder to write to")
    add("--quiet", action="store_true", help="a line an epoch, no progress bar")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
