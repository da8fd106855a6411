"""The wheel, the source distribution, and files that other programs read."""

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


def list_files(*paths):
    """Lists the files of the repository, including those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *paths]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("needs a git repository, which lists the files of the project")
    return set(found.stdout.splitlines())


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Builds the wheel and the source distribution."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    return wheel, source


def test_wheel_has_only_the_package(dist):
    with zipfile.ZipFile(dist[0]) as wheel:
        names = set(wheel.namelist())
    info = f"keras_noisy-{keras_noisy.__version__}.dist-info"
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert names == list_files("keras_noisy") | {f"{info}/{name}" for name in about}
    assert "keras_noisy/py.typed" in names


def test_source_distribution_has_all_files(dist):
    root = f"keras_noisy-{keras_noisy.__version__}/"
    with tarfile.open(dist[1]) as source:
        names = {member.name.removeprefix(root) for member in source if member.isfile()}
    host_files = list_files(".ci", ".github")
    assert names == list_files() - host_files | {"PKG-INFO"}


def check_description(text):
    """PyPI shows all code and tables of the README, and no links into the repository."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n.*?```|^\|[^\n]*\|$", readme, re.M | re.S)
    assert len(blocks) > 10
    assert [block for block in blocks if block not in text] == []
    assert readme.startswith("# keras-noisy")
    assert text.lstrip().startswith("# keras-noisy")
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    assert 'pip install "keras-noisy[tensorflow' in text
    assert 'pip install ".' not in text
    assert "<picture>" not in text


def test_metadata(dist):
    with zipfile.ZipFile(dist[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == "keras-noisy"
    assert metadata["Version"] == keras_noisy.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    check_description(metadata.get_payload())
    required = {
        re.match(r"[\w-]+", r)[0] for r in metadata.get_all("Requires-Dist") if ";" not in r
    }
    assert required == {"keras", "numpy"}
    python = metadata["Requires-Python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {python}" in metadata.get_all("Classifier")


def test_version_is_stated_once():
    assert PROJECT["dynamic"] == ["readme", "version"]
    assert "version" not in PROJECT
    version = re.compile(rf"(?<![\d.]){re.escape(keras_noisy.__version__)}(?![\d.])")
    paths = list_files("*.py", "*.toml", "*.cff", "*.md") - {"CHANGELOG.md"}
    assert [path for path in paths if version.search((ROOT / path).read_text())] == [
        "keras_noisy/__init__.py"
    ]


def test_changelog_has_the_version():
    version = keras_noisy.__version__
    heading = "Unreleased" if "dev" in version else rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)"
    assert re.search(rf"^## {heading}$", (ROOT / "CHANGELOG.md").read_text(), re.M)


# The oldest versions


def read_pins(file):
    lines = (ROOT / file).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_lower_bounds_are_tested():
    """Each lower bound is pinned in constraints-oldest.txt, which `make test-oldest` installs."""
    extras = PROJECT["optional-dependencies"]
    backends = [bound for name in ("tensorflow", "jax", "torch") for bound in extras[name]]
    bounds = dict(bound.split(">=") for bound in [*PROJECT["dependencies"], *backends])
    assert bounds.keys() == {"keras", "numpy", "tensorflow", "jax", "torch"}
    pinned = read_pins("constraints-oldest.txt")
    for name, bound in bounds.items():
        assert pinned[name] == bound or pinned[name].startswith(f"{bound}."), name


# Files for other programs


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
def test_file_matches_its_schema(schema, path):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    checked = subprocess.run(
        [*command, "--default-filetype", "yaml", ROOT / path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_workflow_calls_existing_targets():
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


def test_workflow_runs_every_row():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["row"] == [row.name for row in matrix.ROWS]
