"""Configurations from the command line and YAML files, and the errors for bad ones."""

import dataclasses
import re
import typing
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("jsonargparse")

import train
from configuration import Configuration, Data, Noise, find_problem, read_configuration
from folder import claim_folder
from task import transition_matrix

pytestmark = pytest.mark.backend_free

RECIPES = Path(__file__).parents[2] / "recipes"
PROTOCOLS = sorted((RECIPES / "protocols").glob("*.yaml"))


def configure(*arguments):
    return read_configuration("train.py", None, list(arguments))


def write(path, content):
    path.write_text(yaml.safe_dump(content))
    return f"--config={path}"


def flatten(content, start=""):
    """Flattens nested settings: values by dotted name."""
    found = {}
    for key, value in content.items():
        is_group = isinstance(value, dict) and key != "arguments"
        found |= flatten(value, f"{start}{key}.") if is_group else {f"{start}{key}": value}
    return found


DEFAULTS = flatten(dataclasses.asdict(Configuration()))


# Reading


def test_without_arguments_all_settings_are_default():
    assert configure() == Configuration()


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_protocols_are_read(path):
    written = flatten(yaml.safe_load(path.read_text()))
    needed = {
        "webvision": {"data.folder": "/data"},
        "image_folder": {"data.folder": "/data"},
        "image_list": {
            "data.folder": "/data",
            "data.train_list": "a.txt",
            "data.test_list": "b.txt",
        },
    }
    given = needed.get(written["data.name"], {})
    arguments = [f"--{name}={value}" for name, value in given.items()]
    found = flatten(dataclasses.asdict(configure(f"--config={path}", *arguments)))
    # YAML reads 1e-4 as a string.
    numbers = ("optimizer.learning_rate", "optimizer.weight_decay")
    written |= {name: float(written[name]) for name in numbers}
    assert found == DEFAULTS | written | given


def test_later_arguments_override_earlier_ones(tmp_path):
    loss = {"name": "gce", "arguments": {"q": 0.5}, "logit_bias": None}
    first = write(tmp_path / "a.yaml", {"epochs": 3, "seed": 4, "loss": loss})
    second = write(tmp_path / "b.yaml", {"epochs": 5})
    found = configure(first, second, "--seed=6", "--loss.arguments={}", "--loss.logit_bias=auto")
    assert (found.epochs, found.seed) == (5, 6)
    assert dataclasses.astuple(found.loss)[:4] == ("gce", {}, None, "auto")
    assert configure("--epochs=9", second).epochs == 5


def test_one_reading_does_not_change_another():
    configure("--loss.arguments={q: 0.5}", "--network.arguments={filters: [2, 3]}")
    assert configure() == Configuration()


def test_numbers_have_plain_types():
    """The number types of jsonargparse that check ranges are converted."""
    content = flatten(
        dataclasses.asdict(configure("--seed=3", "--network.arguments={n: [1, 2.5]}"))
    )
    numbers = [*content.pop("network.arguments")["n"], *content.values()]
    kinds = {type(value) for value in numbers}
    assert kinds <= {int, float, bool, str, dict, type(None)}


SETTINGS = {
    "--data.classes=7": "data.classes",
    "--noise.rate=0.1": "noise.rate",
    "--loss.arguments={q: 0.123456789, how: auto, n: 3}": "loss.arguments",
    "--loss.logit_bias=2.5": "loss.logit_bias",
    "--network.arguments={filters: [2, 3], name: null}": "network.arguments",
    "--optimizer.weight_decay=1e-7": "optimizer.weight_decay",
    "--optimizer.clip_norm=null": "optimizer.clip_norm",
    "--steps_per_epoch=3": "steps_per_epoch",
    "--seed=4294967295": "seed",
    "--precision=float32": "precision",
    "--jit=false": "jit",
    "--deterministic=true": "deterministic",
}


def test_written_configuration_can_be_read(tmp_path):
    written = configure(*SETTINGS, f"--results={tmp_path}", "--devices.num_processes=2")
    claim_folder(written)
    restored = configure(f"--config={tmp_path / 'configuration.yaml'}")
    assert restored.outcome_settings() == written.outcome_settings()
    changed = {
        n for n, value in flatten(restored.outcome_settings()).items() if value != DEFAULTS[n]
    }
    assert changed == set(SETTINGS.values())
    assert (restored.results, restored.devices) == (
        Configuration().results,
        Configuration().devices,
    )


def test_only_settings_of_the_outcome_are_compared(tmp_path):
    given = [f"--results={tmp_path}", *SETTINGS]
    claim_folder(configure(*given, "--devices.num_processes=2", "--devices.process=1"))
    assert not list(tmp_path.iterdir())  # only the first process writes
    claim_folder(configure(*given, "--epochs=7"))  # failed before its first epoch
    claim_folder(configure(*given))
    (tmp_path / "log.csv").touch()
    claim_folder(configure(*given, "--devices.count=2", "--tensorboard=true", "--progress=bar"))
    expected = f"results: {tmp_path} has a training with other settings, "
    differences = "noise.rate 0.1 (now 0.2), loss.arguments.q 0.123456789 (now None), "
    more = ["--noise.rate=0.2", "--loss.arguments={how: auto, n: 3}", "--epochs=3"]
    with pytest.raises(ValueError, match=re.escape(f"{expected}{differences}epochs 25 (now 3). ")):
        claim_folder(configure(*given, *more))
    before = configure(*given).outcome_settings()
    assert yaml.safe_load((tmp_path / "configuration.yaml").read_text()) == before


def test_help_describes_every_setting(capsys):
    with pytest.raises(SystemExit) as exit_:
        train.main(["--help"])
    assert exit_.value.code == 0
    output = capsys.readouterr().out
    assert "\n    python recipes/train.py\n" in output  # a line of its own
    for name in ["config", *DEFAULTS]:
        (text,) = re.findall(
            rf"^  --{re.escape(name)} ([^\n]*\n(?: {{10}}[^\n]*\n)*)", output, re.M
        )
        description = re.sub(r"\(type:.*|^\S+", "", text, flags=re.S)
        assert description.strip(), name


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--noise.rate=1.5", '"noise.rate": Not of type ClosedUnitInterval: 1.5 does not conform'),
        ("--noise.rate=nan", '"noise.rate"'),
        ("--noise.model=white", '"noise.model"'),
        ("--epochs=0", '"epochs"'),
        ("--epochs=many", '"epochs"'),
        ("--epochs", "--epochs: expected one argument"),
        ("--seed=-1", '"seed"'),
        ("--seed=4294967296", '"seed"'),
        ("--batch_size=1.5", '"batch_size"'),
        ("--data.classes=1", '"data.classes"'),
        ("--data.classes=2001", 'data.classes must be from 2 to 2000 for "glyphs". Received: 2001'),
        ("--data.name=imagenet", '"data.name"'),
        ("--optimizer.learning_rate=0", '"optimizer.learning_rate"'),
        ("--loss.logit_bias=some", '"loss.logit_bias"'),
        ("--colour=1", "unrecognized arguments: --colour=1"),
        ("--epoch=1", "unrecognized arguments: --epoch=1"),
        ("1", "unrecognized arguments: 1"),
        ("--config=nowhere.yaml", "nowhere.yaml"),
        ("--data.name=webvision", 'data.folder must be given for data.name "webvision"'),
        (
            "--noise.model=asymmetric",
            '"asymmetric" is not defined for "glyphs"; there is "pair_flip"',
        ),
        (
            "--noise.model=index_block",
            '"index_block" is defined for "cifar100". Received: "glyphs"',
        ),
        ("--loss.name=nope", "must be a loss of keras_noisy, "),
        ('--loss.name=nope --loss.arguments={"q":1}', "must be a loss of keras_noisy, "),
        ('--loss.name=gce --loss.arguments={"q":7}', "`q` must be a number in (0, 1]"),
        ('--loss.name=gce --loss.arguments={"p":1}', "loss.arguments: "),
        ("--loss.arguments=[1]", '"loss.arguments"'),
        ("--loss.name=nowhere:Power", "nowhere:Power (No module named 'nowhere')"),
        ("--loss.name=:Power", "or module:Class of your own, in a module that can be imported"),
        ("--loss.name=keras_noisy:Power", "keras_noisy:Power (module 'keras_noisy' has no"),
        ("--loss.name=keras.losses:Huber", "must be a subclass of keras_noisy.losses.LabelLoss"),
        ('--loss.name=keras_noisy:GCE --loss.arguments={"p":1}', "loss.arguments: "),
        ('--loss.name=keras_noisy:GCE --loss.arguments={"q":7}', "`q` must be a number in (0, 1]"),
        (
            "--loss.name=keras_noisy:GCE --loss.published_for=cifar10",
            "loss.published_for must be null for a loss of your own",
        ),
        (
            '--loss.name=agce --loss.arguments={"a":1} --loss.published_for=cifar10',
            "loss.arguments must be empty where loss.published_for is given",
        ),
        ("--results=a.yaml", "results must be a folder. Received: a.yaml"),
        ("--results=a.yaml/below/it", "results must be a folder. Received: a.yaml/below/it"),
        ("--config=a.yaml", "Option 'epohs' is not accepted"),
        ("--config=b.yaml", "Group 'noise' does not accept option 'rat'"),
        ("--config=c.yaml", "Problems parsing config: "),
    ],
)
def test_bad_value_gives_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {"a.yaml": "epohs: 3", "b.yaml": "noise: {rat: 0.1}", "c.yaml": "[1"}
    for name, content in files.items():
        Path(name).write_text(content)
    given = arguments.split()
    if "--results" not in arguments:
        given.append("--results=new")
    with pytest.raises(SystemExit) as exit_:
        train.main(given)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("train.py: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == set(files)


FOLDERS = {"folder": "/data", "train_list": "a.txt", "test_list": "b.txt"}


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("webvision", ["folder", "image_size"]),
        ("image_folder", ["folder", "image_size"]),
        ("image_list", ["folder", "train_list", "test_list", "image_size"]),
        ("tfds", ["tfds_name"]),
    ],
)
def test_data_set_requires_its_settings(name, needed):
    complete = Data(name=name, **FOLDERS, tfds_name="food101")
    assert find_problem(Configuration(data=complete)) is None
    for setting in needed:
        lacking = dataclasses.replace(complete, **{setting: None})
        expected = f'data.{setting} must be given for data.name "{name}". Received: null'
        assert find_problem(Configuration(data=lacking)) == expected


def test_noise_models_are_restricted_to_some_data_sets():
    allowed = {
        "asymmetric": {"fashion_mnist", "cifar10", "cifar100"},
        "index_block": {"cifar100"},
        "instance_dependent": {"glyphs", "fashion_mnist", "cifar10", "cifar100"},
    }
    names = typing.get_args(typing.get_type_hints(Data)["name"])
    for model in ("none", "symmetric", "pair_flip", *allowed):
        fine = set()
        for name in names:
            data = Data(name=name, **FOLDERS, tfds_name="food101")
            found = find_problem(Configuration(data=data, noise=Noise(model)))
            assert found is None or f'"{model}"' in found
            fine |= {name} if found is None else set()
        assert fine == allowed.get(model, set(names))


@pytest.mark.parametrize(
    ("arguments", "matrix"),
    [
        ("--data.name=cifar100 --noise.model=asymmetric --noise.rate=0.3", "asymmetric"),
        ("--data.name=cifar100 --noise.model=index_block --noise.rate=0.3", "index_block"),
        ("--noise.model=pair_flip --noise.rate=0.3", "pair_flip"),
        ("--noise.model=symmetric --noise.rate=0.3", "symmetric"),
    ],
)
def test_noise_model_gives_its_matrix(arguments, matrix):
    from keras_noisy import noise

    first = {"asymmetric": ("cifar100",), "index_block": ()}.get(matrix, (100,))
    found = transition_matrix(configure(*arguments.split()), 100)
    np.testing.assert_array_equal(found, getattr(noise, matrix)(*first, 0.3))
