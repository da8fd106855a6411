"""The command `keras-noisy`, which calls functions of the package."""

import argparse
import json
import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

import keras_noisy
from keras_noisy import calibration, cleaning, datasets, plots, training
from keras_noisy.cleaning.audit import NETWORKS
from keras_noisy.datasets._image_files import checking, webvision_lists


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command `keras-noisy`. Without arguments, it prints an overview.

    Args:
        arguments: Arguments of the command. Defaults to those in `sys.argv`.
    """
    parser, commands = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        _overview(parser)
        return
    try:
        options.run(options)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        commands[options.command].error(str(error))


def _overview(parser: argparse.ArgumentParser) -> None:
    print(
        f"keras-noisy {keras_noisy.__version__}, on Keras {keras.__version__} with the "
        f"{keras.backend.backend()} backend (set by KERAS_BACKEND), "
        f"Python {platform.python_version()}\n"
    )
    parser.print_help()
    print(
        "\nStart with `keras-noisy calibrate --classes 1000`; each command has the option --help."
        "\n\nIn Python:"
        "\n  import keras_noisy"
        '\n  model.compile(loss=keras_noisy.MAE(logit_bias="auto", from_logits=True))'
        "\n  help(keras_noisy.MAE)"
        "\nThe documentation is in README.md and docs/ of the sources."
    )


def _calibrate(options: argparse.Namespace) -> None:
    num_classes, logit_std = options.classes, options.logit_std
    settings = calibration.settings(num_classes, logit_std, options.optimizer)
    epsilon = calibration.logit_bias(num_classes, logit_std=logit_std)
    if options.json:
        content: dict[str, Any] = {
            "classes": num_classes,
            "logit_std": logit_std,
            "optimizer": options.optimizer,
            "logit_bias": epsilon,
        }
        content["settings"] = [setting._asdict() for setting in settings]
        print(json.dumps(content, indent=1))
        return
    print(f"{num_classes} classes with {options.optimizer}: logit_bias={epsilon:.4g}\n")
    rows: list[tuple[str, ...]] = [("loss", "error", "10 classes", "set", "new error", "verdict")]
    previous = ""
    for s in settings:
        loss = (s.loss, f"{s.before:.4g}", f"{s.reference:.4g}")
        rows.append((*(("  or", "", "") if s.loss == previous else loss), *_outcome(s)))
        previous = s.loss
    print(_table(rows, right=(1, 2, 4)))
    print(
        "\nerror: average of dL/dz at the label's logit z = 0 of an untrained network whose\n"
        f"logits have a standard deviation of {logit_std:g}. "
        "If it is close to 0, the loss\ncannot learn with SGD. The verdict is for "
        f"{options.optimizer}."
    )


def _outcome(setting: calibration.Setting) -> tuple[str, str, str]:
    return setting.setting or "nothing", f"{setting.after:.4g}", setting.verdict


def _table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """Formats rows as a table; the columns in `right` are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            word.rjust(width) if i in right else word.ljust(width)
            for i, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _figures(options: argparse.Namespace) -> None:
    report = (lambda line: None) if options.json else print
    paths = plots.theory_figures(options.folder, options.figures, options.themes, report)
    if options.json:
        print(json.dumps([str(path) for path in paths], indent=1))


def _check_images(options: argparse.Namespace) -> None:
    paths, skipped, warnings = _listed_images(options)
    bad = datasets.check_images(
        options.root,
        paths,
        options.bad_images,
        options.workers,
        verbose=0 if options.json else 1,
    )
    if options.json:
        others = (
            {"path": path, "reason": reason}
            for reason, entries in skipped.items()
            for path in entries
        )
        print(json.dumps([*(image._asdict() for image in bad), *others], indent=1))
        return
    reasons = Counter(image.reason for image in bad)
    print(f"{len(bad)} bad images" + (f" in {options.bad_images}" if bad else ""))
    for reason, count in reasons.most_common():
        print(f"  {count:>8}  {reason}")
    print(
        f"{len(paths)} images checked" + (", and skipped (--json lists them):" if skipped else "")
    )
    for reason, entries in skipped.items():
        print(f"  {len(entries):>8}  {reason}, such as {entries[0]}")
    for warning in warnings:
        print(f"Note: {warning}")


def _audit(options: argparse.Namespace) -> None:
    verbose = 0 if options.json else (1 if sys.stdout.isatty() else 2)
    if options.apply is not None:
        cleaned = cleaning.apply_marks(
            options.root,
            options.apply,
            options.output,
            options.links,
            dry_run=options.dry_run,
            verbose=verbose,
        )
        content: dict[str, Any] = {
            "corrected": cleaned.num_corrected,
            "left_out": cleaned.num_left_out,
            "images": len(cleaned.paths),
            "files": [str(path) for path in cleaned.files],
        }
    elif options.links is not None or options.dry_run:
        raise ValueError("`--links` and `--dry-run` need `--apply`. Received: no --apply")
    else:
        keras.config.set_dtype_policy(training.suitable_precision())
        found = cleaning.audit(
            options.root,
            options.output,
            options.labels,
            network=options.network,
            model=options.model,
            image_size=options.image_size,
            augment=options.augment,
            folds=options.folds,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            threshold=options.threshold,
            seed=options.seed,
            verbose=verbose,
        )
        content = {
            "images": len(found.paths),
            "noise_rate": found.noise.rate,
            "noise_rate_error": found.noise.rate_error,
            "suspicious": found.suspicious.num_suspicious,
            "files": [str(path) for path in found.files],
        }
    if options.json:
        print(json.dumps(content, indent=1))


def _listed_images(
    options: argparse.Namespace,
) -> tuple[list[Any], Mapping[str, Sequence[str]], list[str]]:
    """Returns the images to check, what is skipped by reason, and warnings."""
    if options.file_list is not None:
        files = datasets.read_file_list(options.file_list, num_classes=2**31 - 1, root=options.root)
        return files.paths, files.skipped, []
    if options.subset is not None:
        training = webvision_lists.list_training_files(options.root, options.subset)
        validation = webvision_lists.list_validation_files(options.root)
        skipped: dict[str, list[str]] = {}
        for files in (training, validation):
            for reason, entries in files.skipped.items():
                skipped.setdefault(reason, []).extend(entries)
        return training.paths + validation.paths, skipped, []
    return checking.survey_folder(options.root)


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="keras-noisy",
        description="Noise-robust losses for Keras 3: settings, figures, wrong labels, bad images.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=keras_noisy.__version__)
    commands = parser.add_subparsers(dest="command", metavar="command")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )

    calibrate = command("calibrate", "print suitable settings of each loss for a number of classes")
    calibrate.add_argument("--classes", type=int, required=True, help="number of classes")
    calibrate.add_argument(
        "--logit-std",
        type=float,
        default=1.0,
        help="standard deviation of the logits of the untrained network",
    )
    calibrate.add_argument(
        "--optimizer", default="sgd", help="optimizer of Keras, such as adamw; default: sgd"
    )
    calibrate.set_defaults(run=_calibrate)
    figures = command("figures", "draw the figures of the theory")
    figures.add_argument(
        "--folder", type=Path, default=Path("results/figures"), help="folder to write to"
    )
    figures.add_argument("--themes", nargs="+", default=["light", "dark"], help="light or dark")
    figures.add_argument(
        "--figures", nargs="+", type=int, default=[1, 2, 3, 4, 5, 6], help="numbers of the figures"
    )
    figures.set_defaults(run=_figures)
    check_images = command("check-images", "find damaged and missing image files")
    check_images.add_argument("root", type=Path, help="folder of the images")
    check_images.add_argument(
        "--subset",
        choices=webvision_lists.SUBSETS,
        help="check the images in the lists of WebVision",
    )
    check_images.add_argument(
        "--file-list", type=Path, help="check the images in a list with lines `path label`"
    )
    check_images.add_argument(
        "--bad-images", type=Path, default=Path("bad_images.csv"), help="CSV file to write"
    )
    check_images.add_argument(
        "--workers", type=int, help="number of threads; by default, the number of processors"
    )
    check_images.set_defaults(run=_check_images)
    audit = command("audit", "find the wrong labels of a folder of images, and correct them")
    _add_audit_arguments(audit)
    audit.set_defaults(run=_audit)
    named = {
        "calibrate": calibrate,
        "figures": figures,
        "check-images": check_images,
        "audit": audit,
    }
    for each in named.values():
        each.add_argument("--json", action="store_true", help="print JSON")
    return parser, named


def _add_audit_arguments(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "root", type=Path, help="folder with a folder for each class, or, with --labels, of images"
    )
    audit.add_argument("--output", type=Path, default=Path("audit"), help="folder to write to")
    audit.add_argument(
        "--labels",
        type=Path,
        help="CSV file with the columns image and label, or a list with lines `path label`",
    )
    audit.add_argument(
        "--network",
        choices=NETWORKS,
        help="network to train; by default resnet18 on a GPU, otherwise small_cnn",
    )
    audit.add_argument(
        "--model", type=Path, help="Keras model to train instead, from the weights in the file"
    )
    audit.add_argument(
        "--image-size", type=int, help="height and width; by default 64 for small_cnn, else 224"
    )
    audit.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="crop, flip and recolour training images; not for letters and digits",
    )
    audit.add_argument("--folds", type=int, default=4, help="number of networks to train")
    audit.add_argument(
        "--epochs", type=int, help="epochs of each training; by default 15, or 1500 steps"
    )
    audit.add_argument("--batch-size", type=int, default=64, help="images in a batch")
    audit.add_argument(
        "--learning-rate",
        type=float,
        help="learning rate of AdamW; by default 0.003 for small_cnn, else 0.001",
    )
    audit.add_argument(
        "--threshold", type=float, default=0.5, help="doubt from which on an image is listed"
    )
    audit.add_argument("--seed", type=int, default=0, help="seed")
    audit.add_argument(
        "--apply",
        type=Path,
        metavar="MARKS",
        help="instead, correct the labels by the marks that the report exports",
    )
    audit.add_argument(
        "--links", type=Path, help="with --apply: new folder of links, a folder for each class"
    )
    audit.add_argument(
        "--dry-run", action="store_true", help="with --apply: check and count, and write nothing"
    )
