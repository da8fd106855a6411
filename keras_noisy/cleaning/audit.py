import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy import models
from keras_noisy._arguments import check_choice, check_flag, check_integer, check_number
from keras_noisy.cleaning._images import ImageList, list_images, read_images, write_images
from keras_noisy.cleaning._results import Results, write_results
from keras_noisy.cleaning._settings import find_other_settings
from keras_noisy.cleaning.noise_estimate import NoiseEstimate
from keras_noisy.cleaning.out_of_fold import assign_folds, out_of_fold
from keras_noisy.cleaning.suspicious_labels import SuspiciousLabels
from keras_noisy.datasets import check_images
from keras_noisy.datasets._image_files.file_list import FileList
from keras_noisy.datasets._image_files.from_files import build_from_files
from keras_noisy.datasets._pipeline.options import resolve_options
from keras_noisy.layers import LogitBias
from keras_noisy.losses.mae import MAE
from keras_noisy.training.precision import describe_device

NETWORKS = ("small_cnn", "resnet18", "resnet34", "resnet50")
_MIN_EPOCHS, _MIN_STEPS = 15, 1500
_STATE = "training"  # folder below the output


class Audit(NamedTuple):
    """The outcome of an audit.

    Attributes:
        suspicious: `SuspiciousLabels` of the images.
        noise: `NoiseEstimate`.
        paths: Paths of the images, relative to the root.
        labels: Integer array (n,), their labels.
        class_names: The names of the classes.
        files: Paths of the files that were written.
    """

    suspicious: SuspiciousLabels
    noise: NoiseEstimate
    paths: list[str]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: list[Path]


def audit(
    root: str | os.PathLike,
    output: str | os.PathLike = "audit",
    labels: str | os.PathLike | None = None,
    *,
    network: str | None = None,
    model: str | os.PathLike | None = None,
    image_size: int | None = None,
    augment: bool = True,
    folds: int = 4,
    epochs: int | None = None,
    batch_size: int = 64,
    learning_rate: float | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    verbose: int = 1,
) -> Audit:
    """Finds the wrong labels of a folder of images.

    It decodes all images once, to leave out damaged ones. Then it trains `folds` networks with the
    MAE and a class-wise `keras_noisy.LogitBias`, so that each image is judged by a network that was
    not trained with it (`keras_noisy.cleaning.out_of_fold`), and writes to the folder `output`:

    - `suspicious.csv`: the images whose label is probably wrong, the most suspicious first, with
      the columns `path`, `label`, `looks_like`, `doubt` (the probability that the label is wrong)
      and `expected_share` (of wrong labels from the top of the list to here);
    - `noise.json`: the estimated noise, in total, of each class and of pairs of classes;
    - `report.html`: a page to look at the images and to mark the wrong labels; open it in a
      browser. `keras_noisy.cleaning.apply_marks` corrects the labels that were marked;
    - `images.csv`: all images that were used, and their labels;
    - `training/`: the state. The audit survives being killed: the same call continues.

    The images are neither changed nor moved.

    Args:
        root: Folder with a folder for each class, or, with `labels`, the folder of the images.
        output: Folder to write to. Defaults to `"audit"`.
        labels: File with the labels: a CSV file with the columns `image` and `label`, which may be
            names, or a list with a line `path label` for each image. Defaults to `None`: the name
            of the folder is the label.
        network: `"small_cnn"`, `"resnet18"`, `"resnet34"` or `"resnet50"`. Defaults to `None`:
            ResNet-18 on a GPU, otherwise small_cnn.
        model: Instead, a file of a Keras model with an output for each class, such as a pretrained
            backbone with a new last layer. Each training starts from its weights. It must not have
            been trained with these labels. Defaults to `None`.
        image_size: Positive integer, height and width to which images are resized. Defaults to
            `None`: 64 for small_cnn, that of the `model`, otherwise 224.
        augment: Whether training images are cropped, flipped and changed in colour at random. Use
            `False` if a mirror image may belong to another class, as for letters. Defaults to
            `True`.
        folds: Integer, at least 2, the number of networks. Defaults to `4`.
        epochs: Positive integer, the epochs of each training. Defaults to `None`: 15, or as many as
            make 1,500 steps.
        batch_size: Positive integer. Defaults to `64`.
        learning_rate: Learning rate of AdamW at the beginning, which falls to 0 along a cosine.
            Defaults to `None`: 3e-3 for small_cnn, otherwise 1e-3.
        threshold: Number in [0, 1], the doubt from which on an image is listed. Defaults to `0.5`.
        seed: Non-negative integer. Defaults to `0`.
        verbose: 0 for no output, 1 for a progress bar, 2 for a line for each epoch. Defaults to
            `1`.

    Returns:
        `Audit`.

    Raises:
        ValueError: If an argument is out of its range, if there are fewer than two classes, or if
            `output` holds an audit of other images or with other settings.
        FileNotFoundError: If a folder or file does not exist.
        OSError: If a file can't be written.
        ImportError: If TensorFlow, which reads the images, is not installed.

    Example:

    >>> from keras_noisy import cleaning
    >>> found = cleaning.audit("photos")  # doctest: +SKIP
    >>> [found.paths[i] for i in found.suspicious.suspicious[:2]]  # doctest: +SKIP
    ['owl/0417.jpg', 'lynx/0031.jpg']
    """
    check_flag("augment", augment)
    check_integer("epochs", epochs, 1, or_none=True)
    check_number("threshold", threshold, "[0, 1]")
    check_choice("network", network, (*NETWORKS, None))
    if learning_rate is not None:
        check_number("learning_rate", learning_rate, "(0, 1]")
    if network is not None and model is not None:
        raise ValueError(
            "Only one of `network` and `model` can be given. "
            f"Received: network={network!r}, model={os.fspath(model)!r}"
        )
    if model is not None and not Path(model).is_file():
        raise FileNotFoundError(f"`model` must be a file. Received: model={os.fspath(model)!r}")
    folder = Path(output)
    images = list_images(Path(root), None if labels is None else Path(labels))
    name = network or ("small_cnn" if describe_device()[0] == "cpu" else "resnet18")
    build, size, from_logits = _choose_network(name, model, images.class_names, image_size)
    rate = learning_rate or (3e-3 if name == "small_cnn" and model is None else 1e-3)
    settings = {
        "network": name if model is None else os.fspath(model),
        "image_size": size,
        "augment": augment,
        "learning_rate": rate,
    }
    assign_folds(images.labels, folds, seed)  # checks the arguments before the work begins
    _begin(folder, images, settings)
    images = _leave_out_bad(Path(root), images, folder, verbose)
    note = _describe_small_classes(images, folds)
    steps = -(-len(images.paths) * (folds - 1) // (folds * batch_size))
    epochs = epochs or max(_MIN_EPOCHS, -(-_MIN_STEPS // steps))
    if verbose:
        print(
            f"{len(images.paths):,} images of {len(images.class_names):,} classes; {folds} "
            f"trainings of {settings['network']} with {epochs} epochs, on images of "
            f"{size} x {size} pixels",
            flush=True,
        )

    def compile_model(steps: int) -> keras.Model:
        network = build()
        bias = LogitBias()
        trained = keras.Model(network.input, bias(network.output))
        decay = keras.optimizers.schedules.CosineDecay(rate, steps)
        optimizer = keras.optimizers.AdamW(decay, weight_decay=0.004)
        trained.compile(optimizer, MAE(logit_bias=bias, from_logits=from_logits))
        return trained

    def get_batches(rows: NDArray[np.int64], is_training: bool, first_epoch: int) -> Any:
        return _build_pipeline(
            Path(root),
            images,
            rows,
            folder,
            image_size=size,
            options={
                "shuffle": is_training,
                "augment": is_training and augment,
                "batch_size": batch_size,
                "seed": seed,
                "first_epoch": first_epoch,
            },
        )

    predictions = out_of_fold(
        compile_model,
        get_batches,
        images.labels,
        folds,
        epochs=epochs,
        batch_size=batch_size,
        folder=folder / _STATE / "folds",
        seed=seed,
        verbose=verbose,
    )
    results = write_results(
        folder,
        images.paths,
        images.labels,
        predictions,
        images.class_names,
        from_logits=from_logits,
        threshold=threshold,
        root=Path(root),
        note=note,
    )
    if verbose:
        print(describe(results, len(images.paths)), flush=True)
    files = [*results.files, folder / "images.csv"]
    return Audit(results.suspicious, results.noise, *images, files=files)


def describe(results: Results, num_samples: int) -> str:
    """Returns the outcome in a few lines."""
    suspicious, noise = results.suspicious, results.noise
    number = suspicious.num_suspicious
    lines = [
        f"About {noise.rate:.1%} ± {noise.rate_error:.1%} of {num_samples:,} labels are wrong.",
        f"{number:,} labels are suspicious"
        + (
            f"; about {suspicious.expected_shares[number - 1]:.0%} of them are wrong."
            if number
            else "."
        ),
        *(f"Wrote {path}" for path in results.files),
    ]
    return "\n".join(lines)


def _begin(folder: Path, images: ImageList, settings: dict[str, Any]) -> None:
    """Notes what is audited, or checks that it is what an earlier call has begun."""
    digest = hashlib.blake2b(digest_size=16)
    for text in (*images.paths, *images.class_names):
        digest.update(os.fsencode(text) + b"\0")
    digest.update(images.labels.tobytes())
    settings = {"images": digest.hexdigest(), **settings}
    if changed := find_other_settings(folder / _STATE / "audit.json", settings):
        raise ValueError(
            "`output` must be the folder of an audit of the same images with the same settings, or "
            f"a new one. Received: output={os.fspath(folder)!r}, begun with other "
            f"{', '.join(changed)}; delete it to begin again"
        )


def _leave_out_bad(root: Path, images: ImageList, folder: Path, verbose: int) -> ImageList:
    """Returns the images that can be decoded.

    Their list is written once, and then read, so that an audit that continues has the same images.
    """
    path, bad_images = folder / "images.csv", folder / "bad_images.csv"
    if path.exists():
        return read_images(path, images.class_names)
    if verbose:
        print(f"Decoding {len(images.paths):,} images, to leave out damaged ones", flush=True)
    bad = check_images(root, images.paths, bad_images, verbose=min(verbose, 1))
    if bad and verbose:
        number = "1 image can't be decoded:" if len(bad) == 1 else f"{len(bad):,} can't, such as"
        print(f"{number} {bad[0].path} ({bad[0].reason}). {bad_images} lists it", flush=True)
    used = images.without({image.path for image in bad})
    if not used.paths:
        raise ValueError(
            f"`root` must hold images that can be decoded. Received: root={os.fspath(root)!r}, "
            f"none of whose {len(images.paths)} images can; {bad_images} says why"
        )
    write_images(path, used)
    return used


def _describe_small_classes(images: ImageList, folds: int) -> str:
    """Returns a note on classes that are too small to be judged."""
    sizes = np.bincount(images.labels, minlength=len(images.class_names))
    notes = []
    for few, what in ((sizes == 0, "no image"), ((sizes > 0) & (sizes < folds), "few images")):
        names = [images.class_names[i] for i in np.flatnonzero(few)]
        if names:
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            number = "1 class has" if len(names) == 1 else f"{len(names)} classes have"
            notes.append(f"{number} {what} ({shown}).")
    if ((sizes > 0) & (sizes < folds)).any():
        notes.append(f"The labels of classes with fewer than {folds} images can't be judged well.")
    return " ".join(notes)


def _choose_network(
    name: str,
    file: str | os.PathLike | None,
    class_names: Sequence[str],
    image_size: int | None,
) -> tuple[Callable[[], keras.Model], int, bool]:
    """Returns a function that builds the network, the image size, and whether it has logits."""
    num_classes = len(class_names)
    if file is not None:
        loaded = keras.saving.load_model(file, compile=False)
        shape = loaded.output_shape
        if len(shape) != 2 or shape[1] != num_classes:
            raise ValueError(
                f"`model` must have an output for each of the {num_classes} classes. Received: "
                f"model={os.fspath(file)!r} with outputs of shape {shape}"
            )
        size = image_size or loaded.input_shape[1] or 224
        last = getattr(loaded.layers[-1], "activation", None)
        is_softmax = last is keras.activations.softmax or isinstance(
            loaded.layers[-1], keras.layers.Softmax
        )
        return lambda: keras.saving.load_model(file, compile=False), size, not is_softmax
    if name == "small_cnn":
        size = image_size or 64
        return lambda: models.small_cnn(num_classes, (size, size, 3)), size, True
    size = image_size or 224
    depth = int(name.removeprefix("resnet"))
    return lambda: models.resnet(num_classes, depth, (size, size, 3)), size, True


def _build_pipeline(
    root: Path,
    images: ImageList,
    rows: NDArray[np.int64],
    folder: Path,
    *,
    image_size: int,
    options: dict[str, Any],
) -> Any:
    """Returns batches of some of the images, all of which can be decoded."""
    files = FileList(
        [os.fsencode(images.paths[i]) for i in rows], images.labels[rows].astype("int32"), []
    )
    return build_from_files(
        root,
        files,
        len(images.class_names),
        resolve_options(options, is_training=options["shuffle"]),
        image_size=image_size,
        colour_jitter=True,
        max_bad_share=0.0,
        max_bad_files=0,
        bad_images=folder / "bad_images.csv",
        source=os.fspath(root),
        class_names=images.class_names,
        logs_skipped=False,  # of a fold; what the audit skips is known already
    )
