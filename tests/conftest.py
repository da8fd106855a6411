"""Sets up the environment of all tests and skips tests of other backends."""

import atexit
import os
import shutil
import tempfile
import zlib

# Tests must not read the user's keras.json or cached data sets.
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="keras-noisy-tests-")
atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
if os.environ.get("KERAS_BACKEND") == "torch":
    # Each worker has one core; more threads would wait for one another, in subprocesses as well.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch  # must come before TensorFlow, or the process crashes

    torch.set_num_threads(1)

import hypothesis
import keras
import pytest

# Without a deadline, because first calls compile; derandomized, so that failures repeat.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("default")

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # Tests of tf.distribute need two devices, which must be set up before TensorFlow is used.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def pytest_addoption(parser):
    parser.addoption(
        "--share",
        metavar="I/N",
        help="runs the I-th of N parts of the tests that are marked as shared, counted from 0",
    )


def pytest_collection_modifyitems(config, items):
    if share := config.getoption("--share"):
        index, count = map(int, share.split("/"))
        left_out = [
            item
            for item in items
            if item.get_closest_marker("shared")
            and zlib.crc32(item.nodeid.encode()) % count != index
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if item.get_closest_marker("tensorflow") and keras.backend.backend() != "tensorflow":
            item.add_marker(pytest.mark.skip(reason="tests the TensorFlow backend"))


@pytest.fixture(autouse=True)
def reset_keras():
    """Gives every test the same seed, float type and precision."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def browser():
    """Returns a browser without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()
