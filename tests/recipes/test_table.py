"""A table of trainings: what it runs, what it keeps, and what it writes of it."""

import contextlib
import csv
import io
import json
import os
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

import table
from filelock import FileLock

from keras_noisy.losses import LOSSES

GRIDS = Path(table.__file__).parent / "grids"
SMALL = {
    "protocols": ["glyphs_10"],
    "losses": {"CE": {"name": "ce", "logit_bias": None}, "MAE": {"name": "mae"}},
    "noises": {
        "none": {"model": "none", "rate": 0.0},
        "symmetric 0.4": {"model": "symmetric", "rate": 0.4},
    },
    "seeds": [0, 1],
    "settings": ["--epochs=1", "--data.images=4"],
    "workers": 2,
}


def write(folder, **changes):
    """The argument that names a YAML file of the small grid, changed; results are in the folder."""
    content = {**SMALL, "results": str(folder / "results"), **changes}
    (folder / "grid.yaml").write_text(yaml.safe_dump(content))
    return f"--config={folder / 'grid.yaml'}"


def cells_of(text):
    """From protocol, loss and noise to what a Markdown table has for it."""
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


def expected_cell(shares):
    mean = f"{100 * np.mean(shares):.1f}"
    error = 100 * np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else None
    return mean if error is None else f"{mean} ± {error:.1f}"


# Trainings


def done_in(results):
    return {path.parent: path.read_bytes() for path in results.rglob("results.json")}


def start(grid):
    """table.py in a process of its own, whose workers hold its pipe."""
    return subprocess.Popen(
        [sys.executable, table.__file__, grid],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def seconds_to_end(process):
    """How long it takes until no process of it is there any more."""
    begin = time.perf_counter()
    process.communicate(timeout=60)
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The small grid, killed at its first result, and begun again; three of its cells can't be trained."""
    folder = tmp_path_factory.mktemp("table")
    results, grid = folder / "results", write(folder)
    damaged, other, locked = (
        results / "glyphs_10" / cell
        for cell in ("none/MAE/seed_0", "symmetric_0.4/CE/seed_1", "symmetric_0.4/MAE/seed_0")
    )
    for path, text in ((damaged, "epochs: ["), (other, "epochs: 7\n")):
        path.mkdir(parents=True)
        (path / "configuration.yaml").write_text(text)
    locked.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, FileLock(locked / "lock"):
        for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
            if name in os.environ:  # `run` sets what is not there
                patch.setenv(name, os.environ[name])
            else:
                patch.delenv(name, raising=False)
        process = start(grid)
        wait_until(lambda: done_in(results), process)
        process.kill()
        seconds = seconds_to_end(process)
        before = done_in(results)
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = table.main([grid])
    return SimpleNamespace(
        folder=folder,
        results=results,
        failing={"damaged": damaged, "other": other, "locked": locked},
        seconds=seconds,
        before=before,
        after=done_in(results),
        code=code,
        output=output.getvalue(),
        errors=errors.getvalue(),
        text=(results / "table.md").read_text(),
        csv=(results / "table.csv").read_text(),
    )


def test_killed_leaves_no_worker_and_loses_nothing(trained):
    assert trained.seconds < 10
    assert 1 <= len(trained.before) < 5
    assert trained.before.items() <= trained.after.items()
    assert f"8 trainings, {len(trained.before)} of them done\n" in trained.output


def test_what_fails_is_said_and_all_others_are_done(trained):
    assert trained.code == 1
    assert len(trained.after) == 5
    assert trained.after.keys().isdisjoint(trained.failing.values())
    lines = trained.errors.splitlines()
    said = [line for line in lines if line.startswith("table.py: error: ")]
    assert len(said) == 3
    for cell, reason in (
        ("none, MAE, seed 0", "while parsing"),
        ("symmetric 0.4, CE, seed 1", "has a training with other settings, epochs 7 (now 1), "),
        ("symmetric 0.4, MAE, seed 0", "another process trains in "),
    ):
        (line,) = (line for line in said if line[17:].startswith(f"glyphs_10, {cell}: "))
        assert reason in line
    ends = re.findall(r"^\[(\d)/(\d)\] ", trained.output, re.M)
    waiting = 8 - len(trained.before)
    assert ends == [(str(n), str(waiting)) for n in range(1, waiting + 1)]


def test_the_table_is_of_the_records(trained):
    records = {folder: json.loads(content) for folder, content in trained.after.items()}
    cells = cells_of(trained.text)
    assert len(cells) == 4
    for (protocol, loss, noise), cell in cells.items():
        folder = trained.results / protocol / noise.replace(" ", "_") / loss
        shares = [records[path]["test_accuracy"] for path in sorted(folder.iterdir()) if path in records]
        assert cell.strip("*") == expected_cell(shares)
    assert " ± " in cells["glyphs_10", "CE", "none"]
    rows = list(csv.DictReader(io.StringIO(trained.csv)))
    assert len(rows) == 5
    for row in rows:
        folder = trained.results / row["protocol"] / row["noise"].replace(" ", "_")
        record = records[folder / row["loss"] / f"seed_{row['seed']}"]
        for name in table.COLUMNS:
            assert row[name] == ("" if record.get(name) is None else str(record[name]))
    assert (trained.results / "glyphs_10.png").read_bytes().startswith(b"\x89PNG")
    assert not list(trained.folder.rglob("*.tmp"))


def refuse(*_):
    raise AssertionError


def test_what_is_done_is_not_done_again(trained, monkeypatch, capsys):
    monkeypatch.setattr(table, "ProcessPoolExecutor", refuse)
    noises = {"none": SMALL["noises"]["none"]}
    grid = write(trained.folder, seeds=[1], noises=noises)
    assert table.main([grid]) == 0
    output = capsys.readouterr().out
    assert output.startswith("2 trainings, 2 of them done\n")
    assert done_in(trained.results) == trained.after
    text = (trained.results / "table.md").read_text()
    assert text in output
    assert cells_of(text).keys() == {("glyphs_10", loss, "none") for loss in ("CE", "MAE")}


def test_trainings_with_other_settings_are_not_taken_for_these(trained, capsys):
    grid = write(trained.folder, settings=["--epochs=2", "--data.images=4"])
    assert table.main([grid, "--dry_run=true"]) == 0
    assert capsys.readouterr().out.startswith("8 trainings, 0 of them done\n")


@pytest.mark.backend_free
def test_an_interrupt_ends_the_trainings(tmp_path):
    process = start(write(tmp_path, settings=["--epochs=100000", "--data.images=4"]))
    wait_until(lambda: len(list(tmp_path.rglob("log.csv"))) == 2, process)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C
    assert seconds_to_end(process) < 10
    assert process.returncode != 0
    assert len(list(tmp_path.rglob("log.csv"))) == 2


# Without training


def fake(grid, shares):
    """Leaves records of trainings that were never made, with these test accuracies."""
    parser = table.Parser.of(table.Grid, "table.py", None)
    read = parser.read([grid])
    for cell, share in zip(table.cells_of(read), shares, strict=True):
        if share is not None:
            configuration = table.configuration_of(read, cell)
            folder = Path(configuration.results)
            folder.mkdir(parents=True)
            record = {"test_accuracy": share, "configuration": configuration.decides()}
            (folder / "results.json").write_text(json.dumps(record))
    return read, {cell: table.configuration_of(read, cell) for cell in table.cells_of(read)}


@pytest.mark.backend_free
def test_table_with_published_figures_and_blanks(tmp_path, capsys):
    noises = {
        name: {"model": "asymmetric", "rate": 0.4} for name in ("asymmetric 0.4", "own")
    } | {"none": {"model": "none"}}
    losses = {name: {"name": "ce"} for name in ("CE", "MAE", "SCE", "own")}
    grid = write(
        tmp_path, protocols=["cifar10", "glyphs_10"], losses=losses, noises=noises | {"none": noises["none"]},
        seeds=[0, 1, 2], settings=[],
    ) if False else write(
        tmp_path, protocols=["cifar10"], losses=losses, noises=noises, seeds=[0, 1, 2], settings=[]
    )
    by_seed = [
        # asymmetric 0.4:         own:                    none:
        [0.75, 0.10, 0.90, 0.91, 0.1, 0.2, 0.3, None, None, None, None, None],
        [0.80, 0.20, None, 0.89, 0.1, 0.4, 0.3, None, None, None, None, None],
        [0.70, 0.60, None, None, 0.1, 0.3, 0.3, None, None, None, None, None],
    ]
    read, cells = fake(grid, sum(by_seed, []))
    table.report(read, cells)
    text = (tmp_path / "results" / "table.md").read_text()
    assert cells_of(text) == {
        ("cifar10", "CE", "asymmetric 0.4"): "75.0 ± 2.9 (75.28)",
        ("cifar10", "MAE", "asymmetric 0.4"): "30.0 ± 15.3",
        ("cifar10", "SCE", "asymmetric 0.4"): "**90.0** (74.99)",
        ("cifar10", "own", "asymmetric 0.4"): "**90.0 ± 1.0**",
        ("cifar10", "CE", "own"): "10.0 ± 0.0",
        ("cifar10", "MAE", "own"): "**30.0 ± 5.8**",
        ("cifar10", "SCE", "own"): "30.0 ± 0.0",
        ("cifar10", "own", "own"): "",
        ("cifar10", "CE", "none"): "(90.50)",
        ("cifar10", "MAE", "none"): "",
        ("cifar10", "SCE", "none"): "(91.30)",
        ("cifar10", "own", "none"): "",
    }
