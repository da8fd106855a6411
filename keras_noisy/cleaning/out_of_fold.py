import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_noisy._arguments import check_choice, check_integer
from keras_noisy._files import open_atomically
from keras_noisy._inputs import count_samples, read_inputs, take_samples
from keras_noisy._labels import read_labels
from keras_noisy.cleaning._settings import find_other_settings
from keras_noisy.datasets import ShuffledBatches
from keras_noisy.training import Checkpoint


def out_of_fold(
    build: Callable[[int], keras.Model],
    x: Any,
    y: Any,
    folds: int = 4,
    *,
    epochs: int,
    batch_size: int = 64,
    folder: str | os.PathLike | None = None,
    seed: int = 0,
    verbose: int = 1,
) -> NDArray[np.float32]:
    """Predicts each sample with a network that was not trained with it.

    The samples are divided at random into folds of equal size, with equal shares of each class. For
    each fold, a new network is trained on the other folds, and predicts this one.

    With `folder`, the training survives being killed: the state of the network is saved after each
    epoch, and the predictions after each fold. The same call then continues, and gives what an
    uninterrupted one would have given. A call that finds all folds done only reads them.

    Args:
        build: Function that builds a new, compiled network. Its argument is the number of training
            steps, for a learning rate that decays. Keras's seed is set before each call.
        x: Array of inputs, samples first, a table of pandas, or a dictionary or a list of arrays
            for a model with several inputs. For data that do not fit into memory, a function
            `x(rows, is_training, first_epoch)` that returns batches for `fit` or `predict`, such as
            a `keras_noisy.datasets.Pipeline`. `rows` is the integer array of the samples; without
            `is_training`, batches must have all of them, in that order. `first_epoch` is above 0
            where an interrupted training continues.
        y: Labels of the samples: integers (n,), or one-hot rows (n, K).
        folds: Integer, at least 2, the number of folds. Defaults to `4`.
        epochs: Positive integer, the number of epochs of each training.
        batch_size: Positive integer. Defaults to `64`.
        folder: Folder for the state. It may be deleted afterwards. Defaults to `None`: nothing is
            saved.
        seed: Non-negative integer, the seed of the folds, the networks and the order of the
            samples. Defaults to `0`.
        verbose: 0 for no output, 1 for a progress bar, 2 for a line for each epoch. Defaults to
            `1`.

    Returns:
        Float32 array (n, K), the outputs of the networks: logits or probabilities, as `build` has
        it. `keras_noisy.cleaning.suspicious_labels` takes them.

    Raises:
        ValueError: If an argument is out of its range, if `folder` holds the state of another call,
            or if a network returns other shapes or values that are not finite.
        OSError: If the state can't be written.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_noisy
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3
    >>> x = np.eye(3)[y] + 0.1 * rng.normal(size=(60, 3))
    >>> def build(steps):
    ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    ...     model.compile("adam", keras_noisy.MAE(from_logits=True))
    ...     return model
    >>> logits = keras_noisy.cleaning.out_of_fold(build, x, y, folds=3, epochs=1, verbose=0)
    >>> logits.shape
    (60, 3)
    """
    labels, rows = read_labels("y", y)
    check_integer("epochs", epochs, 1)
    check_integer("batch_size", batch_size, 1)
    check_choice("verbose", verbose, (0, 1, 2))
    given = labels if rows is None else rows
    get_batches = x if callable(x) else _batches_of(x, given, batch_size, seed)
    assignment = assign_folds(labels, folds, seed)
    state = _State(folder, labels, folds=folds, epochs=epochs, batch_size=batch_size, seed=seed)
    results: NDArray[np.float32] | None = None
    for fold in range(folds):
        training, held_out = np.flatnonzero(assignment != fold), np.flatnonzero(assignment == fold)
        outputs = state.read(fold)
        if outputs is None:
            if verbose:
                print(
                    f"Fold {fold + 1} of {folds}: training on {len(training):,} samples, "
                    f"to predict {len(held_out):,} others",
                    flush=True,
                )
            keras.utils.set_random_seed(seed + fold)
            model = build(epochs * -(-len(training) // batch_size))
            _train(model, get_batches, training, state.checkpoint(fold), epochs, verbose)
            outputs = _predict(model, get_batches, held_out)
            state.write(fold, outputs)
        if results is None:
            results = np.empty((len(labels), outputs.shape[-1]), np.float32)
        results[held_out] = outputs
    assert results is not None
    return results


def assign_folds(labels: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Returns the fold of each sample; each fold has an equal share of each class."""
    check_integer("folds", folds, 2)
    check_integer("seed", seed, 0)
    if len(labels) < folds:
        raise ValueError(
            f"`folds` must be at most the number of samples. Received: folds={folds}, and "
            f"{len(labels)} samples"
        )
    order = np.lexsort((np.random.default_rng(seed).random(len(labels)), labels))
    assignment = np.empty(len(labels), np.int64)
    assignment[order] = np.arange(len(labels)) % folds
    return assignment


def _batches_of(
    x: Any, y: NDArray[Any], batch_size: int, seed: int
) -> Callable[[NDArray[np.int64], bool, int], Any]:
    """Returns a function that returns batches of arrays."""
    inputs = read_inputs("x", x)
    if count_samples(inputs) != len(y):
        raise ValueError(
            "`x` must have a sample for each label, or be a function that returns batches. "
            f"Received: {count_samples(inputs)} samples, and {len(y)} labels"
        )

    def get_batches(rows: NDArray[np.int64], is_training: bool, first_epoch: int) -> Any:
        return ShuffledBatches(
            take_samples(inputs, rows),
            y[rows],
            batch_size,
            seed,
            shuffle=is_training,
            first_epoch=first_epoch,
        )

    return get_batches


def _train(
    model: keras.Model,
    get_batches: Callable[[NDArray[np.int64], bool, int], Any],
    rows: NDArray[np.int64],
    checkpoint: Checkpoint | None,
    epochs: int,
    verbose: int,
) -> None:
    done = checkpoint.restore(model) if checkpoint else 0
    if done == epochs:
        return
    batches = get_batches(rows, True, done)
    model.fit(
        getattr(batches, "dataset", batches),
        epochs=epochs,
        initial_epoch=done,
        shuffle=False,  # the batches are shuffled already
        callbacks=[checkpoint] if checkpoint else [],
        verbose=verbose,
    )


def _predict(
    model: keras.Model,
    get_batches: Callable[[NDArray[np.int64], bool, int], Any],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    batches = get_batches(rows, False, 0)
    outputs = model.predict(getattr(batches, "dataset", batches), verbose=0)
    shape = np.shape(outputs)
    if len(shape) != 2 or shape[0] != len(rows):
        raise ValueError(
            "`x` and `build` must give one row of outputs (K,) for each sample. Received: outputs "
            f"of shape {shape} for {len(rows)} samples"
        )
    if not np.isfinite(outputs).all():
        raise ValueError(
            "The outputs of the network that `build` returns must be finite. Received: NaN or "
            "infinity after the training; a smaller learning rate may help. "
            "keras_noisy.explain(model, batches) tells the cause"
        )
    return np.asarray(outputs, np.float32)


class _State:
    """The state of a call in its folder; without a folder, nothing is saved."""

    def __init__(
        self, folder: str | os.PathLike | None, labels: NDArray[Any], **settings: Any
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        digest = hashlib.blake2b(labels.astype(np.int64).tobytes(), digest_size=16).hexdigest()
        settings = {"samples": len(labels), "labels": digest, **settings}
        if other := find_other_settings(self.folder / "settings.json", settings):
            raise ValueError(
                "`folder` must be that of a call with the same labels and settings, or a new one. "
                f"Received: folder={os.fspath(self.folder)!r}, with other {', '.join(other)}; "
                "delete it to begin again"
            )

    def checkpoint(self, fold: int) -> Checkpoint | None:
        return None if self.folder is None else Checkpoint(self.folder / f"fold-{fold}")

    def read(self, fold: int) -> NDArray[np.float32] | None:
        """Returns the predictions of a fold that is done."""
        if self.folder is None or not (path := self._path(fold)).exists():
            return None
        return np.load(path)

    def write(self, fold: int, outputs: NDArray[np.float32]) -> None:
        """Saves the predictions of a fold, and removes the state of its training."""
        if self.folder is None:
            return
        with open_atomically(self._path(fold)) as file:
            np.save(file, outputs)
        shutil.rmtree(self.folder / f"fold-{fold}", ignore_errors=True)

    def _path(self, fold: int) -> Path:
        assert self.folder is not None
        return self.folder / f"fold-{fold}.npy"
