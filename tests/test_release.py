"""What is released: the wheel, the source distribution, and the files around them that others read."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import matrix
import pytest

import keras_noisy

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def files(*paths):
    """Those of the repository, and those that are new."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *paths]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("no git repository that says which files are the project's")
    return set(found.stdout.splitlines())


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The wheel and the source distribution."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_is_the_package_and_nothing_else(dist):
    with zipfile.ZipFile(dist[0]) as wheel:
        names = set(wheel.namelist())
    info = f"keras_noisy-{keras_noisy.__version__}.dist-info"
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert names == files("keras_noisy") | {f"{info}/{name}" for name in about}
    assert "keras_noisy/py.typed" in names


def test_the_source_distribution_has_all_that_its_tests_need(dist):
    root = f"keras_noisy-{keras_noisy.__version__}/"
    with tarfile.open(dist[1]) as source:
        names = {member.name.removeprefix(root) for member in source if member.isfile()}
    of_the_repository = files(".ci", ".github")
    assert names == files() - of_the_repository | {"PKG-INFO"}


def test_metadata(dist):
    with zipfile.ZipFile(dist[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == "keras-noisy"
    assert metadata["Version"] == keras_noisy.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert (ROOT / "README.md").read_text() in metadata.get_payload()
    required = {
        re.match(r"[\w-]+", r)[0] for r in metadata.get_all("Requires-Dist") if ";" not in r
    }
    assert required == {"keras", "numpy"}
    python = metadata["Requires-Python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {python}" in metadata.get_all("Classifier")


def test_the_version_stands_in_one_place():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    texts = {path: (ROOT / path).read_text() for path in files("*.py", "*.toml", "*.cff", "*.md")}
    assert [path for path, text in texts.items() if keras_noisy.__version__ in text] == [
        "keras_noisy/__init__.py"
    ]


# The oldest versions


def pins(file):
    lines = (ROOT / file).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_oldest_versions_are_those_that_are_tested():
    """Each lower bound is a pin of constraints-oldest.txt, so that `make test-oldest` tests just it."""
    extras = PROJECT["optional-dependencies"]
    backends = [bound for name in ("tensorflow", "jax", "torch") for bound in extras[name]]
    bounds = dict(bound.split(">=") for bound in [*PROJECT["dependencies"], *backends])
    assert bounds.keys() == {"keras", "numpy", "tensorflow", "jax", "torch"}
    pinned = pins("constraints-oldest.txt")
    for name, bound in bounds.items():
        assert pinned[name] == bound or pinned[name].startswith(f"{bound}."), name


# What others read


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("citation-file-format", "CITATION.cff"),
        ("github-workflows", ".github/workflows/ci.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        *(
            ("github-issue-forms", f".github/ISSUE_TEMPLATE/{name}.yml")
            for name in ("bug", "loss", "training")
        ),
    ],
    ids=lambda value: Path(value).stem,
)
def test_files_for_others_have_their_format(schema, path):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    checked = subprocess.run(
        [*command, "--default-filetype", "yaml", ROOT / path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_workflow_calls_what_there_is():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    commands = [
        (job.get("strategy", {}).get("matrix", {}), step["run"])
        for job in jobs.values()
        for step in job["steps"]
        if "run" in step
    ]
    assert len(commands) >= len(jobs)
    makefile = (ROOT / "Makefile").read_text()
    known = {row.name for row in [*matrix.ROWS, *matrix.OTHER_VERSIONS]}
    for options, command in commands:
        program, target, *_ = command.split()
        if (program, target) == ("git", "diff"):
            continue
        assert program == "make", command
        assert re.search(rf"^{target}:", makefile, re.M), f"no such target: {target}"
        for name in re.findall(r"(\w+)=", command):
            assert re.search(rf"\$\({name}\)|\b{name}\b", makefile), name
        if "ARGS=" in command:
            prefix = re.search(r"ARGS=([\w-]*)", command)[1]
            assert {prefix + row for row in options["row"]} <= known


def test_every_row_of_the_tests_runs_on_github():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["row"] == [row.name for row in matrix.ROWS]
