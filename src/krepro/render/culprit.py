"""Culprits for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from krepro.culprit import INTRODUCED, Culprit
from krepro.verdict import Verdict


def render(found: Sequence[Culprit], *, explain: bool) -> str:
    """Return culprits as text: what each is, how sure that is, and the patch."""
    return "\n".join(describe(culprit, explain=explain) for culprit in found)


def describe(culprit: Culprit, *, explain: bool) -> str:
    """Return one culprit as text."""
    effect = "turns it bad" if culprit.direction == INTRODUCED else "mends it"
    applied = ", ".join(f"{said} on {stack}" for stack, said in culprit.verified.items())
    lines = [
        f"{culprit.direction}: what {culprit.other} changed in {culprit.base} that {effect}",
        f"  symptom: {culprit.symptom}",
        *(f"  {name}" for name in culprit.names),
        f"  {culprit.hunks} hunks out of {culprit.changes} changes, {culprit.reached} of them",
        f"  within reach of the run; {culprit.tried} runs, {culprit.seconds:.0f} s",
        "  1-minimal: without any one of its lines it is not seen",
        f"  applied by git to {culprit.base}: {applied}",
    ]
    if explain:
        lines += ["  what each part is needed for:"]
        lines += [f"    {n.change}\n      without it: {n.without}" for n in culprit.needs]
    return "\n".join([*lines, "", culprit.diff])


def is_verified(culprit: Culprit) -> bool:
    """Whether the patch does on every stack what it should."""
    introduced = culprit.direction == INTRODUCED
    wanted = Verdict.AFFECTED if introduced else Verdict.UNAFFECTED
    return all(verdict == wanted.value for verdict in culprit.verified.values())
