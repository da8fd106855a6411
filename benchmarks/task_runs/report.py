"""Tables of the records: accuracies, memorised shares, and the regret of each loss."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from task_runs.protocol import Run

Record = Mapping[str, Any]


class Place(NamedTuple):
    """What losses are compared on.

    Attributes:
        task: Name of the task.
        optimizer: Name of the optimizer.
        noise: Name of the noise.
    """

    task: str
    optimizer: str
    noise: str

    def __str__(self) -> str:
        return ", ".join(self)


# The records of all seeds, by place and name of the loss.
Grouped = Mapping[Place, Mapping[str, Sequence[Record]]]


def format_report(
    records: Mapping[Run, Record], runs: Iterable[Run], titles: Mapping[str, str]
) -> str:
    """Formats all tables as Markdown.

    Args:
        records: The records of the runs that are done.
        runs: All runs of the report. Those that are not done stay blank. Losses, and optimizers and
            noises of a task, of which no run is done are left out.
        titles: What readers see of tasks, optimizers and noises, by name.
    """
    runs = [name(run, titles) for run in runs]
    records = {name(run, titles): record for run, record in records.items()}
    grouped = group(records)
    begun = {(run.task, each) for run in records for each in (run.optimizer, run.noise)}
    losses = [
        loss
        for loss in dict.fromkeys(run.loss for run in runs)
        if any(run.loss == loss for run in records)
    ]
    places = [
        place
        for place in dict.fromkeys(Place(run.task, run.optimizer, run.noise) for run in runs)
        if {(place.task, place.optimizer), (place.task, place.noise)} <= begun
    ]
    seeds = sorted({run.seed for run in runs})
    sections = [
        "## Regret\n\n" + format_regret(grouped, losses, places),
        *(
            f"## {task}\n\n" + format_task(grouped, losses, [p for p in places if p.task == task])
            for task in dict.fromkeys(place.task for place in places)
        ),
    ]
    return (
        f"{len(records)} of {len(runs)} trainings are done, seeds {', '.join(map(str, seeds))}.\n\n"
        + "\n".join(sections)
    )


def name(run: Run, titles: Mapping[str, str]) -> Run:
    """Returns the run with the titles of its task, optimizer and noise."""
    shown = {field: getattr(run, field) for field in Place._fields}
    return run._replace(**{field: titles.get(each, each) for field, each in shown.items()})


def group(records: Mapping[Run, Record]) -> Grouped:
    """Returns the records of all seeds, by place and name of the loss."""
    grouped: dict[Place, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for run, record in records.items():
        grouped[Place(run.task, run.optimizer, run.noise)][run.loss].append(record)
    return grouped


def compute_mean(records: Sequence[Record]) -> float:
    """Computes the mean test accuracy. A network whose outputs are NaN counts as 0."""
    return statistics.fmean(record["test_accuracy"] or 0.0 for record in records)


def compute_regrets(grouped: Grouped) -> dict[str, dict[Place, float]]:
    """Computes how far each loss is behind the best one of a place, by loss and place."""
    regrets: dict[str, dict[Place, float]] = defaultdict(dict)
    for place, by_loss in grouped.items():
        means = {loss: compute_mean(records) for loss, records in by_loss.items()}
        for loss, mean in means.items():
            regrets[loss][place] = max(means.values()) - mean
    return regrets


def format_regret(grouped: Grouped, losses: Sequence[str], places: Sequence[Place]) -> str:
    """Formats the regret of each loss, the lowest mean first."""
    regrets = compute_regrets(grouped)
    shown = sorted(
        (loss for loss in losses if regrets.get(loss)),
        key=lambda loss: statistics.fmean(regrets[loss].values()),
    )
    rows = [["loss", "mean", "worst", "where", "of"]]
    for loss in shown:
        found = regrets[loss]
        worst = max(found, key=found.__getitem__)
        mean = statistics.fmean(found.values())
        count = f"{len(found)}/{len(places)}"
        rows.append([loss, format_points(mean), format_points(found[worst]), str(worst), count])
    tables = [format_table(rows)]
    for part in Place._fields:
        names = list(dict.fromkeys(getattr(place, part) for place in places))
        rows = [[f"mean by {part}", *names]]
        for loss in shown:
            by_name = [
                [regret for place, regret in regrets[loss].items() if getattr(place, part) == name]
                for name in names
            ]
            means = [format_points(statistics.fmean(each)) if each else "" for each in by_name]
            rows.append([loss, *means])
        tables.append(format_table(rows))
    return "\n".join(tables) + (
        "\nPoints behind the best loss of the same task, optimizer and noise, and of how many of "
        "these there are trainings.\n"
    )


def format_task(grouped: Grouped, losses: Sequence[str], places: Sequence[Place]) -> str:
    """Formats a table of losses and noises for each optimizer of a task."""
    tables = []
    for optimizer in dict.fromkeys(place.optimizer for place in places):
        columns = [place for place in places if place.optimizer == optimizer]
        found = [grouped.get(place, {}) for place in columns]
        best = [max(map(compute_mean, each.values()), default=None) for each in found]
        rows = [[optimizer, *(place.noise for place in columns)]]
        for loss in sort_losses(found, losses):
            cells = [format_cell(each.get(loss, [])) for each in found]
            for index, each in enumerate(found):
                if loss in each and compute_mean(each[loss]) == best[index]:
                    cells[index] = f"**{cells[index]}**"
            rows.append([loss, *cells])
        tables.append(format_table(rows))
    return "\n".join(tables) + (
        "\nTest accuracy in per cent after the last epoch, mean ± standard deviation over the "
        "seeds, the best one in bold; in brackets the share of the wrong labels memorised.\n"
    )


def sort_losses(
    found: Sequence[Mapping[str, Sequence[Record]]], losses: Sequence[str]
) -> list[str]:
    """Returns the losses that have a training, those with the most columns and best mean first."""
    means = {
        loss: [compute_mean(by_loss[loss]) for by_loss in found if by_loss.get(loss)]
        for loss in losses
    }
    trained = [loss for loss in losses if means[loss]]
    return sorted(trained, key=lambda loss: (-len(means[loss]), -statistics.fmean(means[loss])))


def format_cell(records: Sequence[Record]) -> str:
    """Formats mean ± standard deviation and memorised share; no records give an empty text."""
    if not records:
        return ""
    text = format_points(compute_mean(records))
    if len(records) > 1:
        spread = statistics.stdev(record["test_accuracy"] or 0.0 for record in records)
        text += f" ± {format_points(spread)}"
    memorised = [record["memorised"] for record in records if record["memorised"] is not None]
    return text + (f" ({100 * statistics.fmean(memorised):.0f})" if memorised else "")


def format_points(share: float) -> str:
    """Formats a share in per cent."""
    return f"{100 * share:.1f}"


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Formats rows, the first of which is the header, as Markdown."""
    header, *others = rows
    lines = [header, ["---"] * len(header), *others]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
