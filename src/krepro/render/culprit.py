"""Culprits for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from krepro.hunt.culprit import INTRODUCED, Culprit
from krepro.verdict import Verdict


def render(found: Sequence[Culprit], *, explain: bool) -> str:
    """Return culprits as text: what each is, how sure that is, and the patch."""
    return "\n".join(describe(culprit, explain=explain) for culprit in found)


def describe(culprit: Culprit, *, explain: bool) -> str:
    """Return one culprit as text."""
    introduced = culprit.direction == INTRODUCED
    effect = "bring the symptom in" if introduced else "take the symptom away"
    lines = [
        f"{culprit.direction}: the changes from {culprit.base} to {culprit.other} that {effect}",
        f"  symptom: {culprit.symptom}",
        *(f"  {name}" for name in culprit.names),
        f"  {places(culprit.hunks)}; {culprit.changes} changes between the two releases,",
        f"  {culprit.reached} of them within reach of the run;",
        f"  found in {culprit.tried} runs of mixtures, {culprit.seconds:.0f} s",
        "  1-minimal: without any one of its parts the patch does not do it",
        f"  {culprit.base} with the patch: {said_of(culprit)}",
    ]
    if explain:
        lines += ["  without one part of the patch, the run says:"]
        for need in culprit.needs:
            lines += [f"    {need.change}", f"      {need.without}"]
    patch = f"{culprit.direction}.patch"
    purpose = "shows the symptom" if introduced else "does not show it (a backport)"
    lines += [
        "",
        f"The patch below is for Keras {culprit.base}, which then {purpose}. To apply it, save it",
        f"as {patch} (--format diff -o {patch}), and in the folder that holds keras/",
        f"(site-packages, or a clone at {culprit.base}) run: git apply {patch}",
        "",
        culprit.diff,
    ]
    return "\n".join(lines)


def places(count: int) -> str:
    """Return how many places of the sources a patch touches."""
    return "1 place" if count == 1 else f"{count} places"


def said_of(culprit: Culprit) -> str:
    """Return what the patched release said on each stack."""
    if not culprit.verified:
        return "not verified"
    said = ", ".join(f"{verdict} on {stack}" for stack, verdict in culprit.verified.items())
    others = [stack for stack in culprit.verified if not turned(culprit, stack)]
    return f"{said}; it does not turn {', '.join(others)}" if others else said


def turned(culprit: Culprit, stack: str) -> bool | None:
    """Whether the patch does on a stack what it should, or None where that is not known."""
    introduced = culprit.direction == INTRODUCED
    wanted = Verdict.AFFECTED if introduced else Verdict.UNAFFECTED
    said = culprit.verified.get(stack)
    return None if said is None else said == wanted.value
