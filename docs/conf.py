"""How Sphinx makes the site of these pages: `make docs`.

The pages are read on code hosts, too, so that they link to each other and to files of
the repository by path. What the site adds is a sidebar, search, and the reference that
is made from docstrings.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_extensions")]

# Modules of apps with models can be imported in a project alone.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")
django.setup()

project = "mcp_django"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
copyright = "the mcp_django contributors"  # noqa: A001  # the name that Sphinx wants

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "repository_links",
    "llms",
    "offline",
    "number_search",
]
exclude_patterns = ["_extensions", "_build"]

# Of Markdown: anchors as code hosts make them.
myst_heading_anchors = 4
# Pictures of telephones say how wide they are, as code hosts take it.
myst_enable_extensions = ["html_image"]

# Of docstrings: `names` in backticks are code, and "Spec" is a section of ours.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Spec", "notes_style")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
maximum_signature_line_length = 80
python_use_unqualified_type_names = True

# Addresses of examples, and of one's own machine.
linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost|[\w.-]+\.example)\b"]

html_theme = "furo"
html_title = f"mcp_django {release}"
# Of what programs read there is something better: see the extension "llms".
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
