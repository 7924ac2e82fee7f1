"""The story of one repro in a screen: what you see, who is affected, what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from packaging.version import Version
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from krepro import ranges
from krepro.hunt.culprit import INTRODUCED, Culprit
from krepro.matrix import Stack
from krepro.render.text import mark
from krepro.report import Report
from krepro.repro import Repro
from krepro.verdict import Verdict

UPSTREAM = "https://github.com/keras-team/keras"


def of_one(report: Report, repro: Repro) -> Report:
    """Return a report narrowed to one repro."""
    return Report(report.matrix, report.cells, (repro,), report.found, report.identities)


def to_data(
    report: Report, repro: Repro, culprits: Sequence[Culprit] = ()
) -> dict[str, Any]:
    """Return the story as plain data."""
    by_stack = {
        stack.name: report.range(repro, stack)
        for stack in report.stacks
        if not stack.subject
    }
    return {
        "schema": 1,
        "id": repro.id,
        "title": repro.title,
        "kind": repro.kind,
        "area": repro.area,
        "story": repro.docstring,
        "symptoms": list(repro.symptoms),
        "affected": by_stack,
        "keras2": repro.keras2,
        "keeps_the_promise": kept_by(report, repro),
        "introduced": repro.introduced,
        "fixed": repro.fixed,
        "issues": list(repro.issues),
        "announced": list(repro.announced),
        "docs": list(repro.docs),
        "related": list(repro.related),
        "workarounds": [
            {"name": name, "what": what, "works": works}
            for name, what, works in workarounds(report, repro)
        ],
        "culprits": [
            {
                "direction": culprit.direction,
                "base": culprit.base,
                "other": culprit.other,
                "functions": list(culprit.names),
                "diff": culprit.diff,
            }
            for culprit in culprits
        ],
        "unaffected_releases": free_releases(report, repro),
        "run": command(report, repro),
        "file": str(repro.path),
    }


def render(
    report: Report, repro: Repro, culprits: Sequence[Culprit] = ()
) -> RenderableType:
    """Return the story for rich to print."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for head, content in rows(report, repro, culprits):
        table.add_row(head, content)
    title = Text(repro.title, "bold")
    what = Text(f"{repro.id}: {repro.kind}, {repro.area}", "dim")
    return Group(title, what, "", table)


def rows(
    report: Report, repro: Repro, culprits: Sequence[Culprit]
) -> Iterator[tuple[str, RenderableType]]:
    """Yield the rows of the story, a head and what is to say under it."""
    yield "What you see", Padding(Text(unwrapped(repro.docstring)), (0, 0, 1, 0))
    for symptom in repro.symptoms:
        yield "Symptom", Text(symptom, "red")
    yield "Who", who(report, repro)
    kept = kept_by(report, repro)
    if kept:
        yield "", Text(f"{report.releases[-1]} keeps the promise on {', '.join(kept)}")
    yield "Why", why(repro)
    for culprit in culprits:
        yield "", culprit_text(repro, culprit)
    first = True
    for name, what, works in workarounds(report, repro):
        text = Text(what.rstrip("."))
        text.append(f"  ({name}: {works})", "dim")
        yield "What to do" if first else "", text
        first = False
    free = free_releases(report, repro)
    if free:
        names = ", ".join(f"{backend} {' or '.join(r)}" for backend, r in free.items())
        if len(free) > 1 and len({tuple(r) for r in free.values()}) == 1:
            names = " or ".join(next(iter(free.values())))
        yield "What to do" if first else "", Text(f"use a release without it: {names}")
    yield "Links", Text("\n".join(links(repro)), "cyan")
    if repro.related:
        yield "See also", Text(", ".join(repro.related))
    yield "Try it", Text(command(report, repro))


def unwrapped(text: str) -> str:
    """Return a text with one line per paragraph, for the terminal to wrap."""
    return "\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def who(report: Report, repro: Repro) -> RenderableType:
    """Return the affected range of each stack beside a mark for each release."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for stack in report.stacks:
        if stack.subject:
            if repro.keras2:
                marks = Text("").join(
                    Text(*mark(v)) for v in report.row(repro, stack).values() if v
                )
                table.add_row("Keras 2", marks, repro.keras2)
            continue
        table.add_row(
            stack.backend, strip(report, repro, stack), report.range(repro, stack)
        )
    return table


def strip(report: Report, repro: Repro, stack: Stack) -> Text:
    """Return a mark per release, lines of releases apart."""
    text = Text()
    line = ""
    for release, verdict in sorted(report.row(repro, stack).items()):
        here = f"{release.major}.{release.minor}"
        if line not in ("", here):
            text.append(" ")
        line = here
        text.append(*mark(verdict))
    return text


def why(repro: Repro) -> Text:
    """Return what brought it and what mended it, as far as that was established."""
    parts = []
    if repro.introduced:
        parts.append(f"came with {change(repro.introduced)}")
    if repro.fixed:
        parts.append(f"went with {change(repro.fixed)}")
    if repro.announced:
        parts.append(f"a deliberate change, announced in {', '.join(repro.announced)}")
    return Text("; ".join(parts) or "the upstream change is not established")


def culprit_text(repro: Repro, culprit: Culprit) -> Text:
    """Return the functions that turned it between two releases, and how to see the lines."""
    names = list(dict.fromkeys(name.rpartition(": ")[2] for name in culprit.names))
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    pair = f"{culprit.base} to {culprit.other}"
    if culprit.direction == INTRODUCED:
        return Text(f"{pair}: what brought it in lies in {shown}")
    text = Text(f"{pair}: what mended it lies in {shown}")
    text.append(f"; a patch: krepro culprit {repro.id} --direction fixed -f diff", "dim")
    return text


def change(number: int | str) -> str:
    """Return how people name an upstream change."""
    return f"#{number}" if isinstance(number, int) else f"commit {number}"


def links(repro: Repro) -> Iterator[str]:
    """Yield the addresses of the issues, the changes, and where the promise is written."""
    for number in repro.issues:
        yield f"{UPSTREAM}/issues/{number}"
    for made in dict.fromkeys((repro.introduced, repro.fixed)):
        if made and made not in repro.issues:
            place = "pull" if isinstance(made, int) else "commit"
            yield f"{UPSTREAM}/{place}/{made}"
    yield from repro.docs


def workarounds(report: Report, repro: Repro) -> Iterator[tuple[str, str, str]]:
    """Yield each workaround: its name, what it does, and where it was seen to work."""
    stacks = {stack.name for stack in report.stacks if not stack.subject}
    for name, story in stories(repro).items():
        said: dict[str, set[Verdict]] = {}
        failing: dict[str, list[Version]] = {}
        for cell in report.cells:
            found = report.measurement(cell, repro) if cell.stack in stacks else None
            outcome = found.workarounds.get(name) if found else None
            if outcome is None:
                continue
            backend = report.matrix.find_stack(cell.stack).backend
            said.setdefault(backend, set()).add(outcome.verdict)
            if outcome.verdict is Verdict.AFFECTED:
                failing.setdefault(backend, []).append(Version(cell.release))
        yield name, story, works_text(report, said, failing)


def stories(repro: Repro) -> dict[str, str]:
    """Return what each workaround does, in a line."""
    tree = ast.parse(repro.path.read_text(encoding="utf-8"))
    found = {
        node.name: (ast.get_docstring(node) or "").partition("\n\n")[0]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    return {name: " ".join(found[name].split()) for name in repro.workarounds}


def works_text(
    report: Report, said: dict[str, set[Verdict]], failing: dict[str, list[Version]]
) -> str:
    """Return where a workaround works, in a few words."""
    if not said:
        return "not measured"
    if not failing:
        return "works wherever it was measured"
    parts = []
    for backend, releases in failing.items():
        verdicts: dict[Version, Verdict | None] = {
            release: Verdict.AFFECTED if release in releases else Verdict.UNAFFECTED
            for release in report.releases
        }
        parts.append(f"{backend} {ranges.describe(verdicts, report.releases)}")
    texts = {part.split(" ", 1)[1] for part in parts}
    if len(texts) == 1 and len(parts) == len(said):
        return f"fails on {texts.pop()}"
    return f"fails on {'; '.join(parts)}"


def kept_by(report: Report, repro: Repro) -> list[str]:
    """Return the backends whose newest release keeps the promise, where another breaks it."""
    newest = report.releases[-1]
    said = {
        stack.backend: report.row(repro, stack).get(newest)
        for stack in report.stacks
        if not stack.subject
    }
    if Verdict.AFFECTED not in said.values():
        return []
    return [backend for backend, verdict in said.items() if verdict is Verdict.UNAFFECTED]


def free_releases(report: Report, repro: Repro) -> dict[str, list[str]]:
    """Return, per affected backend, the nearest releases without it on either side."""
    found = {}
    for stack in report.stacks:
        if stack.subject:
            continue
        row = report.row(repro, stack)
        bad = [r for r, v in sorted(row.items()) if v is Verdict.AFFECTED]
        if not bad:
            continue
        good = [r for r, v in sorted(row.items()) if v is Verdict.UNAFFECTED]
        before = [r for r in good if r < bad[0]][-1:]
        after = [r for r in good if r > bad[-1]][:1]
        if before or after:
            found[stack.backend] = [str(release) for release in (*before, *after)]
    return found


def command(report: Report, repro: Repro) -> str:
    """Return a command that shows it, on the newest affected release."""
    for stack in report.stacks:
        bad = [r for r, v in report.row(repro, stack).items() if v is Verdict.AFFECTED]
        if bad and not stack.subject:
            return f"krepro run {repro.id} -r {max(bad)} -b {stack.backend}"
    return f"krepro run {repro.id}"
