"""An upgrade's consequences as data, as a page, and for GitHub."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from krepro.recorded.check import Checked, Run
from krepro.recorded.difference import Difference
from krepro.render.github import escape
from krepro.render.story import command
from krepro.render.upgrade import (
    HEADS,
    WORDS,
    headline,
    kind_of,
    place_text,
    relative,
    short,
    told,
)
from krepro.scan.scan import Hit
from krepro.upgrade.finding import Finding
from krepro.upgrade.known import Effect, nearest_without
from krepro.upgrade.outcome import Upgrade

SCHEMA = 2


def as_json(upgrade: Upgrade) -> str:
    """Return an upgrade as JSON."""
    return json.dumps(to_data(upgrade), indent=1) + "\n"


def to_data(upgrade: Upgrade) -> dict[str, Any]:
    """Return an upgrade as plain data."""
    gained = [c.repro for c in upgrade.of(Effect.GAINED) if not c.deliberate]
    below, above = nearest_without(upgrade.report, upgrade.new, gained)
    scan, checked = upgrade.scan, upgrade.checked
    return {
        "schema": SCHEMA,
        "from": str(upgrade.old),
        "to": str(upgrade.new),
        "script": upgrade.script or None,
        "exit": int(upgrade.exit),
        "safe": upgrade.safe,
        "complete": upgrade.complete,
        "run": run_data(upgrade, checked) if checked else None,
        "findings": [finding_data(finding) for finding in upgrade.findings],
        "hits": [hit_data(hit) for hit in scan.hits] if scan else None,
        "notes": [str(note) for note in scan.notes] if scan else None,
        "consequences": [
            {
                "repro": c.repro.id,
                "title": c.repro.title,
                "kind": c.repro.kind,
                "effect": c.effect.value,
                "before": c.before.value if c.before else None,
                "after": c.after.value if c.after else None,
                "workarounds": list(c.workarounds),
                "run": command(upgrade.report, c.repro),
            }
            for c in upgrade.consequences
        ],
        "nearest_without": [str(end.release) for end in (below, above) if end],
    }


def run_data(upgrade: Upgrade, checked: Checked) -> dict[str, Any]:
    """Return what was run and how it ended."""

    def side(run: Run) -> dict[str, Any]:
        return {
            "end": str(run.end),
            "ended_well": run.sighting.ended_well,
            "summary": run.sighting.summary,
            "calls": len(run.recording.calls),
            "training_steps": run.recording.steps,
            "seconds": run.recording.finished.get("seconds"),
            "peak_mb": run.recording.finished.get("peak_mb"),
        }

    return {
        "headline": headline(upgrade, checked),
        "compared": checked.compared,
        "triggered": checked.triggered,
        "shuffled": checked.shuffled,
        "steps": checked.steps or None,
        "noise": checked.noise.largest,
        "noise_in_structure": sorted({str(key[0]) for key in checked.noise.structure}),
        "sides": [side(checked.old), side(checked.new)],
    }


def finding_data(finding: Finding) -> dict[str, Any]:
    """Return one finding as plain data."""
    return {
        "causes": [cause.repro.id for cause in finding.causes],
        "new": finding.new,
        "detail": finding.detail,
        "first": difference_data(finding.first),
        "differences": [difference_data(d) for d in finding.differences],
        "follows": [difference_data(d) for d in finding.follows],
    }


def difference_data(difference: Difference) -> dict[str, Any]:
    """Return one difference as plain data."""
    found = dataclasses.asdict(difference)
    found["kind"] = difference.kind.value
    found["tolerance"] = found.pop("size") or None
    return found


def hit_data(hit: Hit) -> dict[str, Any]:
    """Return one place in the code as plain data."""
    return {
        "repro": hit.repro,
        "place": relative(hit.spot),
        "line": hit.spot.line,
        "column": hit.spot.column,
        "cell": hit.spot.cell,
        "snippet": hit.snippet,
        "sureness": hit.sureness.value,
        "shows": list(hit.shows),
        "ignored": hit.ignored,
    }


def as_markdown(upgrade: Upgrade) -> str:
    """Return an upgrade as markdown."""
    lines = [f"## Keras {upgrade.old} → {upgrade.new}", ""]
    if upgrade.checked is not None:
        lines += [f"**{headline(upgrade, upgrade.checked)}**", ""]
        for number, finding in enumerate(upgrade.weighty, 1):
            lines += [*finding_markdown(finding, number), ""]
        if upgrade.details:
            lines += ["Details, nothing to act on:", ""]
            lines += [line for f in upgrade.details for line in differences_markdown(f, "")]
            lines.append("")
    if upgrade.scan is not None:
        lines += [*hits_markdown(upgrade)]
    if upgrade.scan is not None or upgrade.checked is not None:
        return "\n".join(lines).rstrip("\n") + "\n"
    for effect in Effect:
        found = upgrade.of(effect)
        if found:
            lines += [f"### {HEADS[effect]} ({len(found)})", "", "| entry | kind | what |"]
            lines += ["|---|---|---|"]
            lines += [
                f"| `{c.repro.id}` | {c.repro.kind} | {c.repro.title} |" for c in found
            ]
            lines.append("")
    if not upgrade.consequences:
        lines += ["Nothing that is known changes.", ""]
    return "\n".join(lines)


def finding_markdown(finding: Finding, number: int) -> Iterator[str]:
    """Yield the lines on one finding."""
    titles = [f"{c.repro.title} (`{c.repro.id}`, {kind_of(c)})" for c in finding.causes]
    yield f"{number}. {' or '.join(titles) or 'New: nothing in the catalogue explains this'}"
    yield from differences_markdown(finding, "   ")
    if finding.follows:
        yield f"   * and {len(finding.follows)} more that come of it later"


def differences_markdown(finding: Finding, indent: str) -> Iterator[str]:
    """Yield a list of what was seen."""
    for difference in finding.differences:
        where = place_text(difference.place)
        yield f"{indent}* {WORDS[difference.kind]}, {where}: {escaped(told(difference))}"


def hits_markdown(upgrade: Upgrade) -> Iterator[str]:
    """Yield a table of the places in the code that changing entries depend on."""
    rows = [
        (hit, consequence)
        for effect in (Effect.GAINED, Effect.LOST)
        for consequence, hits in upgrade.touched(effect)
        for hit in hits
    ]
    if not rows:
        yield "In the code: nothing that a known bug depends on changes."
        return
    yield "| place | how sure | what | effect |"
    yield "|---|---|---|---|"
    for hit, consequence in rows:
        title = escaped(consequence.repro.title)
        yield (
            f"| `{relative(hit.spot)}` | {hit.sureness.value} | {title} "
            f"(`{hit.repro}`) | {consequence.effect.value} |"
        )


def escaped(text: str) -> str:
    """Return a text that markdown shows as it is, in one line."""
    line = short(text)
    return "".join(f"\\{c}" if c in "\\|*_`<>[]" else c for c in line)


def as_github(upgrade: Upgrade) -> str:
    """Return workflow commands: an annotation per place in the code, and one for the run."""
    lines = []
    for effect in (Effect.GAINED, Effect.UNKNOWN):
        for consequence, hits in upgrade.touched(effect):
            level = "warning" if effect is Effect.GAINED else "notice"
            for hit in hits:
                place = relative(hit.spot).rpartition(":")[0]
                said = f"{hit.why} ({hit.repro}, {hit.sureness.value})"
                lines.append(
                    f"::{level} file={place},line={hit.spot.line},"
                    f"title=Keras {upgrade.new.release}, {kind_of(consequence)}::{escape(said)}"
                )
    if upgrade.checked is not None:
        level = "notice" if upgrade.safe and upgrade.complete else "error"
        said = headline(upgrade, upgrade.checked)
        lines.append(
            f"::{level} title=Keras {upgrade.old} to {upgrade.new}::{escape(said)}"
        )
    return "\n".join(lines) + "\n" if lines else "\n"
