"""Runs the command `keras-noisy` as `python -m keras_noisy`."""

from keras_noisy.cli import main

if __name__ == "__main__":
    main()
