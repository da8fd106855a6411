"""How Sphinx builds the site: `make docs`."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import keras_noisy

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "keras-noisy"
author = "The keras-noisy authors"
release = keras_noisy.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "reference",
]
exclude_patterns = ["_build", "interactive", "releasing.md"]  # the last is for maintainers
templates_path = ["_templates"]
nitpicky = True
# What is not ours has no page here: `ValueError`, Keras's classes.
nitpick_ignore_regex = [(r"py:.*", r"(?!keras_noisy\b).*")]

# Furo: no fonts or scripts from elsewhere, good on a phone, light and dark; pip and Black use it.
html_theme = "furo"
html_title = "keras-noisy"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

# Headings have the anchors that GitHub gives them.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]

autodoc_typehints = "none"  # docstrings tell types, and more than types
autodoc_inherit_docstrings = False
autodoc_default_options = {"member-order": "bysource"}
autosummary_generate_overwrite = True
napoleon_use_ivar = True  # the fields of a record as one list
napoleon_custom_sections = [("Call arguments", "params_style"), "Shapes"]
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# The pages of objects are made anew: what is gone from the code must be gone from the site.
shutil.rmtree(HERE / "api", ignore_errors=True)

# The interactive page is plain files, which are copied as they are.
INTERACTIVE = HERE / "interactive"
if INTERACTIVE.exists():
    tags.add("interactive")  # type: ignore[name-defined] # noqa: F821


def setup(app: Any) -> None:
    app.connect("source-read", pictures)
    app.connect("build-finished", copy_interactive_page)


def pictures(app: Any, page: str, source: list[str]) -> None:
    """GitHub chooses between light and dark by `<picture>`, Furo by classes, as its switch says."""
    source[0] = re.sub(
        r'<picture>\s*<source[^>]*srcset="(?P<dark>[^"]*)">\s*<img src="(?P<light>[^"]*)"[^>]*'
        r'alt="(?P<alt>[^"]*)">\s*</picture>',
        lambda found: "\n".join(
            f"![{' '.join(found['alt'].split())}]({found[theme]}){{.only-{theme}}}"
            for theme in ("light", "dark")
        ),
        source[0],
    )


def copy_interactive_page(app: Any, exception: Exception | None) -> None:
    if exception is None and INTERACTIVE.exists():
        target, no_code = Path(app.outdir, "interactive"), shutil.ignore_patterns("*.py", "__*")
        shutil.copytree(INTERACTIVE, target, ignore=no_code, dirs_exist_ok=True)
