"""What a bisection found, for a terminal, for an issue, and as data."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version
from rich.console import Group, RenderableType
from rich.text import Text

from krepro import __version__, release
from krepro.hunt.bisect import Seen, Track
from krepro.hunt.commits import CommitTurn
from krepro.hunt.target import Target
from krepro.ranges import Interval
from krepro.verdict import Verdict

SCHEMA = 1
# What verdicts mean of a script, which declares nothing.
OF_SCRIPTS = {
    Verdict.AFFECTED: "the symptom was seen",
    Verdict.UNAFFECTED: "it ended well, without the symptom",
    Verdict.ERROR: "it failed in another way",
}
UNMEASURED = ("·", "dim")
# Of a drawing: room for the name of a backend, and where it goes on in the next line.
INDENT, WIDTH = 11, 80


@dataclass(frozen=True)
class Bisection:
    """All that is told of a search: what was run, with which command, what was found.

    ``commits`` are lines on what a clone's history said.
    """

    target: Target
    command: str
    tracks: tuple[Track, ...]
    identities: dict[str, dict[str, str]]
    commits: tuple[CommitTurn, ...] = ()

    @property
    def symptom(self) -> str:
        """What was looked for, in a line."""
        if self.target.repro:
            return self.target.repro.title
        found = [str(track.symptom) for track in self.tracks if track.symptom]
        return " / ".join(dict.fromkeys(found))


def render(found: Bisection) -> RenderableType:
    """Return a bisection for rich to print: a drawing per backend, what it means, a block to paste."""
    parts: list[RenderableType] = []
    for track in found.tracks:
        parts += [
            drawing(track),
            *(Text("  " + line) for line in sentences(track)),
            Text(""),
        ]
    parts += [Text(line) for line in legend(found.tracks)]
    parts += [
        Text(""),
        Text("--- to paste into an issue ---", style="dim"),
        Text(paste(found)),
    ]
    return Group(*parts)


def drawing(track: Track) -> Text:
    """Return a mark for every release, line by line."""
    text = Text(f"{track.stack.backend:<{INDENT}}", style="bold")
    seen, presumed = track.verdicts(), track.presumed
    column = INDENT
    for name, line in release.lines(track.releases).items():
        width = len(name) + 1 + len(line)
        if column + width > WIDTH:
            text.append("\n" + " " * INDENT)
            column = INDENT
        column += width + 2
        text.append(f"{name} ", style="dim")
        for each in line:
            mark, style = UNMEASURED
            if each in seen:
                mark, style = seen[each].verdict.mark, seen[each].verdict.style
            elif presumed.get(each) is Verdict.AFFECTED:
                mark, style = "x", "red"
            text.append(mark, style=style)
        text.append("  ")
    text.rstrip()
    return text


def legend(tracks: Sequence[Track]) -> list[str]:
    """Return what the marks in the drawings mean."""
    found = [seen for track in tracks for seen in track.verdicts().values()]
    script = any(seen.first and seen.first.ending for seen in found)
    meanings = OF_SCRIPTS if script else {}
    lines = [
        f"{verdict.mark} {meanings.get(verdict, verdict.meaning)}"
        for verdict in Verdict
        if verdict in {seen.verdict for seen in found}
    ]
    if any(track.presumed for track in tracks):
        lines.append("x not run, between two affected releases; · not run")
    return lines


def sentences(track: Track) -> list[str]:
    """Return what was found on a backend, a line for each interval and each gap."""
    lines = [track.trouble] if track.trouble else []
    facts = [s for s in track.verdicts().values() if s.verdict.known]
    if not track.intervals:
        said = "never seen" if facts else "nothing could be measured"
        lines.append(f"{said} ({len(facts)} of {len(track.releases)} releases measured)")
    lines += [f"{described(interval)}" for interval in track.intervals]
    if track.advice:
        lines.append(track.advice)
    groups: dict[str, list[Version]] = {}
    for each, seen in track.unknown.items():
        groups.setdefault(f"{seen.verdict.value}: {seen.message}", []).append(each)
    lines += [f"{', '.join(map(str, group))}: {why}" for why, group in groups.items()]
    return lines


def described(interval: Interval) -> str:
    """Return an interval in words: first bad, last bad, first fixed, and what stays open."""
    first = f"first bad {interval.first_bad}"
    if interval.before:
        first = f"{interval.before[0]} <= first bad <= {interval.first_bad}"
    if interval.after:
        later = interval.first_fixed or interval.after[-1]
        sign = "<=" if interval.first_fixed else "<"
        last = f"{interval.after[0]} <= first fixed {sign} {later}"
        if interval.first_fixed is None:
            last = f"last seen in {interval.last_bad}, later releases are not known"
    elif interval.first_fixed is None:
        last = f"not fixed (last measured {interval.last_bad})"
    else:
        last = f"last bad {interval.last_bad}, first fixed {interval.first_fixed}"
    text = f"{first}; {last}"
    if interval.inside:
        text += f"; unknown between: {', '.join(map(str, interval.inside))}"
    return text


def paste(found: Bisection) -> str:
    """Return a block for an issue: ranges per backend, the command, the environment."""
    lines = [f"Symptom: {found.symptom or 'none seen'}", ""]
    lines += [
        "| backend | affected | first bad | last bad | first fixed |",
        "|---|---|---|---|---|",
    ]
    for track in found.tracks:
        rows: list[Interval | None] = [*track.intervals] or [None]
        for interval in rows:
            cells = [track.stack.backend, track.range, "", "", ""]
            if interval:
                cells = [track.stack.backend, str(interval), *map(str, ends(interval))]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"Command: `{found.command}` (krepro {__version__})"]
    for track in found.tracks:
        identity = found.identities.get(track.stack.name, {})
        facts = ", ".join(f"{name} {version}" for name, version in identity.items())
        lines.append(f"Environment: {track.stack.name}: {facts}, {platform.system()}")
    return "\n".join([*lines, *(str(line) for line in found.commits)])


def ends(interval: Interval) -> tuple[str, str, str]:
    """Return first bad, last bad and first fixed, with a mark where they are not sure."""
    first = f"{'?' if interval.before else ''}{interval.first_bad}"
    fixed = str(interval.first_fixed or "-")
    return first, f"{interval.last_bad}{'?' if interval.after else ''}", fixed


def to_data(found: Bisection) -> dict[str, Any]:
    """Return a bisection as plain data."""
    return {
        "schema": SCHEMA,
        "krepro": __version__,
        "target": found.target.name,
        "digest": found.target.digest,
        "symptom": found.symptom,
        "command": found.command,
        "backends": [
            {
                "backend": track.stack.backend,
                "stack": track.stack.name,
                "environment": found.identities.get(track.stack.name, {}),
                "mode": "sweep" if track.swept else "search",
                "symptom": str(track.symptom) if track.symptom else found.symptom,
                "range": track.range,
                "intervals": [interval_data(interval) for interval in track.intervals],
                "trouble": track.trouble,
                "unknown": {str(r): seen_data(s) for r, s in track.unknown.items()},
                "verdicts": {str(r): seen_data(s) for r, s in track.verdicts().items()},
                "presumed": {str(r): v.value for r, v in track.presumed.items()},
            }
            for track in found.tracks
        ],
        "commits": [commit.to_data() for commit in found.commits],
    }


def interval_data(interval: Interval) -> dict[str, Any]:
    """Return an interval as plain data; null where an end is open."""
    return {
        "first_bad": str(interval.first_bad),
        "last_bad": str(interval.last_bad),
        "first_fixed": str(interval.first_fixed) if interval.first_fixed else None,
        "unknown_before": [str(r) for r in interval.before],
        "unknown_inside": [str(r) for r in interval.inside],
        "unknown_after": [str(r) for r in interval.after],
    }


def seen_data(seen: Seen) -> dict[str, Any]:
    """Return what one release said as plain data."""
    return {
        "verdict": seen.verdict.value,
        "message": seen.message,
        "runs": seen.runs,
        "seconds": round(seen.seconds, 3),
    }


def as_json(found: Bisection) -> str:
    """Return a bisection as JSON."""
    return json.dumps(to_data(found), indent=1) + "\n"
