"""`recipes/table.py`: which trainings run, which are kept, and the tables that are written."""

import contextlib
import csv
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip("jsonargparse")
pytest.importorskip("matplotlib")

import processes
import table
from filelock import FileLock

from keras_noisy.losses import LOSSES

GRIDS = Path(table.__file__).parent / "grids"
PUBLISHED = GRIDS / "published.yaml"
SMALL = {
    "protocols": ["glyphs_10"],
    "losses": {
        "CE": {"name": "ce", "logit_bias": None},
        "own": {"name": "own_losses:PowerError", "arguments": {"power": 1.0}},
    },
    "noises": {
        "none": {"model": "none", "rate": 0.0},
        "symmetric 0.4": {"model": "symmetric", "rate": 0.4},
    },
    "seeds": [0, 1],
    "settings": ["--epochs=1", "--data.images=4", "--network={name: mlp1024, arguments: {}}"],
    "workers": 2,
}
# Otherwise PyTorch's threads of all workers compete for the processors.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def working_folder(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)  # has the module own_losses


def write(folder, **changes):
    """Writes the small grid with changes as a YAML file; returns the argument that names it."""
    content = {**SMALL, "results": str(folder / "results"), **changes}
    (folder / "grid.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return f"--config={folder / 'grid.yaml'}"


def read_cells(text):
    """Reads Markdown tables: the text of each cell, by protocol, loss and noise."""
    found = {}
    for section in text.split("## ")[1:]:
        lines = [line[2:-2].split(" | ") for line in section.splitlines() if line.startswith("|")]
        protocol, (_, *noises), _, *rows = section.splitlines()[0], *lines
        for loss, *cells in rows:
            found |= {
                (protocol, loss, noise): cell.strip()
                for noise, cell in zip(noises, cells, strict=True)
            }
    return found


def format_cell(shares):
    mean = f"{100 * np.mean(shares):.1f}"
    error = 100 * np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else None
    return mean if error is None else f"{mean} ± {error:.1f}"


# Trainings


def read_results(results):
    return {path.parent: path.read_bytes() for path in results.rglob("results.json")}


@contextlib.contextmanager
def start(grid):
    """Runs table.py in a separate process; its workers hold the same pipe."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    options |= {"env": {**os.environ, **ONE_THREAD}, "start_new_session": True}
    with subprocess.Popen([sys.executable, table.__file__, grid], **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):  # processes that a failed test leaves
                os.killpg(process.pid, signal.SIGKILL)


def wait_until(condition, process):
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def seconds_to_end(process):
    """Waits for a process and its workers to end; returns the seconds that this took."""
    begin = time.perf_counter()
    process.communicate(timeout=60)
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The small grid after `train_small`, which runs in one process of pytest-xdist for all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder, done = folder / "trained", folder / "trained.pickle"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            folder.mkdir()
            done.write_bytes(pickle.dumps(train_small(folder)))
    return pickle.loads(done.read_bytes())


def train_small(folder):
    """Trains the small grid, kills it at its first result and starts it again.

    Three of its cells can't be trained.
    """
    results, grid = folder / "results", write(folder)
    damaged, other, locked = (
        results / "glyphs_10" / cell
        for cell in ("none/own/seed_0", "symmetric_0.4/CE/seed_1", "symmetric_0.4/own/seed_0")
    )
    for path, text in ((damaged, "epochs: ["), (other, "epochs: 7\n")):
        path.mkdir(parents=True)
        (path / "configuration.yaml").write_text(text)
        (path / "log.csv").touch()  # as if the training had begun
    locked.mkdir(parents=True)
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, FileLock(locked / "lock"):
        patch.chdir(Path(__file__).parent)
        for name, value in ONE_THREAD.items():
            patch.setenv(name, value)
        for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
            if name not in os.environ:  # `run_in_processes` sets it then
                patch.setenv(name, "")
                patch.delenv(name)
        with start(grid) as process:
            wait_until(lambda: read_results(results), process)
            process.kill()
            seconds = seconds_to_end(process)
        before = read_results(results)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = table.main([grid])
    return SimpleNamespace(
        folder=folder,
        results=results,
        failing=[damaged, other, locked],
        seconds=seconds,
        before=before,
        after=read_results(results),
        code=code,
        output=output.getvalue(),
        errors=errors.getvalue(),
        text=(results / "table.md").read_text(),
        csv=(results / "table.csv").read_text(),
        picture=(results / "glyphs_10.png").read_bytes(),
    )


@pytest.mark.backend_free  # one backend is enough
def test_killing_leaves_no_worker_and_keeps_all_results(trained):
    assert trained.seconds < 10
    assert 1 <= len(trained.before) < 5
    assert trained.before.items() <= trained.after.items()
    assert f"8 trainings, {len(trained.before)} of them done\n" in trained.output


@pytest.mark.backend_free  # one backend is enough
def test_failures_are_reported_and_all_others_are_done(trained):
    assert trained.code == 1
    assert len(trained.after) == 5
    assert trained.after.keys().isdisjoint(trained.failing)
    lines = trained.errors.splitlines()
    errors = [line for line in lines if line.startswith("table.py: error: ")]
    assert len(errors) == 3
    for cell, reason in (
        ("none, own, seed 0", "while parsing"),
        ("symmetric 0.4, CE, seed 1", "has a training with other settings, epochs 7 (now 1), "),
        ("symmetric 0.4, own, seed 0", "another process trains in "),
    ):
        (line,) = (line for line in errors if line[17:].startswith(f"glyphs_10, {cell}: "))
        assert reason in line
    ends = re.findall(r"^\[(\d)/(\d)\] ", trained.output, re.M)
    waiting = 8 - len(trained.before)
    assert ends == [(str(n), str(waiting)) for n in range(1, waiting + 1)]


@pytest.mark.backend_free  # one backend is enough
def test_the_table_agrees_with_the_records(trained):
    records = {folder: json.loads(content) for folder, content in trained.after.items()}
    cells = read_cells(trained.text)
    assert len(cells) == 4
    for (protocol, loss, noise), cell in cells.items():
        folder = trained.results / protocol / noise.replace(" ", "_") / loss
        shares = [
            records[path]["test_accuracy"] for path in sorted(folder.iterdir()) if path in records
        ]
        assert cell.strip("*") == format_cell(shares)
    assert " ± " in cells["glyphs_10", "CE", "none"]
    rows = list(csv.DictReader(io.StringIO(trained.csv)))
    assert len(rows) == 5
    for row in rows:
        folder = trained.results / row["protocol"] / row["noise"].replace(" ", "_")
        record = records[folder / row["loss"] / f"seed_{row['seed']}"]
        for name in table.COLUMNS:
            assert row[name] == ("" if record.get(name) is None else str(record[name]))
    assert trained.picture.startswith(b"\x89PNG")


def refuse(*_):
    raise AssertionError


@pytest.mark.backend_free  # one backend is enough
def test_finished_trainings_are_not_repeated(trained, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(processes, "ProcessPoolExecutor", refuse)
    noises = {"none": SMALL["noises"]["none"]}
    grid = write(tmp_path, seeds=[1], noises=noises, results=str(trained.results))
    assert table.main([grid]) == 0
    output = capsys.readouterr().out
    assert output.startswith("2 trainings, 2 of them done\n")
    assert read_results(trained.results) == trained.after
    text = (trained.results / "table.md").read_text()
    assert text in output
    assert read_cells(text).keys() == {("glyphs_10", loss, "none") for loss in ("CE", "own")}


@pytest.mark.backend_free  # one backend is enough
def test_trainings_with_other_settings_do_not_count(trained, capsys, tmp_path):
    changes = {"settings": [*SMALL["settings"], "--epochs=2"], "results": str(trained.results)}
    grid = write(tmp_path, **changes)
    assert table.main([grid, "--dry_run=true"]) == 0
    assert capsys.readouterr().out.startswith("8 trainings, 0 of them done\n")


@pytest.mark.backend_free
def test_an_interrupt_ends_the_trainings(tmp_path):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("started where Ctrl-C is ignored, as in the background of a shell")
    with start(write(tmp_path, settings=["--epochs=100000", "--data.images=4"])) as process:
        wait_until(lambda: len(list(tmp_path.rglob("log.csv"))) == 2, process)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C
        assert seconds_to_end(process) < 10
        assert process.returncode != 0
    assert len(list(tmp_path.rglob("log.csv"))) == 2


# Without training


def write_records(grid, shares):
    """Writes records as if trainings had run, one for each share of the cells that is not None."""
    read = table.Parser.for_dataclass(table.Grid, "table.py", None).read([grid])
    cells = {cell: table.configure(read, cell) for cell in table.list_cells(read)}
    for (cell, configuration), share in zip(cells.items(), shares, strict=True):
        if share is not None:
            folder = Path(configuration.results)
            folder.mkdir(parents=True)
            record = {"test_accuracy": share, "configuration": configuration.outcome_settings()}
            (folder / "results.json").write_text(json.dumps(record))
            assert cell.folder(read.results) == folder
    return read, cells


@pytest.mark.backend_free
def test_means_errors_blanks_and_published_figures(tmp_path, capsys):
    losses = {name: {"name": "ce"} for name in ("CE", "MAE", "SCE", "own")}
    noises = {
        "asymmetric 0.4": {"model": "asymmetric", "rate": 0.4},
        "own": {"model": "none"},
        "none": {"model": "none"},
    }
    given = {"losses": losses, "noises": noises, "settings": [], "seeds": [0, 1, 2]}
    shares = np.array(
        [  # CE, MAE, SCE, own: asymmetric 0.4; own; none
            [0.75, 0.10, 0.90, 0.91, 0.1, 0.2, 0.3, None, None, None, None, None],
            [0.80, 0.20, None, 0.87, 0.1, 0.5, 0.3, None, None, None, None, None],
            [0.70, 0.60, None, None, 0.1, 0.3, 0.3, None, None, None, None, None],
        ]
    )
    read, cells = write_records(write(tmp_path, protocols=["cifar10"], **given), shares.ravel())
    table.write_report(read, cells)
    text = (tmp_path / "results" / "table.md").read_text()
    found = list(read_cells(text).values())
    expected = [
        format_cell([share for share in column if share is not None])
        if column[0] is not None
        else ""
        for column in shares.T
    ]
    assert expected[:4] == ["75.0 ± 2.9", "30.0 ± 15.3", "90.0", "89.0 ± 2.0"]
    for best in (2, 5):
        expected[best] = f"**{expected[best]}**"
    for cell, figure in ((0, "75.28"), (2, "74.99"), (8, "90.50"), (10, "91.30")):
        expected[cell] = f"{expected[cell]} ({figure})".strip()
    assert found == [expected[4 * noise + loss] for loss in range(4) for noise in range(3)]
    assert "In brackets: Wang et al., NeurIPS 2024" in text
    assert text.endswith("over the seeds 0, 1, 2; the best mean of a column in bold.\n")
    assert text in capsys.readouterr().out


@pytest.mark.backend_free
def test_two_protocols_one_without_records(tmp_path):
    losses = {name: {"name": name.lower()} for name in ("CE", "MAE")}
    protocols = ["glyphs_10", "cifar10"]
    shares = [0.1, 0.2, 0.3, 0.4, *[None] * 4] * 2
    read, cells = write_records(write(tmp_path, protocols=protocols, losses=losses), shares)
    table.write_report(read, cells)
    text = (tmp_path / "results" / "table.md").read_text()
    cells = read_cells(text)
    assert [cell for (protocol, *_), cell in cells.items() if protocol == "glyphs_10"] == [
        "10.0 ± 0.0",
        "30.0 ± 0.0",
        "**20.0 ± 0.0**",
        "**40.0 ± 0.0**",
    ]
    assert cells["cifar10", "CE", "symmetric 0.4"] == "(58.46)"
    assert cells["cifar10", "MAE", "none"] == ""
    assert text.count("In brackets: ") == 1
    assert {path.name for path in (tmp_path / "results").glob("*.png")} == {"glyphs_10.png"}


@pytest.mark.backend_free
def test_source_is_named_if_a_published_figure_is_shown():
    published = {"source": "Somebody", "none": {"CE": 3.0}}
    for loss, is_shown in (("CE", True), ("MAE", False)):
        text = table.format_markdown({loss: {"none": [0.5], "40 %": []}}, published)
        assert ("Somebody" in text) is is_shown


@pytest.mark.backend_free
def test_dry_run_lists_the_waiting_trainings(tmp_path, capsys):
    grid = write(tmp_path)
    assert table.main([grid, "--dry_run=true"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "8 trainings, 0 of them done"
    assert lines[:2] == ["glyphs_10, none, CE, seed 0", "glyphs_10, none, own, seed 0"]
    assert [line[-1] for line in lines] == [*"00001111"]  # an early table has all losses
    assert not (tmp_path / "results").exists()
    write_records(grid, [None, 0.5] * 4)
    assert table.main([grid, "--dry_run=true"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "8 trainings, 4 of them done"
    assert all(", CE, " in line for line in lines)
    assert len(lines) == 4


@pytest.mark.backend_free
def test_settings_of_the_grid_take_precedence(tmp_path):
    """They override those of the protocol and of `settings`."""
    settings = ["--loss.name=gce", "--loss.arguments={q: 0.5}", "--noise.rate=0.9", "--epochs=3"]
    loss = {"name": "mae", "logit_bias": "auto"}
    grid = write(tmp_path, losses={"a / b": loss}, settings=settings, seeds=[7])
    _, cells = write_records(grid, [None, None])
    none, symmetric = cells.values()
    assert none.results == f"{tmp_path}/results/glyphs_10/none/a_b/seed_7"
    for found in (none, symmetric):
        assert (found.loss.name, found.loss.arguments) == ("mae", {})
        assert (found.loss.logit_bias, found.epochs, found.seed) == ("auto", 3, 7)
        assert (found.data.classes, found.batch_size, found.progress) == (10, 128, "none")
    assert (none.noise.model, none.noise.rate) == ("none", 0.0)
    assert (symmetric.noise.model, symmetric.noise.rate) == ("symmetric", 0.4)


@pytest.mark.backend_free
def test_workers_take_devices_in_turn_and_end_with_the_table(monkeypatch):
    alive, ended = threading.Event(), threading.Semaphore(0)
    monkeypatch.setattr(
        processes.multiprocessing, "parent_process", lambda: SimpleNamespace(join=alive.wait)
    )
    monkeypatch.setattr(processes.os, "_exit", lambda code: ended.release())
    context = processes.multiprocessing.get_context("spawn")
    shared = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")
    for workers, gpus, visible in ((4, [2, 5], "2525"), (2, [2, 5], "25"), (2, None, "--")):
        counter = context.Value("i", 0)
        found = ""
        for _ in range(workers):
            for name in ("CUDA_VISIBLE_DEVICES", *shared):
                monkeypatch.delenv(name, raising=False)
            processes.initialise_worker(counter, workers, gpus)
            found += os.environ.get("CUDA_VISIBLE_DEVICES", "-")
            is_shared = workers > len(gpus or [0])
            assert [name in os.environ for name in shared] == [is_shared] * 2
        assert found == visible
    assert not ended.acquire(timeout=0.1)
    alive.set()
    for _ in range(4 + 2 + 2):
        assert ended.acquire(timeout=10)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocols": ["glyphs_10", "nope"]}, "Received: ['nope']"),
        ({"protocols": []}, "protocols must have at least one entry"),
        ({"losses": {}}, "losses must have at least one entry"),
        ({"noises": {}}, "noises must have at least one entry"),
        ({"seeds": []}, "seeds must have at least one entry"),
        ({"noises": {str(i): {"model": "none"} for i in range(13)}}, "noises must be at most 12."),
        (
            {"losses": {"my loss": {"name": "gce", "arguments": {"q": 7}}}},
            "losses, my loss: `q` must",
        ),
        ({"losses": {"my loss": {"name": "gce", "arguments": {"p": 7}}}}, "losses, my loss: "),
        ({"losses": {"my loss": {"name": "nope"}}}, "losses, my loss: "),
        ({"losses": {"my loss": {"nam": "ce"}}}, "nam"),
        ({"noises": {"a": {"model": "asymmetric"}}}, "is not defined for"),
        ({"noises": {"a": {"rate": 1.5}}}, "1.5"),
        ({"seeds": [0, -1]}, '"seed"'),
        ({"settings": ["--colour=1"]}, "unrecognized arguments: --colour=1"),
        ({"settings": ["--epochs=0"]}, '"epochs"'),
        ({"workers": 0}, '"workers"'),
        ({"colour": 1}, "colour"),
        ({"results": __file__}, "results must be a folder. Received: "),
    ],
)
def test_bad_grid_gives_one_line(changes, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        table.main([write(tmp_path, **changes)])
    assert exit_.value.code == 2
    output, error = capsys.readouterr()
    assert (output, error.count("\n")) == ("", 1)
    assert ": error: " in error
    assert message in error
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


@pytest.mark.backend_free
def test_a_grid_is_required(capsys):
    with pytest.raises(SystemExit) as exit_:
        table.main([])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "path", sorted(set(GRIDS.glob("*.yaml")) - {PUBLISHED}), ids=lambda path: path.stem
)
def test_grids_are_read(path, tmp_path, capsys):
    more = ["--settings=[--data.folder=/data]"] if "webvision" in path.stem else []
    arguments = [f"--config={path}", *more, f"--results={tmp_path}"]
    read = table.Parser.for_dataclass(table.Grid, "table.py", None).read(arguments)
    cells = list(table.list_cells(read))
    assert len({cell.folder("") for cell in cells}) == len(cells)
    few = [f"--protocols=[{read.protocols[-1]}]", "--seeds=[0]", "--dry_run=true"]
    assert table.main([*arguments, *few]) == 0
    expected = len(cells) // (len(read.protocols) * len(read.seeds))
    assert capsys.readouterr().out.startswith(f"{expected} trainings, 0 of them done\n")
    if path.stem == "leaderboard":
        names = {loss.name for loss in read.losses.values()}
        assert {loss.__name__.lower() for loss in LOSSES} <= names


@pytest.mark.backend_free
def test_published_figures_belong_to_protocols():
    published = yaml.safe_load(PUBLISHED.read_text())
    protocols = {path.stem for path in (GRIDS.parent / "protocols").glob("*.yaml")}
    assert published.keys() <= protocols
    for by_noise in published.values():
        assert isinstance(by_noise.pop("source"), str)
        assert 1 <= len(by_noise) <= 12  # the most noises of a picture
        for figures in by_noise.values():
            assert all(0 < figure < 100 for figure in figures.values())
