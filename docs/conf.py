"""How Sphinx makes a site of these pages: ``nox -s docs``."""

from __future__ import annotations

project = "krepro"
extensions = ["myst_parser", "sphinx_copybutton"]
html_theme = "furo"
html_title = "krepro"
exclude_patterns = ["_build"]
# Pages link to headings by the names that GitHub gives them, and to files of the repository,
# which come along as downloads.
myst_heading_anchors = 3
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
nitpicky = True
html_show_copyright = False
