"""What a release does otherwise than another: for a terminal, Markdown, GitHub, JUnit and as data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from krepro.comparison import Change, Comparison, Entry, together
from krepro.render.github import escape as data_of_command
from krepro.render.junit import printable
from krepro.render.markdown import escape, row
from krepro.report import Report, grouped, troubles

WIDTH = 100
MOST_TEXT = 160
# There may be too many of them for a line each, and a line would say nothing of its own.
SUMMED_UP = (Change.KEPT, Change.UNKNOWN)
LEVELS = {Change.GAINED: "error", Change.BROKEN: "error"}


def as_text(comparison: Comparison, place: str = "") -> str:
    """Return a comparison as text; ``place`` says where a checkout is."""
    backends = [stack.backend for stack in comparison.stacks]
    lines = [headline(comparison, place), ""]
    lines.append(" " * 8 + "".join(f"{backend:>12}" for backend in backends))
    for change in Change:
        counts = [comparison.counts(stack)[change] for stack in comparison.stacks]
        numbers = "".join(f"{count:>12}" for count in counts)
        lines.append(f"{change.value:<8}{numbers}   {change.meaning}")
    for change in Change:
        found = together(comparison.of(change))
        if found:
            lines += ["", change.value]
        if change in SUMMED_UP:
            lines += list(_names(found))
        else:
            lines += [f"  {line(entry, names)}" for entry, names in found]
    return "\n".join([*lines, "", conclusion(comparison)]) + "\n"


def _names(found: list[tuple[Entry, list[str]]]) -> Iterator[str]:
    """Yield the names of entries as paragraphs, those on the same backends together."""
    groups: dict[str, list[str]] = {}
    for entry, backends in found:
        groups.setdefault(" ".join(backends), []).append(entry.name)
    for where, names in groups.items():
        text = f"[{where}] {', '.join(names)}"
        parts = textwrap.wrap(text, WIDTH - 4)
        for number, part in enumerate(parts):
            yield f"    {part}" if number else f"  {part}"


def headline(comparison: Comparison, place: str = "") -> str:
    """Return what is compared with what."""
    text = f"Keras {comparison.new} against {comparison.old}"
    return f"{text}: {place}" if place else text


def line(entry: Entry, backends: list[str]) -> str:
    """Return an entry in one line."""
    text = f"{entry.name} [{' '.join(backends)}] {entry.turn}"
    message = " ".join(entry.message.split())
    if len(message) > MOST_TEXT:
        message = f"{message[:MOST_TEXT]}..."
    return f"{text}: {message}" if message else text


def conclusion(comparison: Comparison) -> str:
    """Return what a comparison comes to."""
    counts = {change: len(together(comparison.of(change))) for change in Change}
    said = ", ".join(f"{n} {change.value}" for change, n in counts.items() if n)
    text = f"{comparison.asked} verdicts compared: {said or 'nothing changed'}"
    harm = counts[Change.GAINED] + counts[Change.BROKEN]
    if not harm and not counts[Change.UNKNOWN]:
        return f"{text}; no new bug"
    return text


def as_markdown(comparison: Comparison, place: str = "", level: int = 2) -> str:
    """Return a comparison as Markdown, its heading at a level."""
    parts = [f"{'#' * level} {headline(comparison, place)}\n"]
    heads = ["", *(stack.backend for stack in comparison.stacks), ""]
    rows = [row(heads), row(["---"] * len(heads))]
    for change in Change:
        counts = [str(comparison.counts(stack)[change]) for stack in comparison.stacks]
        rows.append(row([change.value, *counts, change.meaning]))
    parts.append("\n".join(rows) + "\n")
    for change in Change:
        found = together(comparison.of(change))
        if not found:
            continue
        items = "\n".join(f"- {_item(entry, names)}" for entry, names in found) + "\n"
        if change in SUMMED_UP:
            head = f"{len(found)} {change.value}: {change.meaning}"
            parts.append(f"<details>\n<summary>{head}</summary>\n\n{items}\n</details>\n")
        else:
            parts.append(f"{'#' * (level + 1)} {change.value.capitalize()}\n\n{items}")
    return "\n".join([*parts, conclusion(comparison) + ".\n"])


def _item(entry: Entry, backends: list[str]) -> str:
    text = f"`{entry.name}` on {', '.join(backends)}: {entry.turn}"
    if entry.change is Change.KEPT:
        return f"`{entry.name}` on {', '.join(backends)}"
    # A backtick would end the code that it is shown as.
    message = escape(entry.message)[:MOST_TEXT].replace("`", "'")
    return f"{text}. {escape(entry.repro.title)}" + (f" (`{message}`)" if message else "")


def as_commands(comparison: Comparison, report: Report) -> str:
    """Return workflow commands for GitHub: an error for each harm, a notice for each other change."""
    lines = []
    for change in (Change.GAINED, Change.BROKEN, Change.LOST, Change.OTHER):
        level = LEVELS.get(change, "notice")
        for entry, backends in together(comparison.of(change)):
            title = f"{change.value} against {comparison.old}"
            told = f"{line(entry, backends)} ({entry.repro.title})"
            lines.append(f"::{level} title={title}::{data_of_command(told)}")
    new = str(comparison.new)
    of_others = [d for d in report.differences() if d.cell.release != new]
    lines += [
        f"::warning title={title}::{data_of_command(text)}"
        for title, texts in (
            ("untestable", troubles(report.untestable())),
            ("not the declared verdict", grouped(of_others)),
        )
        for text in texts
    ]
    if missing := len(report.unmeasured()):
        lines.append(f"::warning title=not measured::{missing} verdicts were not measured")
    lines.append(f"::notice title=krepro::{data_of_command(conclusion(comparison))}")
    return "\n".join(lines) + "\n"


def as_junit(comparison: Comparison, report: Report) -> str:
    """Return a comparison as JUnit XML: a suite per backend, a case per repro.

    A new bug is a failure; what is not known is an error; a bug on both sides is no failure.
    """
    root = ET.Element("testsuites", name=f"krepro {headline(comparison)}")
    for stack in comparison.stacks:
        suite = ET.SubElement(root, "testsuite", name=f"{comparison.new}@{stack.name}")
        found: dict[str, list[Entry]] = {}
        for entry in comparison.entries:
            if entry.stack == stack:
                found.setdefault(entry.repro.id, []).append(entry)
        for repro in report.repros:
            case = ET.SubElement(
                suite, "testcase", classname=f"krepro.{stack.backend}", name=repro.id
            )
            entries = found.get(repro.id, [])
            harm = [entry for entry in entries if entry.change.harmful]
            gaps = [entry for entry in entries if entry.change is Change.UNKNOWN]
            for tag, those in (("failure", harm), ("error", gaps)):
                if those:
                    text = printable("\n".join(line(e, [stack.backend]) for e in those))
                    ET.SubElement(case, tag, message=text, type=those[0].change.value)
                    break
            else:
                said = [f"{e.change.value}: {line(e, [stack.backend])}" for e in entries]
                if said:
                    ET.SubElement(case, "system-out").text = printable("\n".join(said))
        suite.set("tests", str(len(report.repros)))
        for tag, name in (("failure", "failures"), ("error", "errors")):
            suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def to_data(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data: ``changes`` has an entry per repro and backend."""
    return {
        "old": str(comparison.old),
        "new": str(comparison.new),
        "compared": comparison.asked,
        "counts": {
            change.value: {
                stack.backend: comparison.counts(stack)[change]
                for stack in comparison.stacks
            }
            for change in Change
        },
        "changes": [
            {
                "repro": entry.repro.id,
                "workaround": entry.function or None,
                "backend": entry.stack.backend,
                "stack": entry.stack.name,
                "change": entry.change.value,
                "before": entry.before.value if entry.before else None,
                "after": entry.after.value if entry.after else None,
                "message": entry.message,
            }
            for change in Change
            for entry in comparison.of(change)
        ],
        "exit_code": int(comparison.exit_code()),
    }
