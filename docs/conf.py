"""How Sphinx makes the documentation site: ``make docs``."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib as mpl

import sfml

mpl.use("Agg")

ROOT = Path(__file__).resolve().parents[1]

project = "sfml"
author = "The sfml developers"
copyright = "The sfml developers"
version = release = sfml.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# `name` in a docstring is a link if it is a public name, and else emphasised: arguments are both.
default_role = "autolink"
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

nitpicky = True
nitpick_ignore_regex = [
    # What the base classes of other libraries, and private ones of ours, are called.
    ("py:class", r"(sklearn|keras|numpy|pandas|enum|rail|ceci)\..*"),
    ("py:class", r"sfml\.displays\.base\..*"),
    # A name in a docstring that could be imported, but is none that users are offered.
    ("py:obj", r"(?!sfml\.).*"),
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "sfml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
toc_object_entries_show_parents = "hide"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sfml",),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "matplotlib_animations": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": os.environ.get("SFML_DOCS_GALLERY", "1") != "0",
    "min_reported_time": 1000,
}

# What an example says on the standard error is not part of its page.
warnings.filterwarnings("ignore", category=sfml.flags.MissingPredictionWarning)


def skip_routing(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave scikit-learn's methods of metadata routing out: each class has half a dozen."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def link_to_gallery(app: Any, name: str, content: list[str]) -> None:
    """Let links to an example, which readers of the repository follow, lead to its page."""
    content[0] = re.sub(r"\]\(\.\./examples/(plot_\w+)\.py\)", r"](gallery/\1.rst)", content[0])


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("source-read", link_to_gallery)
    app.connect("autodoc-skip-member", skip_routing)
