"""The Kaggle notebooks and the wheel.

The notebooks agree with their scripts and run on files of the real formats.
"""

import csv
import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import keras_noisy

sys.path.append(str(Path(__file__).parent / "datasets"))
from pictures import encode, photograph

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
KAGGLE = ROOT / "recipes" / "kaggle"
KERNELS = ["image_folder", "mini_webvision", "noisy_cifar100"]
PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build", KAGGLE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_python(python, *arguments, **variables):
    return subprocess.run(
        [python, *map(str, arguments)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def upload(build, tmp_path_factory):
    """The folder to upload, with the wheels."""
    folder = tmp_path_factory.mktemp("kaggle")
    found = run_python(
        sys.executable, *PIP, "download", "--no-deps", "-d", folder / "x", "hatchling"
    )
    if found.returncode != 0:
        pytest.skip("no package registry is reachable, which building a wheel needs")
    build.main(["--user", "somebody", "--out", str(folder / "out"), "--with-keras"])
    return folder / "out"


# Scripts, notebooks and metadata


@pytest.mark.backend_free
def test_notebooks_agree_with_their_scripts(build):
    build.main(["--check"])


@pytest.mark.backend_free
def test_an_outdated_notebook_is_named_and_rebuilt(build, tmp_path, monkeypatch):
    kernel = shutil.copytree(KAGGLE / "noisy_cifar100", tmp_path / "noisy_cifar100")
    monkeypatch.setattr(build, "KERNELS", [kernel])
    with open(kernel / "noisy_cifar100.py", "a") as script:
        script.write("\n# %%\nprint(1)\n")
    with pytest.raises(
        SystemExit, match=r"noisy_cifar100\.ipynb does not match noisy_cifar100\.py"
    ):
        build.main(["--check"])
    build.main([])
    build.main(["--check"])
    notebook = nbformat.read(kernel / "noisy_cifar100.ipynb", as_version=4)
    assert notebook.cells[-1].source == "print(1)"


@pytest.mark.backend_free
@pytest.mark.parametrize("name", KERNELS)
def test_notebooks_are_valid_and_without_outputs(name):
    notebook = nbformat.read(KAGGLE / name / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    title = json.loads((KAGGLE / name / "kernel-metadata.json").read_text())["title"]
    start = rf"# {title}\n\n\*\*Author:\*\* .+<br>\n\*\*Date created:\*\* 20\d\d/\d\d/\d\d<br>\n"
    end = r"\*\*Description:\*\* .+<br>\n\*\*Accelerator:\*\* GPU\n\n"
    assert re.match(start + end, notebook.cells[0].source)
    setup = code[0].source
    assert setup.index('os.environ["KERAS_BACKEND"]') < setup.index("%pip install")
    assert "import keras" not in setup


@pytest.mark.backend_free
@pytest.mark.parametrize("name", KERNELS)
def test_metadata(name):
    """The metadata have all that `kaggle kernels push` needs, and all data of the script."""
    metadata = json.loads((KAGGLE / name / "kernel-metadata.json").read_text())
    owner, slug = metadata["id"].split("/")
    assert owner == "INSERT_KAGGLE_USERNAME"
    assert slug == re.sub(r"[^a-z0-9]+", "-", metadata["title"].lower())
    assert 5 <= len(metadata["title"]) <= 50
    assert (KAGGLE / name / metadata["code_file"]).is_file()
    fixed = {
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "kernel_sources": [],
        "model_sources": [],
    }
    assert {key: metadata[key] for key in fixed} == fixed
    others = {"id", "title", "code_file", "dataset_sources", "competition_sources"}
    assert metadata.keys() == fixed.keys() | others
    sources = metadata["dataset_sources"]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+", source) for source in sources)
    attached = {source.split("/")[1] for source in sources} | {*metadata["competition_sources"]}
    script = (KAGGLE / name / f"{name}.py").read_text()
    assert attached == {*re.findall(r'attached\("(.+?)"\)', script), "keras-noisy-wheel"}


# The folder to upload


@pytest.mark.backend_free
def test_folder_to_upload(upload):
    assert {path.name for path in upload.iterdir()} == {*KERNELS, "wheel"}
    for name in KERNELS:
        notebook = f"{name}.ipynb"
        assert {path.name for path in (upload / name).iterdir()} == {
            notebook,
            "kernel-metadata.json",
        }
        assert (upload / name / notebook).read_text() == (KAGGLE / name / notebook).read_text()
        metadata = json.loads((upload / name / "kernel-metadata.json").read_text())
        assert metadata["id"].startswith("somebody/")
        assert "somebody/keras-noisy-wheel" in metadata["dataset_sources"]
    metadata = json.loads((upload / "wheel" / "dataset-metadata.json").read_text())
    licenses = [{"name": "apache-2.0"}]
    expected = {"id": "somebody/keras-noisy-wheel", "title": "keras-noisy wheel"}
    assert metadata == {**expected, "licenses": licenses}
    wheels = sorted(path.name.split("-")[0] for path in (upload / "wheel").glob("*.whl"))
    assert wheels == ["keras", "keras_noisy"]


@pytest.mark.backend_free
def test_wheel_with_an_older_keras(upload, tmp_path):
    """The wheel is installed without the internet, as on Kaggle."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(pin for pin in pins if not pin.startswith("keras==")))
    older = run_python(python, *PIP, "install", "-c", constraints, "keras==3.8.0", "jax")
    assert older.returncode == 0, older.stderr

    ours = tmp_path / "ours"
    ours.mkdir()
    shutil.copy(next((upload / "wheel").glob("keras_noisy-*.whl")), ours)
    offline = [*PIP, "install", "--no-index", "--find-links"]
    refused = run_python(python, *offline, ours, "keras-noisy")
    assert refused.returncode != 0
    assert "keras>=3.15" in refused.stderr
    installed = run_python(python, *offline, upload / "wheel", "keras-noisy")
    assert installed.returncode == 0, installed.stderr

    program = """
import keras, keras_noisy, numpy
loss = keras_noisy.MAE(logit_bias="auto", from_logits=True)
print(keras.__version__, keras_noisy.__version__, loss(numpy.array([3]), numpy.zeros((1, 100))))
"""
    result = run_python(python, "-W", "error", "-c", program, KERAS_BACKEND="jax")
    assert result.returncode == 0, result.stderr
    keras_version, version, loss = result.stdout.split()
    assert f"keras=={keras_version}" in pins
    assert version == keras_noisy.__version__
    factor = np.exp(keras_noisy.calibration.logit_bias(100))
    assert float(loss) == pytest.approx(2 * (1 - factor / (factor + 99)), rel=1e-6)


# Files of the real formats


def write_cifar100(folder):
    """Writes the official pickles: rows of 1,024 red, green and blue values."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, n in (("train", 120), ("test", 40)):
        content = {
            b"filenames": [b"image.png"] * n,
            b"batch_label": b"batch",
            b"fine_labels": [i % 100 for i in range(n)],
            b"coarse_labels": [i % 20 for i in range(n)],
            b"data": random.integers(0, 256, (n, 3072), "uint8"),
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    names = {b"fine_label_names": [b"a_class_%d" % i for i in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))


def write_image_folder(folder, num_classes=12, n=120):
    """Writes a folder like Cassava's, with a damaged image and an image that is listed twice."""
    (folder / "train_images").mkdir(parents=True)
    samples = [(f"{100 + i}.jpg", i % num_classes) for i in range(n)]
    for i, (name, _) in enumerate(samples):
        content = encode(photograph(i, height=60, width=80))
        (folder / "train_images" / name).write_bytes(content[:100] if i == 3 else content)
    with open(folder / "train.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("image_id", "label "), *samples, samples[0], ("9.jpg", " ")])
    names = {str(i): f"Cassava Disease {i}" for i in range(num_classes)}
    (folder / "label_num_to_disease_map.json").write_text(json.dumps(names))


def write_mini_webvision(folder, n=130):
    """Writes a folder in the layout of WebVision."""
    (folder / "info").mkdir(parents=True)
    for file_list, start, root in (
        ("train_filelist_google", "google/q0001/", folder),
        ("val_filelist", "", folder / "val_images_256"),
    ):
        lines = [f"{start}{i:05}.jpg {7 * i % 60}" for i in range(n)]
        (folder / "info" / f"{file_list}.txt").write_text("\n".join(lines))
        for i, line in enumerate(lines):
            path = root / line.split()[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(photograph(i)))
    synsets = "".join(f"n{i:08} class {i}, or category {i}\n" for i in range(1000))
    (folder / "info" / "synsets.txt").write_text(synsets)


# The notebooks


@pytest.fixture(scope="module")
def installed(request, tmp_path_factory):
    """The folder into which the wheel is installed.

    None without a package registry; the notebooks then use the checkout.
    """
    try:
        upload = request.getfixturevalue("upload")
    except pytest.skip.Exception:
        return None
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-index", "--no-deps", "--find-links", upload / "wheel", "--target", folder]
    result = run_python(sys.executable, *PIP, "install", *options, "keras-noisy")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def execute(installed, tmp_path):
    """Runs a notebook in a folder, as Kaggle does; returns its text and the number of pictures."""

    def execute(name, folder):
        variables = {
            "KAGGLE_INPUT": str(tmp_path / "input"),
            "KERAS_NOISY_QUICK": "1",
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "CUDA_VISIBLE_DEVICES": "",
            # Installs nothing into the environment of the tests.
            "PIP_DRY_RUN": "1",
        }
        if installed is not None:
            variables["PYTHONPATH"] = str(installed)
        notebook = nbformat.read(KAGGLE / name / f"{name}.ipynb", as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell("print(keras_noisy.__file__)"))
        client = nbclient.NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
        )
        environment = {**os.environ, **variables}
        environment.pop("MPLBACKEND", None)
        client.execute(env=environment)
        outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
        text = "".join(out.text for out in outputs if out.output_type == "stream")
        assert str(installed or ROOT) in text.splitlines()[-1]
        return text, sum("image/png" in out.get("data", {}) for out in outputs)

    return execute


@pytest.mark.tensorflow
def test_noisy_cifar100_runs(execute, tmp_path):
    write_cifar100(tmp_path / "input" / "cifar100")
    text, pictures = execute("noisy_cifar100", tmp_path)
    assert "120 labels of 100 classes" in text
    assert "will learn" in text
    assert len(re.findall(r"test accuracy +[\d.]+%, wrong labels memorised", text)) == 3
    assert pictures == 4


@pytest.mark.tensorflow
def test_image_folder_runs(execute, tmp_path):
    write_image_folder(tmp_path / "input/competitions/cassava-leaf-disease-classification")
    text, pictures = execute("image_folder", tmp_path)
    assert "108 images of 12 classes, 12 held out" in text
    assert "Cassava Disease 11" in text
    assert pictures == 4
    with open(tmp_path / "suspicious.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} of 119 labels look wrong" in text
    doubts = [float(row["doubt"]) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    for row in rows:
        label = (int(row["image_id"].removesuffix(".jpg")) - 100) % 12
        assert row["label"] == str(label) != row["looks_like"]
    assert "103.jpg" not in {row["image_id"] for row in rows}


@pytest.mark.tensorflow
def test_mini_webvision_runs(execute, tmp_path):
    write_mini_webvision(tmp_path / "input/datasets/somebody/mini-webvision")
    text, pictures = execute("mini_webvision", tmp_path)
    assert "109 images to train with, 109 to validate" in text
    assert len(re.findall(r"validation accuracy [\d.]+%", text)) == 3
    assert pictures == 4


@pytest.mark.tensorflow
def test_missing_data_are_named(execute, tmp_path):
    (tmp_path / "input").mkdir()
    with pytest.raises(
        nbclient.exceptions.CellExecutionError, match=r"There is no cifar100 in .*input"
    ):
        execute("noisy_cifar100", tmp_path)
