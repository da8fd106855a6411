"""Runs `recipes/train.py` and kills it by SIGKILL in the given epoch and batch, counted from 0.

killed.py EPOCH BATCH ARGUMENTS…
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))
if os.environ.get("KERAS_BACKEND") == "torch":
    import torch  # must come before TensorFlow, or the process crashes

    torch.set_num_threads(1)

import train


class Killer(train.EpochTimer):
    """Kills the process in the given epoch and batch."""

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (int(sys.argv[1]), int(sys.argv[2])):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    train.EpochTimer = Killer
    train.main(sys.argv[3:])
