"""What a hunt found, as text, as a page and as data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krepro.fuzz.hunt import Finding, Tally
from krepro.fuzz.reference import RULES
from krepro.fuzz.store import tally_data
from krepro.fuzz.write import title_of
from krepro.matrix import Cell

SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """A hunt: where, what was done, and what was found; ``seconds`` are those of all its runs."""

    cells: tuple[Cell, ...]
    seed: int
    tally: Tally
    findings: tuple[Finding, ...]
    paths: tuple[Path, ...]
    seconds: float
    stopped: bool

    @property
    def unused_rules(self) -> list[str]:
        """The rules of the reference that no program put to use."""
        return [name for name in RULES if not self.tally.rules[name]]


def finding_lines(finding: Finding, path: Path, again: int = 0) -> Iterator[str]:
    """Yield the lines that tell a finding, met in so many other programs."""
    divergence = finding.divergence
    yield f"NEW  {title_of(divergence)}"
    yield f"     seen in {', '.join(map(str, finding.sights))}"
    if divergence.site:
        yield f"     raised in {divergence.site}"
    if again:
        yield f"     met again in {again} other program{'' if again == 1 else 's'}"
    if not finding.confirmed:
        yield "     not again in a fresh process: an earlier program left something behind"
    yield f"     {path}"


def text(outcome: Outcome) -> str:
    """Return a hunt as a terminal shows it."""
    return "\n".join(text_lines(outcome)) + "\n"


def text_lines(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of a report."""
    tally = outcome.tally
    count = len(outcome.findings)
    yield (
        f"{tally.programs} programs in {outcome.seconds:.0f} s, seed {outcome.seed}: "
        f"{count} new finding{'' if count == 1 else 's'}"
        + (", stopped early: the same command goes on" if outcome.stopped else "")
    )
    yield ""
    for cell in outcome.cells:
        if cell in tally.untestable:
            yield f"  {cell}: untestable: {tally.untestable[cell]}"
            continue
        seconds = tally.seconds[cell]
        speed = f"{tally.plays[cell] / seconds:.1f} a second" if seconds else "none"
        line = f"  {cell}: {tally.plays[cell]} played, {speed}"
        if tally.not_applicable[cell]:
            line += f"; {tally.not_applicable[cell]} asked for what it lacks"
        yield line
    for finding, path in zip(outcome.findings, outcome.paths, strict=True):
        yield ""
        yield from finding_lines(finding, path, tally.seen_again[finding.key])
    yield from counted("Known, met again:", tally.known)
    if outcome.unused_rules:
        yield ""
        yield f"Rules not triggered: {', '.join(outcome.unused_rules)}"
    yield from counted("Invariants tried:", tally.invariants)
    yield from counted("What documentation does not tell:", tally.silent)
    if outcome.findings:
        yield ""
        yield f"Next: krepro bisect {outcome.paths[0]}"


def counted(title: str, counts: Counter[str]) -> Iterator[str]:
    """Yield the lines of what was counted, the most frequent first."""
    if counts:
        yield ""
        yield title
    for name, times in counts.most_common():
        yield f"  {times:5d}  {name}"


def markdown(outcome: Outcome) -> str:
    """Return a hunt as a page."""
    lines = ["# krepro fuzz", "", next(text_lines(outcome)), ""]
    lines += ["| cell | programs | a second |", "|---|---|---|"]
    for cell in outcome.cells:
        plays, seconds = outcome.tally.plays[cell], outcome.tally.seconds[cell]
        speed = (
            f"{plays / seconds:.1f}" if seconds else outcome.tally.untestable.get(cell, "")
        )
        lines.append(f"| {cell} | {plays} | {speed} |")
    for finding in outcome.findings:
        lines += ["", f"## {title_of(finding.divergence)}", ""]
        lines.append(f"Seen in {', '.join(map(str, finding.sights))}.")
    if outcome.tally.known:
        lines += ["", "| known | met |", "|---|---|"]
        lines += [f"| `{name}` | {n} |" for name, n in outcome.tally.known.most_common()]
    return "\n".join(lines) + "\n"


def as_json(outcome: Outcome) -> str:
    """Return a hunt as JSON."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "seed": outcome.seed,
        "seconds": round(outcome.seconds, 1),
        "stopped": outcome.stopped,
        **tally_data(outcome.tally),
        "rules not triggered": outcome.unused_rules,
        "findings": [
            {
                "title": title_of(finding.divergence),
                "file": str(path),
                "confirmed": finding.confirmed,
                "met again": outcome.tally.seen_again[finding.key],
                "sights": [
                    {
                        "release": cell.release,
                        "stack": cell.stack,
                        "kind": found.kind.value,
                        "call": found.call,
                        "subject": found.subject,
                        "expected": found.expected,
                        "seen": found.seen,
                        "distance": found.size,
                        "tolerance": found.tolerance,
                        "site": found.site,
                    }
                    for cell, found in finding.sights.items()
                ],
            }
            for finding, path in zip(outcome.findings, outcome.paths, strict=True)
        ],
    }
    return json.dumps(data, indent=1) + "\n"


FORMATS: dict[str, Callable[[Outcome], str]] = {
    "text": text,
    "json": as_json,
    "markdown": markdown,
}
