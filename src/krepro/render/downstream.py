"""A note for a project that pins Keras: what to pin, why, and until when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from krepro import __version__, ranges
from krepro.draft.facts import Facts, Row
from krepro.render.markdown import row as table_row
from krepro.render.story import UPSTREAM
from krepro.verdict import Verdict

SCHEMA = 1


def requirement(row: Row) -> str | None:
    """Return the PEP 508 requirement that avoids the bug on a stack, or None where none does."""
    found = ranges.avoiding(row.verdicts, row.releases)
    if found is None:
        return None
    parts = sorted(map(str, found), key=lambda part: (part[0] != ">", part[0] != "<", part))
    return f"keras{','.join(parts)}"


def until(row: Row) -> str:
    """Return how long a pin is needed."""
    intervals = row.intervals
    if not intervals:
        return "-"
    last = intervals[-1]
    if last.first_fixed:
        return f"fixed in {last.first_fixed}"
    return f"no release yet (newest measured: {max(row.releases)})"


def advice(row: Row) -> str:
    """Return what to pin, in a table's cell."""
    found = requirement(row)
    if not row.intervals:
        return "nothing to pin" if row.of(Verdict.UNAFFECTED) else "not known"
    return f"`{found}`" if found else "no release is free of it"


def markdown(facts: Facts) -> str:
    """Return the note as Markdown."""
    subject = facts.subject
    heads = ["backend", "affected", "requirement", "until"]
    lines = [table_row(heads), table_row(["---"] * len(heads))]
    for row in facts.rows:
        name = row.stack.backend if row.stack.primary else row.stack.name
        lines.append(table_row([name, row.range, advice(row), until(row)]))
    span = f"{min(facts.rows[0].releases)} to {facts.newest}"
    parts = [
        f"# Pin Keras: {subject.title}\n",
        *(f"{paragraph}\n" for paragraph in subject.story[:1]),
        *([] if subject.story else [f"What is seen: `{subject.symptom}`\n"]),
        "\n".join(lines) + "\n",
        f"Of the releases from {span}, a requirement holds those measured to be free of it.\n",
        *(f"{line}\n" for line in elsewhere(facts)),
    ]
    if facts.workarounds:
        parts.append("## Or keep the release, and write it otherwise\n")
        parts.append("\n".join(f"- {line}" for line in ways(facts)) + "\n")
    parts.append("## How sure this is\n")
    parts.append("\n".join(f"- {line}" for line in proof(facts)) + "\n")
    return "\n".join(parts)


def elsewhere(facts: Facts) -> Iterator[str]:
    """Yield which backends are free of it where no release of another one is."""
    stuck = [r.stack.backend for r in facts.rows if r.intervals and requirement(r) is None]
    free = [r.stack.backend for r in facts.rows if not r.intervals and requirement(r)]
    if stuck and free:
        yield (
            f"On {', '.join(stuck)} no pin helps; {', '.join(free)} never had it in any release."
        )


def ways(facts: Facts) -> Iterator[str]:
    """Yield the ways around, those first that work in the affected cell."""
    order = sorted(facts.workarounds, key=lambda way: way.verdict is not Verdict.UNAFFECTED)
    for way in order:
        works = way.verdict is Verdict.UNAFFECTED
        here = "measured to work" if works else "does not work"
        if way.verdict is None:
            here = "not measured"
        yield f"{way.what} ({here} on {facts.affected}; {way.works})"


def proof(facts: Facts) -> Iterator[str]:
    """Yield what the note rests on."""
    yield from (
        f"{check.place}, in an environment made for it: {check.sighting.summary}"
        for check in facts.checks
    )
    if not facts.checks:
        yield "Not verified in an environment of its own."
    for number in facts.subject.issues:
        yield f"{UPSTREAM}/issues/{number}"
    yield f"By krepro {__version__}: `krepro report {facts.subject.name} --downstream`"


def text(facts: Facts) -> str:
    """Return the note for a terminal."""
    lines = [facts.subject.title, ""]
    for row in facts.rows:
        lines.append(f"{row.stack.name:<16} {row.range}")
        if row.intervals:
            lines.append(f"{'':<16} pin: {advice(row).strip('`')}; {until(row)}")
    lines += ["", *elsewhere(facts), *(f"or: {way}" for way in ways(facts)), *proof(facts)]
    return "\n".join(lines) + "\n"


def to_data(facts: Facts) -> dict[str, Any]:
    """Return the note as plain data; a requirement is null where no release is free of it."""
    return {
        "schema": SCHEMA,
        "krepro": __version__,
        "target": facts.subject.name,
        "title": facts.subject.title,
        "pins": [
            {
                "backend": row.stack.backend,
                "stack": row.stack.name,
                "affected": row.range,
                "requirement": requirement(row),
                "until": until(row),
            }
            for row in facts.rows
        ],
        "workarounds": list(ways(facts)),
        "proof": list(proof(facts)),
    }


def as_json(facts: Facts) -> str:
    """Return the note as JSON."""
    return json.dumps(to_data(facts), indent=1) + "\n"


FORMATS: dict[str, Callable[[Facts], str]] = {
    "markdown": markdown,
    "text": text,
    "json": as_json,
}
