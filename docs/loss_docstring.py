"""Reads the docstrings of losses, for the pages that are generated from them and for tests."""

import inspect
import re
from typing import NamedTuple


class LossDocstring(NamedTuple):
    """The parts of a docstring. Texts are on one line, except for `formula` and `notes`.

    Attributes:
        summary: The first line.
        formula: The first code block.
        notes: The paragraphs between the formula and the properties.
        properties: The list of properties by name, without the final full stop.
        arguments: The descriptions of the arguments, except for the options of all losses.
        references: The list of references.
    """

    summary: str
    formula: str
    notes: str
    properties: dict[str, str]
    arguments: dict[str, str]
    references: list[str]


def read_docstring(loss: type) -> LossDocstring:
    """Reads the docstring of a loss.

    Raises:
        ValueError: If there is no formula, or a property is missing.
    """
    text = inspect.getdoc(loss) or ""
    formula = re.search(r"Formula:\n\n```\n(.*?)\n```\n", text, re.S)
    if formula is None:
        raise ValueError(f"The docstring of {loss.__name__} has no formula.")
    notes, _, rest = text[formula.end() :].partition("\nProperties:\n")
    listed = rest.partition("\nArgs:\n")[0]
    properties = dict(re.findall(r"^- ([^:]+): (.*?)\.?(?=\n-|\n*\Z)", listed, re.S | re.M))
    if missing := {"Range", "Symmetric", "Use it"} - set(properties):
        raise ValueError(f"The docstring of {loss.__name__} lacks the properties {missing}.")
    arguments = re.findall(r"^    (\w+): (.*?)(?=^    \S|\Z)", _section(text, "Args"), re.S | re.M)
    return LossDocstring(
        summary=text.splitlines()[0],
        formula=formula.group(1),
        notes=notes.strip(),
        properties={name: _one_line(value) for name, value in properties.items()},
        arguments={name: _one_line(value) for name, value in arguments},
        references=[
            _one_line(each)
            for each in re.split(r"^- ", _section(text, "References"), flags=re.M)[1:]
        ],
    )


def _section(text: str, title: str) -> str:
    found = re.search(rf"^{title}:\n(.*?)(?=^\w[\w `()]*:\n|\Z)", text, re.S | re.M)
    return found.group(1) if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
