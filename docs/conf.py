"""Configuration of Sphinx, which builds the site (`make docs`)."""

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import keras_noisy

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "keras-noisy"
author = "The keras-noisy authors"
release = keras_noisy.__version__

extensions = [
    "myst_nb",  # Markdown, and notebooks
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "reference",
]
exclude_patterns = ["_build", "interactive", "releasing.md"]  # the last is for maintainers
templates_path = ["_templates"]
nitpicky = True
# Names of other packages, such as `ValueError` and Keras's classes, have no pages here.
nitpick_ignore_regex = [(r"py:.*", r"(?!keras_noisy\b).*")]

# Furo loads no fonts or scripts from elsewhere, works on phones, and has a light and a dark mode.
html_theme = "furo"
html_title = f"keras-noisy {release}"
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_copyright = False
# Pages link to their source if pyproject.toml names the repository.
URLS = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["urls"]
if "Repository" in URLS:
    html_theme_options = {
        "source_repository": URLS["Repository"],
        "source_branch": "main",
        "source_directory": "docs/",
    }
html_static_path = ["_static"]
html_css_files = ["site.css"]

# Headings have the anchors that GitHub gives them.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
nb_execution_mode = "off"  # `make notebooks ARGS=--execute` has stored the outputs
nb_render_image_options = {"alt": "Figure that the code above draws"}

autodoc_typehints = "none"  # docstrings describe the types
autodoc_inherit_docstrings = False
autodoc_default_options = {"member-order": "bysource"}
autosummary_generate_overwrite = True
napoleon_use_ivar = True  # the fields of a record as one list
napoleon_custom_sections = [("Call arguments", "params_style"), "Shapes"]
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# Removes generated pages, so that objects that no longer exist have none.
shutil.rmtree(HERE / "api", ignore_errors=True)

# The files of the interactive page are copied without changes.
INTERACTIVE = HERE / "interactive"
if INTERACTIVE.exists():
    tags.add("interactive")  # type: ignore[name-defined] # noqa: F821


def setup(app: Any) -> None:
    app.connect("source-read", replace_pictures)
    app.connect("build-finished", help_keyboards_and_readers)
    app.connect("build-finished", copy_interactive_page)


def replace_pictures(app: Any, page: str, source: list[str]) -> None:
    """Replaces `<picture>`, by which GitHub chooses light or dark images, by Furo's classes."""
    source[0] = re.sub(
        r'<picture>\s*<source[^>]*srcset="(?P<dark>[^"]*)">\s*<img src="(?P<light>[^"]*)"[^>]*'
        r'alt="(?P<alt>[^"]*)">\s*</picture>',
        lambda found: "\n".join(
            f"![{' '.join(found['alt'].split())}]({found[theme]}){{.only-{theme}}}"
            for theme in ("light", "dark")
        ),
        source[0],
    )


def help_keyboards_and_readers(app: Any, exception: Exception | None) -> None:
    """Gives the captions of the sidebar a level, and lets keys scroll wide code and tables.

    Sphinx writes neither, and screen readers and keyboards need both.
    """
    if exception is None:
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            text = text.replace('role="heading">', 'role="heading" aria-level="2">')
            text = text.replace("<pre>", '<pre tabindex="0">')
            text = text.replace(
                '<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'
            )
            page.write_text(text, encoding="utf-8")


def copy_interactive_page(app: Any, exception: Exception | None) -> None:
    """Copies the interactive page into the site, with a link back, if the build succeeded."""
    if exception is None and INTERACTIVE.exists():
        target, python = Path(app.outdir, "interactive"), shutil.ignore_patterns("*.py", "__*")
        shutil.copytree(INTERACTIVE, target, ignore=python, dirs_exist_ok=True)
        page = target / "index.html"
        back = '<header>\n  <p class="back"><a href="../index.html">keras-noisy</a></p>'
        page.write_text(page.read_text().replace("<header>", back, 1))
