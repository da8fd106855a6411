import os
import re
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_noisy.training.devices import without_distribution

_NAME = "epoch-{:05}.weights.h5"
_DRAFT = "draft.weights.h5"  # Keras requires this suffix.
_SEEDS = "keras_noisy_seeds"  # A group of the file that Keras doesn't use.


class Checkpoint(keras.callbacks.Callback):
    """Saves the state of a training after each epoch, so that an interrupted training can continue.

    A single file holds the weights of the model (including the step of a `keras_noisy.LogitBias`),
    the seed states of dropout and other random layers, the state of the optimizer, and, in its
    name, the number of completed epochs. The file is written atomically, and the previous one is
    removed afterwards. The folder therefore holds a complete state whenever the process is killed.
    (`keras.callbacks.BackupAndRestore` overwrites the weights and then the epoch in place.)

    A continued training gives the same result as an uninterrupted one if its data depend only on
    the epoch: pass the epoch to the data, too, as in the example. On PyTorch, give dropout layers a
    `seed`: Keras lets those without one use PyTorch's own random numbers, which are not saved.

    Args:
        folder: Folder of the states. It is created when the first state is saved.
        save: Whether to save. If several processes train together, only the first one should. All
            of them restore. Defaults to `True`.

    Raises:
        ValueError: If `restore` gets a model that is not built, or not the one that was saved.
        OSError: If a state can't be written, for example because the disk is full. The previous one
            is left as it was.

    Example:

    >>> import tempfile
    >>> import keras
    >>> from keras_noisy.datasets import ShuffledBatches, glyphs
    >>> (x, y), _ = glyphs.load_data(2, 4, 1, verbose=0)
    >>> def train(folder, epochs):
    ...     layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(2)]
    ...     model = keras.Sequential(layers)
    ...     model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ...     checkpoint = Checkpoint(folder)
    ...     done = checkpoint.restore(model)
    ...     batches = ShuffledBatches(x, y, batch_size=4, first_epoch=done)
    ...     history = model.fit(batches, epochs=epochs, initial_epoch=done, shuffle=False,
    ...                         callbacks=[checkpoint], verbose=0)
    ...     return history.epoch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train(folder, 2), train(folder, 3)  # Interrupted after two epochs.
    ([0, 1], [2])
    """

    def __init__(self, folder: str | os.PathLike, save: bool = True) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.save = save

    @property
    def epochs(self) -> int:
        """Number of completed epochs of the saved state, 0 if there is none."""
        return max(self._find_states(), default=0)

    def restore(self, model: keras.Model) -> int:
        """Loads the saved state, if there is one, into a compiled model.

        Args:
            model: A model that is built and compiled like the one that was saved.

        Returns:
            The number of completed epochs, 0 if nothing has been saved.

        Raises:
            ValueError: If `model` is not built and compiled, or the saved state is that of another
                model.
        """
        optimizer = getattr(model, "optimizer", None)  # It is missing before the first `compile`.
        if not model.built or optimizer is None:
            raise ValueError(
                "`model` must be built and compiled. "
                f"Received: {model.name!r} with built={model.built}, optimizer={optimizer}"
            )
        epochs = self.epochs
        if epochs:
            path = self._find_states()[epochs]
            optimizer.build(model.trainable_variables)
            try:
                with warnings.catch_warnings():
                    # Keras only warns if it can't load the optimizer's state.
                    warnings.filterwarnings("error", "Skipping variable loading")
                    model.load_weights(path)
                _load_seeds(path, model)
            except (ValueError, KeyError, UserWarning) as error:
                raise ValueError(
                    f"{path} does not hold the state of this model: {error}"
                ) from error
        return epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the state and removes older ones."""
        if not self.save:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        older = self._find_states().values()
        draft = self.folder / _DRAFT
        try:
            with without_distribution():
                self.model.save_weights(draft)
                _save_seeds(draft, self.model)
            with draft.open("rb") as file:
                os.fsync(file.fileno())  # The content must be on the disk before it is renamed.
        except (OSError, RuntimeError) as error:  # HDF5 raises both on a full disk.
            draft.unlink(missing_ok=True)
            raise OSError(f"{draft} can't be written: {error}") from error
        draft.replace(self.folder / _NAME.format(epoch + 1))
        for path in older:
            if path.name != _NAME.format(epoch + 1):
                path.unlink(missing_ok=True)

    def _find_states(self) -> dict[int, Path]:
        """Returns the files of saved states by their number of epochs."""
        found = self.folder.glob("epoch-*.weights.h5")
        return {int(re.sub(r"\D", "", path.name.split(".")[0])): path for path in found}


def _seed_states(model: keras.Model) -> list[Any]:
    """Returns the seed states of random layers, which are variables but not weights in Keras."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _save_seeds(path: Path, model: keras.Model) -> None:
    with h5py.File(path, "a") as file:
        group = file.create_group(_SEEDS)
        for index, seed in enumerate(_seed_states(model)):
            group[str(index)] = keras.ops.convert_to_numpy(seed)


def _load_seeds(path: Path, model: keras.Model) -> None:
    with h5py.File(path) as file:
        for index, seed in enumerate(_seed_states(model)):
            seed.assign(file[_SEEDS][str(index)][()])
