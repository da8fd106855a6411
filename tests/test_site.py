"""The site builds without warnings, has every public name and needs no network."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

pytest.importorskip("sphinx", reason="the site is built where the group `docs` is installed")

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.backend_free
def test_site_builds_and_has_no_broken_links(tmp_path, monkeypatch):
    """Checks everything in one test, because a build takes long."""
    html = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    build = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", DOCS, html],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    found = (path for path in html.rglob("*.html") if html / "interactive" not in path.parents)
    pages = {path: path.read_text() for path in found}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', page)) for path, page in pages.items()}

    monkeypatch.syspath_prepend(DOCS)
    for name in set(importlib.import_module("reference").PAGES.values()):
        assert name in anchors[html / "api" / f"{name}.html"]

    for path, page in pages.items():
        needed = re.findall(r'<(?:script|img|source)[^>]*\bsrc(?:set)?="([^"]+)"', page)
        needed += re.findall(r'<link[^>]*rel="(?:stylesheet|preload)"[^>]*href="([^"]+)"', page)
        assert not [link for link in needed if link.startswith(("http", "//"))], path
        for link in [*needed, *re.findall(r'<a[^>]*\bhref="([^"]+)"', page)]:
            file, _, anchor = unquote(link).partition("#")
            file = file.partition("?")[0]
            if re.match(r"\w+:", link):
                continue
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), (path.name, link)
            if anchor and target in pages:
                assert anchor in anchors[target], (path.name, link)
