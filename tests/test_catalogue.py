"""The catalogue: every repro is well-formed, and its story matches what was measured."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from krepro import published, scaffold
from krepro.project import Project
from krepro.repro import Repro, find_repros
from krepro.verdict import Verdict
from tests.conftest import ROOT

PROJECT = Project(ROOT)
REPROS = PROJECT.repros()
PUBLISHED = published.to_report(PROJECT)

# Entries that Keras shows from one side only; a patch of Keras supplies the other.
PATCHED = {path.stem for path in (ROOT / "repros" / "patches").glob("*.patch")}


def each(repro: Repro) -> str:
    return repro.id


def test_there_are_many() -> None:
    assert len(REPROS) >= 60
    assert find_repros(ROOT / "repros") == sorted((ROOT / "repros").glob("*.py"))


@pytest.mark.parametrize("repro", REPROS, ids=each)
def test_form(repro: Repro) -> None:
    text = repro.path.read_text(encoding="utf-8")
    assert len(repro.id) <= 40
    assert text.endswith("\n\n" + scaffold.FOOTER), "the footer is not the common one"
    assert re.match(r"[A-Za-z_.()` ]+: ", repro.title), "a title starts with the symbol"
    assert repro.docs, "no page is named where the promise is written"
    assert all(url.startswith("https://") for url in repro.docs)
    assert len(repro.docstring.split()) > 20, "the story is missing"


@pytest.mark.parametrize("repro", REPROS, ids=each)
def test_entries_that_it_speaks_of_are_there(repro: Repro) -> None:
    ids = {other.id for other in REPROS}
    # Five words are no name of Keras' own.
    spoken_of = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+){4,}\b", repro.docstring))
    assert spoken_of | set(repro.related) <= ids


@pytest.mark.parametrize("repro", REPROS, ids=each)
def test_it_stands_alone(repro: Repro) -> None:
    tree = ast.parse(repro.path.read_text(encoding="utf-8"))
    imported = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    beside = {"keras", "numpy", "tensorflow", "jax", "torch"}
    assert imported <= beside | sys.stdlib_module_names


@pytest.mark.parametrize("repro", REPROS, ids=each)
def test_its_dependencies_show_it(repro: Repro) -> None:
    """``uv run`` makes an environment in which the bug is seen."""
    pins = {Requirement(text).name: Requirement(text) for text in repro.dependencies}
    release = Version(str(pins["keras"].specifier).removeprefix("=="))
    backend = next(
        b for b in ("tensorflow", "jax", "torch") if any(p.startswith(b) for p in pins)
    )
    no_release_has_it = not any(repro.affected.by_backend.values())
    assert repro.expected(release, backend) is Verdict.AFFECTED or no_release_has_it
    if backend != "tensorflow":
        assert (
            f'os.environ.setdefault("KERAS_BACKEND", "{backend}")' in repro.path.read_text()
        )


@pytest.mark.parametrize("repro", REPROS, ids=each)
def test_teeth(repro: Repro) -> None:
    """It is affected in one published cell and unaffected in another."""
    seen = {PUBLISHED.verdict(cell, repro) for cell in PUBLISHED.cells}
    two_sided = {Verdict.AFFECTED, Verdict.UNAFFECTED} <= seen
    assert two_sided is (repro.id not in PATCHED), seen


def test_published_results_repros_and_readme_hold_together() -> None:
    assert published.check(PROJECT) == []


def test_the_check_finds_what_does_not_hold_together(tmp_path: Path) -> None:
    """Each of the three broken once."""
    for name in (
        "matrix.toml",
        "README.md",
        "results",
        "repros",
        "repros/culprits",
        "docs",
    ):
        source = ROOT / name
        target = tmp_path / name
        if source.is_dir():
            target.mkdir()
            for path in source.iterdir():
                if path.is_file():
                    (target / path.name).write_bytes(path.read_bytes())
        else:
            target.write_bytes(source.read_bytes())
    project = Project(tmp_path)
    assert published.check(project) == []

    readme = tmp_path / "README.md"
    text = readme.read_text()
    readme.write_text(text.replace("3.6.0–3.7.0", "3.6.0–3.8.0"))
    assert any("README.md" in line for line in published.check(project))
    readme.write_text(text)

    repro = tmp_path / "repros" / "dict_losses_applied_alphabetically.py"
    code = repro.read_text()
    repro.write_text(code.replace("assert total ==", "assert total !="))
    assert any("another version of the file" in line for line in published.check(project))
    repro.write_text(
        code.replace('# affected = ">=3.5.0,<3.7.0"', '# affected = ">=3.5.0"')
    )
    assert any("declared otherwise" in line for line in published.check(project))
    repro.write_text(code)

    stored = next((tmp_path / "repros" / "culprits").glob("*.json"))
    kept = stored.read_text()
    stored.write_text(kept.replace('"digest": "', '"digest": "0'))
    assert any("another version of the repro" in line for line in published.check(project))
    stored.write_text("{")
    assert any("cannot be read" in line for line in published.check(project))
    stored.write_text(kept)
    results = tmp_path / "results" / "jax-0.4.json"
    kept = results.read_text()
    results.write_text(kept.replace('"schema": 1', '"schema": 7'))
    assert any("have schema 7" in line for line in published.check(project))
    results.write_text(kept)
    page = tmp_path / "docs" / "culprits.md"
    page.write_text(page.read_text().replace("| same |", "| part |", 1))
    assert any("docs/culprits.md" in line for line in published.check(project))

    (tmp_path / "results" / "jax-0.4.json").unlink()
    assert any(
        "results/jax-0.4.json: is not there" in line for line in published.check(project)
    )


def test_no_stored_culprit_names_a_folder_of_a_machine() -> None:
    for path in (ROOT / "repros" / "culprits").iterdir():
        found = re.findall(
            r"(?<![\w.…])/(?:root|home|tmp|Users|private|var)/\S+", path.read_text()
        )
        assert not found, (path.name, found)
