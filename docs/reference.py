"""A Sphinx extension for the API reference.

It converts Markdown in docstrings, links public names, and warns about names that are missing.
"""

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
# Public modules that `keras_noisy` does not import.
MORE_MODULES = ("keras_noisy.theory", "keras_noisy.cli")
# Public names of modules without `__all__`.
UNLISTED_NAMES = ("main",)

logger = logging.getLogger(__name__)


def find_pages() -> dict[str, str]:
    """Returns the page of each public name: the shortest name of the object."""
    modules = (PACKAGE, *MORE_MODULES)
    found = dict(pair for module in modules for pair in _names_in(importlib.import_module(module)))
    pages: dict[int, str] = {}
    for name, value in sorted(found.items(), key=lambda item: item[0].count(".")):
        pages.setdefault(id(value), name)
    return {name: pages[id(value)] for name, value in found.items()}


def _names_in(module: ModuleType) -> Iterator[tuple[str, Any]]:
    unlisted = [name for name in UNLISTED_NAMES if hasattr(module, name)]
    for name in getattr(module, "__all__", unlisted):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            yield from _names_in(value)
        else:
            yield f"{module.__name__}.{name}", value


PAGES = find_pages()


def find_page(name: str, is_call: bool = False) -> str | None:
    """Returns the page of a name in prose, which may lack the modules before it."""
    pages = {page for full, page in PAGES.items() if f".{full}".endswith(f".{name}")}
    # A lower-case word such as `match` is ambiguous; `MAE` and `symmetric(K, rate)` are not.
    is_clear = "." in name or name[:1].isupper() or is_call
    return pages.pop() if len(pages) == 1 and is_clear else None


class LinkNames(SphinxTransform):
    """Turns `keras_noisy.MAE`, `MAE` and `MAE(...)` into links on all pages."""

    default_priority = 5

    def apply(self, **kwargs: Any) -> None:
        unlinked = (nodes.title, nodes.reference, pending_xref)
        kept = {
            id(literal)
            for node in self.document.findall(lambda node: isinstance(node, unlinked))
            for literal in node.findall(nodes.literal)
        }
        for literal in list(self.document.findall(nodes.literal)):
            found = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", literal.astext(), re.S)
            page = find_page(found[1], is_call=bool(found[2])) if found else None
            if page is None or id(literal) in kept:
                continue
            link = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=page, refexplicit=True, refwarn=True
            )
            literal.replace_self(link)
            link += literal


# Conversion of Keras's Markdown to reStructuredText


def convert_docstring(
    app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = to_rst("\n".join(lines)).splitlines()


def to_rst(text: str) -> str:
    """Converts fenced code, doctests, tables and prose."""
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


def format_signature(app: Any, what: str, name: str, value: Any, *_: Any) -> Any:
    """Returns the signature of a layer's `__init__`; Keras defines `__new__(*args, **kwargs)`."""
    if what != "class" or not issubclass(value, keras.layers.Layer):
        return None
    signature = sphinx_inspect.signature(value.__init__, bound_method=True)
    return sphinx_inspect.stringify_signature(signature, show_annotation=False), None


def skip_fields(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> Any:
    """Skips the fields of named tuples, which the docstrings of the classes describe."""
    return True if type(value).__name__ == "_tuplegetter" else None


def check_names(app: Any, env: Any) -> None:
    """Warns about public names without a page or a docstring; warnings end the build."""
    documented = env.get_domain("py").objects
    for name in sorted(set(PAGES.values()) - set(documented)):
        logger.warning("%s is public and not on docs/api.md", name)
    for name in sorted(set(PAGES.values())):
        module, _, last = name.rpartition(".")
        if not inspect.getdoc(getattr(importlib.import_module(module), last)):
            logger.warning("%s has no docstring", name)


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", convert_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", format_signature)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("env-check-consistency", check_names)
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True}
