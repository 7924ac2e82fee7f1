"""Symptoms: what counts as the bug in a script that says nothing of itself. Pure.

A *sighting* is how one run ended. A *symptom* is looked for in sightings: "it failed" is never
enough, since a script can fail in many ways.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from krepro.cell.judge import one_line
from krepro.cell.script import EXITED, RAISED, RETURNED
from krepro.verdict import Verdict

EXCEPTION, ASSERTION, OUTPUT, EXIT, HANG, CRASH, DIFFERS = KINDS = (
    "exception",
    "assertion",
    "output",
    "exit",
    "hang",
    "crash",
    "differs",
)
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\bnan\b|\binf\b")
# Values that two builds of the same sum may differ by.
RELATIVE, ABSOLUTE = 1e-3, 1e-6


# How the message of a release begins that fails, but not with the symptom.
ANOTHER_WAY = "fails in another way"


class SymptomError(ValueError):
    """An ``--expect`` that means nothing."""


class Where(msgspec.Struct, frozen=True):
    """A statement of the user's own files."""

    file: str = ""
    line: int = 0
    function: str = ""
    statement: str = ""


class Failure(msgspec.Struct, frozen=True):
    """An exception that ended a run: see ``krepro.cell.failure.describe``."""

    type: str
    message: str = ""
    text: str = ""
    assertion: bool = False
    where: Where = Where()
    observed: dict[str, str] = {}
    keras: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def missing_module(self) -> str:
        """The package that the user's own files import and that is not there, or nothing."""
        found = re.fullmatch(r"No module named '([^']+)'", self.message)
        own = self.type == "ModuleNotFoundError" and not self.keras
        return found[1].partition(".")[0] if own and found else ""


class TestSighting(msgspec.Struct, frozen=True):
    """How one function of a repro ended."""

    verdict: Verdict
    message: str = ""
    seconds: float = 0.0
    failure: Failure | None = None


class Sighting(msgspec.Struct, frozen=True):
    """How one run ended.

    ``ending`` is "returned", "raised" or "exited" for a script that ran to an end of its own
    (with ``status``, its exit status), and empty otherwise. ``verdict`` is empty for those, and
    for the rest says what kept the run from an end; for a repro it is the repro's verdict, and
    ``tests`` are its functions. ``differences`` are what it trained otherwise than a run on
    another release, as "kind:subject", where that was looked at. ``seconds`` is what it ran for,
    ``cost_s`` what it took in all.
    """

    ending: str = ""
    status: int = 0
    verdict: str = ""
    message: str = ""
    failure: Failure | None = None
    tests: dict[str, TestSighting] = {}
    workarounds: dict[str, TestSighting] = {}
    differences: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0
    cost_s: float = 0.0

    @property
    def ended_well(self) -> bool:
        """Whether a script ran to its end, with exit status 0."""
        return self.ending in (RETURNED, EXITED) and self.status == 0

    @property
    def summary(self) -> str:
        """How it ended, in a line."""
        if self.failure:
            return str(self.failure)
        if self.ending == RETURNED:
            return "ends well"
        if self.ending == EXITED:
            return f"exits with {self.status}"
        return f"{self.verdict} {self.message}".strip()


def sighting_from(record: Mapping[str, Any]) -> Sighting:
    """Return the sighting of what a cell told of a script or a repro."""
    failure = record if record.get("ending") == RAISED else None
    return msgspec.convert({**record, "failure": failure}, Sighting)


def untestable(verdict: Verdict, message: str) -> Sighting:
    """Return the sighting of a cell that has no environment."""
    return Sighting(verdict=verdict.value, message=message)


@dataclass(frozen=True)
class Symptom:
    """What is looked for.

    ``pattern`` is a regular expression: of an exception's ``Type: message``, or of the output;
    of a difference it is the kind, and the subject where that counts too.
    ``like`` is the failure that others are compared with; ``status`` an exit status.
    """

    kind: str
    pattern: str = ""
    status: int = 0
    like: Failure | None = None

    def __str__(self) -> str:
        if self.like and self.kind == ASSERTION:
            where = self.like.where
            return f"assertion at {where.file}:{where.line}: {where.statement}"
        if self.like:
            return str(self.like)
        if self.kind == EXIT:
            return f"exit:{self.status}"
        return f"{self.kind}:{self.pattern}" if self.pattern else self.kind

    def seen_in(self, sighting: Sighting) -> bool:
        """Whether a run showed the symptom."""
        failure = sighting.failure
        if self.kind in (OUTPUT, DIFFERS):
            return self._said_in(sighting)
        if self.kind == EXIT:
            return sighting.ending == EXITED and sighting.status == self.status
        if self.kind in (HANG, CRASH):
            wanted = Verdict.TIMEOUT if self.kind == HANG else Verdict.CRASH
            return sighting.verdict == wanted.value
        if failure is None or (self.kind == ASSERTION and not failure.assertion):
            return False
        if self.like:
            return like(failure, self.like)
        # A pattern may mean the message as it is, or in one line.
        whole = f"{failure.type}: {failure.text or failure.message}"
        texts = (str(failure), whole, " ".join(whole.split()))
        return any(re.search(self.pattern, text, re.DOTALL) for text in texts)

    def _said_in(self, sighting: Sighting) -> bool:
        """Whether a run printed the pattern, or trained something otherwise that it names."""
        if self.kind == OUTPUT:
            return re.search(self.pattern, sighting.output, re.MULTILINE) is not None
        beginning = self.pattern and f"{self.pattern}:"
        return any(f"{said}:".startswith(beginning) for said in sighting.differences)

    def verdict(self, sighting: Sighting) -> tuple[Verdict, str]:
        """Return what a run says of the release: only an end without the symptom is a good one."""
        if self.seen_in(sighting):
            said = ", ".join(sighting.differences) if self.kind == DIFFERS else ""
            return Verdict.AFFECTED, said or sighting.summary
        if sighting.ended_well:
            return Verdict.UNAFFECTED, ""
        if sighting.verdict:
            return Verdict(sighting.verdict), sighting.message
        return Verdict.ERROR, f"{ANOTHER_WAY}: {sighting.summary}"


def parse(text: str) -> Symptom:
    """Return the symptom that ``--expect`` names.

    Raises:
        SymptomError: it names none.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise SymptomError(
            f"--expect {text!r}: use exception[:REGEX], assertion, output:REGEX, exit:N, "
            "hang, crash or differs[:KIND[:SUBJECT]]"
        )
    if kind in (EXCEPTION, OUTPUT):
        try:
            re.compile(rest)
        except re.error as error:
            raise SymptomError(
                f"--expect {text!r}: not a regular expression: {error}"
            ) from None
        if kind == OUTPUT and not rest:
            raise SymptomError("--expect output: needs a regular expression: output:REGEX")
        return Symptom(kind, pattern=rest)
    if kind == EXIT:
        if not rest.isdecimal() or not 0 < int(rest) < 256:
            raise SymptomError(f"--expect {text!r}: use exit:N, N from 1 to 255")
        return Symptom(kind, status=int(rest))
    if kind == DIFFERS:
        return Symptom(kind, pattern=rest)
    if rest:
        raise SymptomError(f"--expect {text!r}: {kind} takes nothing behind it")
    return Symptom(kind)


def of(sighting: Sighting) -> Symptom | None:
    """Return the symptom that a run showed, or None where it ended well or says nothing."""
    if sighting.failure:
        kind = ASSERTION if sighting.failure.assertion else EXCEPTION
        return Symptom(kind, like=sighting.failure)
    if sighting.ending == EXITED and sighting.status:
        return Symptom(EXIT, status=sighting.status)
    for kind, verdict in ((HANG, Verdict.TIMEOUT), (CRASH, Verdict.CRASH)):
        if sighting.verdict == verdict.value:
            return Symptom(kind)
    return None


def like(one: Failure, other: Failure) -> bool:
    """Whether two failures are of the same kind: the same type, and the same message or place.

    An assertion is known by its statement; its values may differ. Any other exception is known
    by its message without its numbers and paths.
    """
    if one.type != other.type or one.assertion != other.assertion:
        return False
    if one.assertion:
        return one.where.statement == other.where.statement
    return shape(one.message) == shape(other.message)


def same(one: Failure, other: Failure, noise: frozenset[str] = frozenset()) -> bool:
    """Whether two failures are the same one, values and all.

    Args:
        one: a failure.
        other: another one.
        noise: names whose values differ from run to run, and so tell nothing.
    """
    if not like(one, other):
        return False
    if not one.assertion:
        return True
    if MESSAGE not in noise and not same_text(one.message, other.message):
        return False
    names = (one.observed.keys() | other.observed.keys()) - noise
    return all(
        same_text(one.observed.get(name, ""), other.observed.get(name, ""))
        for name in names
    )


MESSAGE = "(message)"


def noise(one: Failure, other: Failure) -> frozenset[str]:
    """Return the names whose values differ between two runs of the same thing."""
    names = one.observed.keys() | other.observed.keys()
    found = {
        name
        for name in names
        if not same_text(one.observed.get(name, ""), other.observed.get(name, ""))
    }
    if not same_text(one.message, other.message):
        found.add(MESSAGE)
    return frozenset(found)


def shape(message: str) -> str:
    """Return a message without what differs from run to run: numbers, addresses, folders."""
    text = re.sub(r"\b0x[0-9a-fA-F]+\b|\brepro-[a-z0-9_]{8}\b", "#", message)
    text = re.sub(r"(?:/[^\s/'\":]+)+/", "…/", text)
    return one_line(re.sub(r"\d+(?:\.\d+)?", "#", text))


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal but for small differences in their numbers."""
    if one == other:
        return True
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(close(float(a), float(b)) for a, b in pairs)


def close(a: float, b: float) -> bool:
    """Whether two numbers are equal but for rounding; not-a-number equals itself."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
