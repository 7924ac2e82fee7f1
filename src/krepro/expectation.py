"""Expectations: the declared ranges in a repro's metadata, rewritten from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from packaging.version import Version

from krepro import ranges
from krepro.report import Report
from krepro.repro import BACKENDS, Repro, block_toml, metadata_block
from krepro.result import write_atomically
from krepro.verdict import Verdict

Rows = Mapping[str, Mapping[Version, Verdict | None]]


def update(report: Report, repro: Repro, *, write: bool) -> list[str] | None:
    """Bring a repro's declared ranges in line with what was measured.

    Args:
        report: verdicts on the primary stacks and the reference stacks.
        repro: the repro.
        write: whether to change the file.

    Returns:
        What changed, as ``field = value``, or None where not everything is known.
    """
    primary = [stack for stack in report.stacks if stack.primary]
    rows = {stack.backend: report.row(repro, stack) for stack in primary}
    said = [
        o.verdict for _, _, found in report.measured() for o in found.workarounds.values()
    ]
    everywhere = set(rows) == set(BACKENDS) and complete(rows.values())
    if not everywhere or not all(verdict.known for verdict in said):
        return None
    fields: dict[str, Any] = {
        "affected": by_backend(rows, report.releases, Verdict.AFFECTED),
        "applies": applies(rows, report.releases),
        "works": works(report, repro),
        "keras2": keras_2(report, repro),
    }
    return rewrite(repro.path, fields, write=write)


def complete(rows: Iterable[Mapping[Version, Verdict | None]]) -> bool:
    """Whether every verdict is a fact."""
    return all(v is not None and v.known for row in rows for v in row.values())


def simplest(table: dict[str, list[str]]) -> Any:
    """Return ranges by backend in the shortest form that metadata allows."""
    short = {name: spec[0] if len(spec) == 1 else spec for name, spec in table.items()}
    values = list(short.values())
    if all(value == values[0] for value in values):
        return values[0]
    return {name: value for name, value in short.items() if value}


def by_backend(rows: Rows, releases: list[Version], wanted: Verdict) -> Any:
    """Return where a verdict was measured, as metadata has it."""
    return simplest(
        {name: ranges.specifiers(row, releases, wanted) for name, row in rows.items()}
    )


def applies(rows: Rows, releases: list[Version]) -> Any:
    """Return where the repro applies, or None where it does everywhere."""
    there = {
        name: {
            release: Verdict.UNAFFECTED if v is Verdict.NOT_APPLICABLE else Verdict.AFFECTED
            for release, v in row.items()
        }
        for name, row in rows.items()
    }
    if all(v is Verdict.AFFECTED for row in there.values() for v in row.values()):
        return None
    return by_backend(there, releases, Verdict.AFFECTED)


def works(report: Report, repro: Repro) -> dict[str, Any] | None:
    """Return where each workaround works, those left out that work wherever it applies."""
    table = {}
    for name in repro.workarounds:
        rows = {
            stack.backend: {
                Version(cell.release): found.workarounds[name].verdict
                for cell in report.cells
                if cell.stack == stack.name
                and (found := report.measurement(cell, repro))
                and name in found.workarounds
            }
            for stack in report.stacks
            if stack.primary
        }
        verdicts = {verdict for row in rows.values() for verdict in row.values()}
        if verdicts - {Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE}:
            table[name] = by_backend(rows, report.releases, Verdict.UNAFFECTED)
    return table or None


def keras_2(report: Report, repro: Repro) -> str | None:
    """Return the verdict on the reference stack, where the repro has one."""
    if repro.keras2 is None:
        return None
    for stack in report.stacks:
        for verdict in report.row(repro, stack).values() if stack.subject else ():
            if verdict and verdict.known:
                return verdict.value
    return repro.keras2


def rewrite(path: Path, fields: Mapping[str, Any], *, write: bool) -> list[str]:
    """Set fields of ``[tool.krepro]`` in a repro file; None removes a field.

    Comments and the order of the other fields stay as they are.
    """
    source = path.read_text(encoding="utf-8")
    block = metadata_block(source)
    assert block is not None
    document = tomlkit.parse(block_toml(block))
    table: Any = document["tool"]["krepro"]
    changes = []
    for name, value in fields.items():
        old = table.get(name)
        if (old.unwrap() if old is not None else None) == value:
            continue
        if value is None:
            del table[name]
            changes.append(f"{name} removed")
            continue
        item = tomlkit.item(value)
        if isinstance(value, dict):
            item = tomlkit.inline_table()
            item.update(value)
        table[name] = item
        changes.append(f"{name} = {item.as_string()}")
    if changes and write:
        content = "".join(
            f"# {line}\n" if line else "#\n"
            for line in tomlkit.dumps(document).rstrip("\n").splitlines()
        )
        start, end = block.span("content")
        write_atomically(path, (source[:start] + content + source[end:]).encode())
    return changes
