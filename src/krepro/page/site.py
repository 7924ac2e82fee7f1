"""The files of the page: rendered, and written as a whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import DiffLexer, PythonLexer

from krepro import __version__
from krepro.home import remove
from krepro.hunt.culprit import Culprit
from krepro.page import data
from krepro.page.data import NAMES, Grid, paint
from krepro.project import SelectionError, check_writable, normal
from krepro.published import Published
from krepro.render import story
from krepro.render.markdown import live_on
from krepro.render.text import by_area
from krepro.report import Report
from krepro.repro import KINDS, Repro

INDEX = "index.html"
STATIC = ("page.css", "page.js")
ENVIRONMENTS = "environments.js"
REPROS, EVIDENCE = "repro", "evidence"
OWN = frozenset({INDEX, *STATIC, ENVIRONMENTS, REPROS, EVIDENCE})
GENERATOR = '<meta name="generator" content="krepro'
FORMATTER, PYTHON, DIFF = HtmlFormatter(nowrap=True), PythonLexer(), DiffLexer()


class NotWritten(OSError):
    """The page could not be written; what was there before is untouched."""


@dataclass(frozen=True)
class Site:
    """All that is shown: verdicts, where they come from, culprits.

    ``published`` has the published results that verdicts come from, by stack, ``hidden`` what
    stands for paths of this machine.
    """

    report: Report
    published: Mapping[str, Published]
    culprits: Mapping[str, Sequence[Culprit]]
    hidden: Mapping[str, str]

    @cached_property
    def grid(self) -> Grid:
        """The matrix."""
        return Grid(self.report)

    @cached_property
    def keras3(self) -> Grid:
        """The matrix without the reference stacks."""
        reference = {stack.name for stack in self.report.stacks if stack.subject}
        cells = tuple(c for c in self.report.cells if c.stack not in reference)
        return Grid(dataclasses.replace(self.report, cells=cells))

    @cached_property
    def templates(self) -> jinja2.Environment:
        """The templates, told what every page needs."""
        found = jinja2.Environment(
            loader=jinja2.PackageLoader("krepro.page"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        found.globals.update(
            version=__version__,
            grid=self.grid,
            ids=frozenset(repro.id for repro in self.report.repros),
            to_html=data.to_html,
            paragraphs=data.paragraphs,
            upstream=story.UPSTREAM,
        )
        return found

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield every file of the page: its path below the folder, and its text."""
        static = resources.files("krepro.page") / "static"
        for name in STATIC:
            yield name, (static / name).read_text(encoding="utf-8")
        yield INDEX, self.index()
        environments = data.to_environments(self.report, self.published)
        yield ENVIRONMENTS, called("environments", environments)
        for repro in self.report.repros:
            yield f"{REPROS}/{repro.id}.html", self.page(repro)
            evidence = data.to_evidence(self.report, repro, self.hidden)
            yield f"{EVIDENCE}/{repro.id}.js", called("evidence", repro.id, evidence)

    def index(self) -> str:
        """Return the page with the matrix."""
        report = self.report
        rows = {repro.id: self.grid.row(repro) for repro in report.repros}
        found = [each for _, _, each in report.measured()]
        published = sum(map(data.is_published, found))
        return self.templates.get_template("index.html").render(
            areas=list(by_area(report)),
            kinds=[k for k in KINDS if any(r.kind == k for r in report.repros)],
            rows=rows,
            paints=data.to_paints(rows.values()),
            client=data.to_client(self.grid, report.matrix.reference_stacks()),
            live={r.id for r in report.repros if report.releases and live_on(report, r)},
            words={repro.id: words(repro) for repro in report.repros},
            counts={
                "verdicts": len(found),
                "published": published,
                "measured": len(found) - published,
            },
            seen={paint(v) for v in report.counts()},
            newest=str(report.releases[-1]) if report.releases else "",
        )

    def page(self, repro: Repro) -> str:
        """Return the page of one repro."""
        report = story.of_one(self.report, repro)
        grid, told = self.keras3, story.to_data(report, repro)
        rows = [
            (
                grid.label(stack),
                stack.name,
                told["affected"][stack.name],
                [painted(row[number]) for row in grid.row(repro)],
            )
            for number, stack in enumerate(grid.stripes)
        ]
        verdicts = {each.verdict for _, _, each in report.measured()}
        return self.templates.get_template("repro.html").render(
            repro=repro,
            client=data.to_client(grid, self.report.matrix.reference_stacks()),
            keras3=grid,
            rows=rows,
            references=[
                (
                    self.grid.label(stack),
                    cell.stack,
                    cell.release,
                    verdict.value,
                    paint(verdict),
                )
                for cell in self.grid.references
                if (verdict := report.verdict(cell, repro))
                and (stack := report.matrix.find_stack(cell.stack))
            ],
            seen=set(map(paint, verdicts)),
            names=NAMES,
            story=told,
            why=str(story.why(repro)),
            links=list(story.links(repro)),
            commands=commands(report, repro),
            script=highlight(repro.path.read_text(encoding="utf-8"), PYTHON, FORMATTER),
            culprits=[
                (each, highlight(each.diff, DIFF, FORMATTER))
                for each in self.culprits.get(repro.id, ())
            ],
        )


def painted(mark: str) -> tuple[str, str]:
    """Return a mark and what it is painted as."""
    return mark, paint(data.OF_MARKS[mark]) if mark in data.OF_MARKS else ""


def words(repro: Repro) -> str:
    """Return what the page's search looks at besides title and id."""
    changes = (*repro.issues, repro.introduced, repro.fixed)
    numbers = (f"#{each}" for each in changes if each)
    return " ".join((*dict.fromkeys(numbers), *repro.symptoms))


def commands(report: Report, repro: Repro) -> list[tuple[str, str]]:
    """Return what to run, each with what it does."""
    return [
        ("Run it where it was seen last", story.command(report, repro)),
        ("Measure it on every release", f"krepro matrix {repro.id} --tier all"),
        ("Draft a report for upstream", f"krepro report {repro.id}"),
        ("Run it without krepro", f"uv run repros/{repro.id}.py"),
    ]


def called(name: str, *arguments: Any) -> str:
    """Return a script that hands data to page.js: what file:// can load."""
    texts = (json.dumps(a, ensure_ascii=False, separators=(",", ":")) for a in arguments)
    return f"krepro.{name}({','.join(texts)});\n"


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written, or that holds something else than a page.

    Raises:
        SelectionError: which of the two, and what to do.
    """
    folder = normal(folder)
    if not folder.parent.is_dir():
        raise SelectionError(f"{folder}: {folder.parent} is no folder: make it first")
    check_writable(folder)
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise SelectionError(f"{folder}: is not a folder: name another with --output")
    there = {path.name for path in folder.iterdir()}
    foreign = sorted(there - OWN)
    if there and not foreign and not _is_page(folder / INDEX):
        foreign = sorted(there)
    if foreign:
        raise SelectionError(
            f"{folder}: holds {foreign[0]}, which is not of the page and would be lost: name "
            "another folder with --output, or move it away"
        )


def _is_page(index: Path) -> bool:
    try:
        return GENERATOR in index.read_text(encoding="utf-8")[:2000]
    except (OSError, UnicodeDecodeError):
        return False


def write(site: Site, folder: Path) -> int:
    """Write a page into a folder, in place of the page that was there.

    It is written beside the folder first, so what was there is replaced by a whole page or not
    at all.

    Returns:
        How large the page is, in bytes.

    Raises:
        SelectionError: the folder is not for a page.
        NotWritten: the page could not be written; what was there is still there.
    """
    check_folder(folder)
    folder = normal(folder)
    new = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    size_bytes = 0
    try:
        for name, text in site.files():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            size_bytes += path.write_bytes(text.encode())
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        raise NotWritten(
            f"{folder}: the page could not be written ({error.strerror or error}); what was "
            "there before is untouched: free some space or name another folder with --output"
        ) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    remove(old)
    return size_bytes
