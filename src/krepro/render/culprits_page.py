"""``docs/culprits.md``: the culprits that are stored, held to upstream's own changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from krepro.hunt.culprit import Culprit

AGREEMENTS = ("same", "part", "other")
UPSTREAM = "https://github.com/keras-team/keras"
INTRODUCTION = """# Culprits

What `krepro culprit` found between two neighbouring releases, from their sources alone, and what upstream's history
says of the same turn. (The patches are excerpts of Keras, Apache-2.0, by its authors.) Made by `krepro publish` from `repros/culprits/`; each patch there was applied by git and run. The last
column compares with the functions that the upstream change touched: *same*: every function of the culprit is
among them; *part*: some are, and the notes say where in upstream's history the rest comes from; *other*: none is.

| entry | turn | culprit | hunks | runs | upstream | |
|---|---|---|---|---|---|---|
"""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What upstream's history says of one culprit: ``agrees`` is "same", "part" or "other"."""

    repro: str
    direction: str
    base: str
    change: int | str
    agrees: str
    note: str = ""


class Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file with the checks."""

    check: tuple[Check, ...] = ()


def render(culprits: Mapping[str, Sequence[Culprit]], checks: Sequence[Check]) -> str:
    """Return the page for the culprits by entry."""
    noted = {(check.repro, check.direction, check.base): check for check in checks}
    lines = [INTRODUCTION.rstrip("\n")]
    for name, found in sorted(culprits.items()):
        for culprit in found:
            check = noted.get((name, culprit.direction, culprit.base))
            lines.append(row(name, culprit, check))
    counted = [c.agrees for c in checks if any(c.repro == name for name in culprits)]
    counts = ", ".join(f"{counted.count(each)} {each}" for each in AGREEMENTS)
    lines += ["", f"{len(counted)} checked: {counts}.", ""]
    notes = [check for check in checks if check.note and check.repro in culprits]
    if notes:
        lines += ["## Notes", ""]
        lines += [f"* `{c.repro}`, {c.direction}: {c.note}" for c in notes] + [""]
    return "\n".join(lines)


def row(name: str, culprit: Culprit, check: Check | None) -> str:
    """Return the row of one culprit."""
    files: dict[str, list[str]] = {}
    for each in culprit.names:
        path, _, what = each.partition(": ")
        files.setdefault(path.removeprefix("keras/src/"), []).append(f"`{what}`")
    shown = "; ".join(
        f"{path}: {', '.join(list(dict.fromkeys(whats))[:4])}"
        + (f" and {len(set(whats)) - 4} more" if len(set(whats)) > 4 else "")
        for path, whats in files.items()
    )
    turn = f"{culprit.direction}, {culprit.base} → {culprit.other}"
    return (
        f"| [{name}](../repros/culprits/{name}.json) | {turn} | {shown} | {culprit.hunks} "
        f"| {culprit.tried} | {link(check.change) if check else ''} "
        f"| {check.agrees if check else 'unchecked'} |"
    )


def link(change: int | str) -> str:
    """Return a link to a pull request or a commit."""
    if isinstance(change, int):
        return f"[#{change}]({UPSTREAM}/pull/{change})"
    return f"[{change}]({UPSTREAM}/commit/{change})"
