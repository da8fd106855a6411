"""Writes what was found: a table of the suspicious labels, the noise, and a page to look at."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_noisy._files import write_atomically
from keras_noisy.cleaning._label_model import fit_label_model
from keras_noisy.cleaning._predictions import read_samples
from keras_noisy.cleaning._report.report import ReportClass, ReportSample, write_report
from keras_noisy.cleaning._tables import format_csv
from keras_noisy.cleaning.noise_estimate import NoiseEstimate, summarise_noise
from keras_noisy.cleaning.suspicious_labels import SuspiciousLabels, rank_labels

_MAX_PAIRS = 1000  # in noise.json


class Results(NamedTuple):
    """What was found, and the files that have it."""

    suspicious: SuspiciousLabels
    noise: NoiseEstimate
    files: list[Path]


def write_results(
    folder: Path,
    samples: Sequence[str],
    labels: Any,
    predictions: Any,
    class_names: Sequence[str],
    *,
    from_logits: bool,
    threshold: float,
    root: Path | None,
    note: str = "",
) -> Results:
    """Finds suspicious labels and writes them to a folder.

    Args:
        folder: The folder to write to.
        samples: What each sample is called: the path of an image relative to `root`, or any name.
        labels: The labels.
        predictions: Outputs of networks (n, K).
        class_names: K names.
        from_logits: Whether the outputs are logits.
        threshold: The doubt from which on a label is listed.
        root: Folder of the images; `None` for data that are no images, which get no page.
        note: A remark that the files show.
    """
    classes, checked = read_samples(labels, predictions, from_logits)
    model = fit_label_model(classes, checked)
    suspicious = rank_labels(model, threshold)
    noise = summarise_noise(model, classes, checked.num_classes)
    rows = [
        ReportSample(
            path=samples[i],
            label=class_names[classes[i]],
            looks_like=class_names[suspicious.looks_like[i]],
            doubt=float(suspicious.doubts[i]),
            expected_share=float(suspicious.expected_shares[rank]),
        )
        for rank, i in enumerate(suspicious.suspicious)
    ]
    files = [folder / "suspicious.csv", folder / "noise.json"]
    write_atomically(files[0], _format_table(rows))
    write_atomically(files[1], _format_noise(noise, class_names, len(classes), note))
    if root is not None:
        files.append(folder / "report.html")
        write_report(
            files[-1],
            rows,
            _summarise_classes(noise, class_names),
            root=root,
            num_samples=len(classes),
            noise_rate=noise.rate,
            noise_rate_error=noise.rate_error,
            title=root.resolve().name,
            note=note,
        )
    return Results(suspicious, noise, files)


def _format_table(rows: Sequence[ReportSample]) -> str:
    table = [(*row[:3], f"{row.doubt:.4f}", f"{row.expected_share:.4f}") for row in rows]
    return format_csv([ReportSample._fields, *table])


def _format_noise(
    noise: NoiseEstimate, class_names: Sequence[str], num_samples: int, note: str
) -> str:
    rates, errors = (
        [None if np.isnan(value) else round(float(value), 5) for value in values]
        for values in (noise.class_rates, noise.class_rate_errors)
    )
    content = {
        "samples": num_samples,
        "noise_rate": round(noise.rate, 5),
        "noise_rate_error": round(noise.rate_error, 5),
        "classes": [
            {"name": name, "size": int(size), "noise_rate": rate, "noise_rate_error": error}
            for name, size, rate, error in zip(
                class_names, noise.class_sizes, rates, errors, strict=True
            )
        ],
        "pairs": [
            {"true_class": class_names[i], "label": class_names[j], "count": round(float(n), 2)}
            for i, j, n in zip(
                noise.true_classes[:_MAX_PAIRS],
                noise.wrong_labels[:_MAX_PAIRS],
                noise.counts[:_MAX_PAIRS],
                strict=True,
            )
        ],
        **({"note": note} if note else {}),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _summarise_classes(noise: NoiseEstimate, class_names: Sequence[str]) -> list[ReportClass]:
    most: dict[int, tuple[str, float]] = {}
    for i, j, count in zip(noise.true_classes, noise.wrong_labels, noise.counts, strict=True):
        most.setdefault(int(j), (class_names[i], float(count)))
    return [
        ReportClass(
            name,
            int(noise.class_sizes[i]),
            float(noise.class_rates[i]),
            float(noise.class_rate_errors[i]),
            *most.get(i, ("", 0.0)),
        )
        for i, name in enumerate(class_names)
    ]


def name_classes(class_names: Sequence[str] | None, num_classes: int) -> Sequence[str]:
    """Returns the names, or the numbers of the classes if there are none."""
    if class_names is None:
        return [str(i) for i in range(num_classes)]
    if len(class_names) != num_classes:
        raise ValueError(
            f"`class_names` must have a name for each of the {num_classes} classes. Received: "
            f"{len(class_names)} names"
        )
    return list(class_names)


def name_samples(names: Sequence[str | os.PathLike] | None, size: int) -> Sequence[str]:
    """Returns the names, or the numbers of the samples if there are none."""
    if names is None:
        return [str(i) for i in range(size)]
    if len(names) != size:
        raise ValueError(
            f"`paths` must have a name for each of the {size} samples. Received: {len(names)}"
        )
    return [os.fspath(name) for name in names]
