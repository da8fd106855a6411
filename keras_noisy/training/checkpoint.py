import os
import re
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_noisy.training.devices import this_process_alone

_NAME = "epoch-{:05}.weights.h5"
_DRAFT = "draft.weights.h5"  # as Keras wants names to end
_SEEDS = "keras_noisy_seeds"  # in that file, where Keras looks for nothing


class Checkpoint(keras.callbacks.Callback):
    """Saves a training after each epoch, so that it can continue whenever it was killed.

    One file has the weights of the model, among them the step of a `keras_noisy.LogitBias`, what dropout and
    other random layers draw next, the state of the optimizer, and, in its name, the number of epochs that are
    done. It appears whole or not at all, and only then the previous one is removed: whenever the process dies,
    the folder holds a complete state.
    (`keras.callbacks.BackupAndRestore` writes weights and epoch one after the other, and in place.)

    A training that continues ends where an uninterrupted one ends, if its data depend only on the epoch:
    pass the epoch to the data too, as below.

    Args:
        folder: Folder of the states; it is made when the first one is saved.
        save: Whether to save; of several processes that train together, the first one does. All of
            them restore. Defaults to `True`.

    Raises:
        ValueError: If `restore` is given a model that is not built, or not the one that was saved.

    Example:

    >>> import tempfile
    >>> import keras
    >>> from keras_noisy.datasets import ShuffledBatches, glyphs
    >>> (x, y), _ = glyphs.load_data(2, 4, 1, verbose=0)
    >>> def train(folder, epochs):
    ...     model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(2)])
    ...     model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ...     checkpoint = Checkpoint(folder)
    ...     done = checkpoint.restore(model)
    ...     batches = ShuffledBatches(x, y, batch_size=4, first_epoch=done)
    ...     history = model.fit(batches, epochs=epochs, initial_epoch=done, shuffle=False,
    ...                         callbacks=[checkpoint], verbose=0)
    ...     return history.epoch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train(folder, 2), train(folder, 3)  # as if it had been killed after two epochs
    ([0, 1], [2])
    """

    def __init__(self, folder: str | os.PathLike, save: bool = True) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.save = save

    @property
    def epochs(self) -> int:
        """Number of epochs that are done, as the folder has it; 0 if there is nothing."""
        return max(self._states(), default=0)

    def restore(self, model: keras.Model) -> int:
        """Gives a compiled model the latest state, if there is one; returns the epochs that are done."""
        optimizer = getattr(model, "optimizer", None)  # nothing before the first `compile`
        if not model.built or optimizer is None:
            raise ValueError(
                "`model` must be built and compiled. "
                f"Received: {model.name!r} with built={model.built}, optimizer={optimizer}"
            )
        epochs = self.epochs
        if epochs:
            path = self._states()[epochs]
            optimizer.build(model.trainable_variables)
            try:
                with warnings.catch_warnings():
                    # Keras says so and goes on without the optimizer's state.
                    warnings.filterwarnings("error", "Skipping variable loading")
                    model.load_weights(path)
                _load_seeds(path, model)
            except (ValueError, KeyError, UserWarning) as error:
                raise ValueError(f"{path} has not the state of this model: {error}") from error
        return epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.save:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        older = self._states().values()
        draft = self.folder / _DRAFT
        with this_process_alone():
            self.model.save_weights(draft)
            _save_seeds(draft, self.model)
        with draft.open("rb") as file:
            os.fsync(file.fileno())  # whole on the disk before it has its name
        draft.replace(self.folder / _NAME.format(epoch + 1))
        for path in older:
            if path.name != _NAME.format(epoch + 1):
                path.unlink(missing_ok=True)

    def _states(self) -> dict[int, Path]:
        """The saved states by their number of epochs."""
        found = self.folder.glob("epoch-*.weights.h5")
        return {int(re.sub(r"\D", "", path.name.split(".")[0])): path for path in found}


def _seeds(model: keras.Model) -> list[Any]:
    """The states of random layers, which Keras counts among the variables, but not among the weights."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _save_seeds(path: Path, model: keras.Model) -> None:
    with h5py.File(path, "a") as file:
        group = file.create_group(_SEEDS)
        for index, seed in enumerate(_seeds(model)):
            group[str(index)] = keras.ops.convert_to_numpy(seed)


def _load_seeds(path: Path, model: keras.Model) -> None:
    with h5py.File(path) as file:
        for index, seed in enumerate(_seeds(model)):
            seed.assign(file[_SEEDS][str(index)][()])
