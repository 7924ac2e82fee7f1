"""The documentation as a site, and the links of the pages outside of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]+)?\)")


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going")
    return subprocess.run(
        [*command, "-b", "html", str(docs), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    done = build(ROOT / "docs", tmp_path)
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / f"{page.stem}.html").is_file()


def test_links_that_lead_nowhere_and_lonely_pages_are_warnings(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text((ROOT / "docs" / "conf.py").read_text())
    (docs / "index.md").write_text(
        "# Start\n\n[a](gone.md) [b](#nowhere) [c](../gone.py)\n"
    )
    (docs / "lonely.md").write_text("# Lonely\n")
    done = build(docs, tmp_path / "site")
    assert done.returncode == 1
    for word in ("gone.md", "nowhere", "gone.py", "lonely.md"):
        assert word in done.stderr, word


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_pages_at_the_top_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = {target for target, _ in LINK.findall(text)}
    assert found or name == "CHANGELOG.md"
    assert [target for target in found if not (ROOT / target).exists()] == []
