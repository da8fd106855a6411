"""`python -m keras_noisy` is the command `keras-noisy`."""

from keras_noisy.cli import main

if __name__ == "__main__":
    main()
