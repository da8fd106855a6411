"""The API reference: docstrings in Markdown, links to names, and that nothing public is missing."""

import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import keras
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform
from sphinx.util import inspect as sphinx_inspect
from sphinx.util import logging

PACKAGE = "keras_noisy"
# Rooms that `keras_noisy` itself does not import.
MORE_ROOMS = ("keras_noisy.theory", "keras_noisy.cli")
# Public names of modules without `__all__`, such as the command.
OF_A_MODULE = ("main",)

logger = logging.getLogger(__name__)


def public_names() -> dict[str, str]:
    """The page of each public name: an object with several names has it under the shortest one."""
    rooms = (PACKAGE, *MORE_ROOMS)
    found = dict(pair for room in rooms for pair in _names_in(importlib.import_module(room)))
    page_of: dict[int, str] = {}
    for name, value in sorted(found.items(), key=lambda item: item[0].count(".")):
        page_of.setdefault(id(value), name)
    return {name: page_of[id(value)] for name, value in found.items()}


def _names_in(room: ModuleType) -> Iterator[tuple[str, Any]]:
    unlisted = [name for name in OF_A_MODULE if hasattr(room, name)]
    for name in getattr(room, "__all__", unlisted):
        value = getattr(room, name)
        if isinstance(value, ModuleType):
            yield from _names_in(value)
        else:
            yield f"{room.__name__}.{name}", value


PAGE_OF = public_names()


def link_of(name: str, is_call: bool = False) -> str | None:
    """The page of a name as prose has it, with or without the rooms before it."""
    pages = {page for full, page in PAGE_OF.items() if f".{full}".endswith(f".{name}")}
    # A lone `match` may be anything, `MAE` and `symmetric(K, rate)` may not.
    is_clear = "." in name or name[:1].isupper() or is_call
    return pages.pop() if len(pages) == 1 and is_clear else None


class LinkNames(SphinxTransform):
    """Makes links of `keras_noisy.MAE`, `MAE` and `MAE(...)`, on all pages."""

    default_priority = 5

    def apply(self, **kwargs: Any) -> None:
        others = (nodes.title, nodes.reference, pending_xref)
        kept = {
            id(literal)
            for node in self.document.findall(lambda node: isinstance(node, others))
            for literal in node.findall(nodes.literal)
        }
        for literal in list(self.document.findall(nodes.literal)):
            found = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", literal.astext(), re.S)
            page = link_of(found[1], is_call=bool(found[2])) if found else None
            if page is None or id(literal) in kept:
                continue
            link = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=page, refexplicit=True, refwarn=True
            )
            literal.replace_self(link)
            link += literal


# From Keras's Markdown to what autodoc reads


def to_rst(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = rst_of("\n".join(lines)).splitlines()


def rst_of(text: str) -> str:
    """Code in fences, doctests, tables and prose, each in the words of reStructuredText."""
    fence = r"^ *```.*?^ *```$"
    doctest = r"^ *>>> .*?(?=\n *\n|\Z)"
    table = r"^ *\|.*?\|$(?:\n *\|.*\|$)*"
    parts = re.split(rf"({fence}|{doctest}|{table})", text, flags=re.S | re.M)
    return "".join(_block(part) if i % 2 else _prose(part) for i, part in enumerate(parts))


def _block(text: str) -> str:
    indent = re.match(" *", text)[0]  # type: ignore[index]
    first, *rest = text.splitlines()
    if first.startswith(f"{indent}>>>"):
        return text
    if first.startswith(f"{indent}|"):
        rows = [line.strip().strip("|").split("|") for line in (first, *rest[1:])]
        cells = [
            f"{'   * -' if number == 0 else '     -'} {_prose(cell.strip())}"
            for row in rows
            for number, cell in enumerate(row)
        ]
        new = [".. list-table::", "   :header-rows: 1", "", *cells]
    else:
        code = (f"   {line.removeprefix(indent)}".rstrip() for line in rest[:-1])
        new = [f".. code-block:: {first.strip('` ') or 'text'}", "", *code]
    return "\n".join(f"{indent}{line}".rstrip() for line in new)


def _prose(text: str) -> str:
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"^(\w+):$(?=\n\n)", r".. rubric:: \1", text, flags=re.M)  # `Formula:` and such
    text = re.sub(r"\bdocs/(\w+)\.md", r":doc:`/\1`", text)
    return re.sub(r"\[([^][]+)\]\((\w+:[^)\s]+)\)", r"`\1 <\2>`__", text)


def signature_of(app: Any, what: str, name: str, thing: Any, *_: Any) -> Any:
    """That of `__init__`: Keras's layers have a `__new__(*args, **kwargs)` before it."""
    if what != "class" or not issubclass(thing, keras.layers.Layer):
        return None
    signature = sphinx_inspect.signature(thing.__init__, bound_method=True)
    return sphinx_inspect.stringify_signature(signature, show_annotation=False), None


def skip_fields(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> Any:
    """Of a named tuple's fields Python only says their number; its docstring tells them."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def check(app: Any, env: Any) -> None:
    """A public name without a page, or without words, is a warning, and so an error."""
    documented = env.get_domain("py").objects
    for name in sorted(set(PAGE_OF.values()) - set(documented)):
        logger.warning("%s is public and not on docs/api.md", name)
    for name in sorted(set(PAGE_OF.values())):
        room, _, last = name.rpartition(".")
        if not inspect.getdoc(getattr(importlib.import_module(room), last)):
            logger.warning("%s has no docstring", name)


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", to_rst, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", signature_of)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("env-check-consistency", check)
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True}
