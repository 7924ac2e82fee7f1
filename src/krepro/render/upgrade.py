"""An upgrade's consequences, for a terminal, for a page, and as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from krepro.render.story import command, workarounds
from krepro.report import Report
from krepro.repro import Repro
from krepro.upgrade.known import Consequence, Effect, End, Ranked, nearest_without

SCHEMA = 1
HEADS = {
    Effect.GAINED: "What you would get",
    Effect.LOST: "What you would be rid of",
    Effect.KEPT: "What stays as it is",
    Effect.UNKNOWN: "What is not known",
}
MOST_ROWS = 10


@dataclass(frozen=True)
class Upgrade:
    """One upgrade and what is known of it."""

    report: Report
    old: End
    new: End
    consequences: tuple[Consequence, ...]

    def of(self, effect: Effect) -> list[Consequence]:
        """Return the consequences of one kind."""
        return [c for c in self.consequences if c.effect is effect]

    @property
    def safe(self) -> bool:
        """Whether nothing is gained, as far as is known."""
        return not self.of(Effect.GAINED)

    @property
    def complete(self) -> bool:
        """Whether everything is known."""
        return not self.of(Effect.UNKNOWN)


def as_text(upgrade: Upgrade, *, verbose: bool = False) -> str:
    """Return an upgrade as text: what is gained in full, the rest in names unless verbose."""
    counts = {effect: len(upgrade.of(effect)) for effect in Effect}
    lines = [
        f"Keras {upgrade.old} -> {upgrade.new}",
        f"known bugs: {counts[Effect.GAINED]} gained, {counts[Effect.LOST]} lost, "
        f"{counts[Effect.KEPT]} kept"
        + (f", {counts[Effect.UNKNOWN]} unknown" if counts[Effect.UNKNOWN] else ""),
    ]
    for effect in Effect:
        found = upgrade.of(effect)
        if not found:
            continue
        lines += ["", f"{HEADS[effect]} ({len(found)})"]
        if effect is Effect.GAINED or verbose:
            for consequence in found:
                lines += detailed(upgrade, consequence)
        else:
            lines += [f"  {c.repro.id}: {c.repro.title}" for c in found[:MOST_ROWS]]
            if len(found) > MOST_ROWS:
                lines.append(f"  and {len(found) - MOST_ROWS} more (--verbose)")
    gained = [c.repro for c in upgrade.of(Effect.GAINED) if not c.deliberate]
    if gained:
        lines += ["", *free_of(upgrade, gained)]
    return "\n".join(lines) + "\n"


def detailed(upgrade: Upgrade, consequence: Consequence) -> Iterator[str]:
    """Yield the lines on one consequence: title, range, way around, how to see it."""
    repro, new = consequence.repro, upgrade.new
    yield f"  {repro.id} ({'announced change' if consequence.deliberate else repro.kind})"
    yield f"    {repro.title}"
    yield f"    affected on {new.stack.backend}: {upgrade.report.range(repro, new.stack)}"
    stories = {name: what for name, what, _ in workarounds(upgrade.report, repro)}
    for name in consequence.workarounds:
        yield f"    way around it, seen to work on {new.release}: {stories.get(name, name)}"
    yield f"    see it: krepro run {repro.id} -r {new.release} -b {new.stack.backend}"


def free_of(upgrade: Upgrade, gained: Sequence[Repro]) -> Iterator[str]:
    """Yield the nearest releases that have none of the bugs gained."""
    below, above = nearest_without(upgrade.report, upgrade.new, gained)
    names = [str(end.release) for end in (below, above) if end]
    what = "none of what you would get"
    if names:
        yield f"The nearest releases with {what}: {' and '.join(names)}"
    else:
        yield f"No release has {what}"
    yield f"Every release as a goal: krepro upgrade --from {upgrade.old} --any"


def ranking_text(ranked: Sequence[Ranked], old: End) -> str:
    """Return releases as goals of an upgrade, the best first."""
    lines = [
        f"From Keras {old}, by what is known (fewest silent bugs first):",
        "",
        f"{'release':<9}{'gained':>7}{'lost':>6}{'kept':>6}  of which silent",
    ]
    for entry in ranked:
        here = "  (where you are)" if entry.end.release == old.release else ""
        lines.append(
            f"{entry.end.release!s:<9}{len(entry.gained):>7}{len(entry.lost):>6}"
            f"{len(entry.kept):>6}  {entry.badness[0]}{here}"
        )
    return "\n".join(lines) + "\n"


def as_json(upgrade: Upgrade) -> str:
    """Return an upgrade as JSON."""
    return json.dumps(to_data(upgrade), indent=1) + "\n"


def to_data(upgrade: Upgrade) -> dict[str, Any]:
    """Return an upgrade as plain data."""
    gained = [c.repro for c in upgrade.of(Effect.GAINED) if not c.deliberate]
    below, above = nearest_without(upgrade.report, upgrade.new, gained)
    return {
        "schema": SCHEMA,
        "from": str(upgrade.old),
        "to": str(upgrade.new),
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


def as_markdown(upgrade: Upgrade) -> str:
    """Return an upgrade as markdown."""
    lines = [f"## Keras {upgrade.old} → {upgrade.new}", ""]
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
