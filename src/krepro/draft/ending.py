"""How a run of a script ended, read from its exit status and what it printed. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence

import msgspec

from krepro.cell.failure import innermost
from krepro.cell.judge import ASSERTING_PACKAGES, matches, one_line
from krepro.cell.script import EXITED, RAISED, RETURNED
from krepro.cell.supervise import Ending
from krepro.hunt.symptom import Failure, Sighting, Where
from krepro.verdict import Verdict

# What counts as the bug in a run.
Claim = Callable[[Sighting], bool]
HEADER = "Traceback (most recent call last):\n"
FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$')
RAISED_LINE = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?", re.DOTALL)
# What JAX, and an interpreter on its way out, print below a message.
AFTERTHOUGHT = re.compile(r"(?m)^(?:-{20}\nFor simplicity, JAX|Exception ignored in)")
LIMITS = {"timeout": Verdict.TIMEOUT, "oom": Verdict.OOM}


def read_ending(ending: Ending, script: str, file: str) -> Sighting:
    """Return the sighting of a run of a script as a process of its own.

    Args:
        ending: how the process ended, with all it printed.
        script: the text that was run.
        file: its name, as tracebacks have it.
    """
    return msgspec.structs.replace(
        _ending(ending, script, file), output=ending.output, seconds=ending.seconds
    )


def _ending(ending: Ending, script: str, file: str) -> Sighting:
    if ending.limit in LIMITS:
        message = f"a limit was passed: {ending.limit}"
        return Sighting(verdict=LIMITS[ending.limit].value, message=message)
    if ending.status < 0:
        message = f"the interpreter died of signal {-ending.status}"
        return Sighting(verdict=Verdict.CRASH.value, message=message)
    if ending.status == 0:
        return Sighting(ending=RETURNED)
    failure = failure_in(ending.output, script, file) if ending.status == 1 else None
    if failure is None:
        return Sighting(ending=EXITED, status=ending.status)
    return Sighting(ending=RAISED, status=1, message=failure.message, failure=failure)


def failure_in(output: str, script: str, file: str) -> Failure | None:
    """Return the exception whose traceback ends an output, or None where there is none."""
    _, header, rest = output.rpartition(HEADER)
    if not header:
        return None
    lines = rest.splitlines()
    end = next((n for n, line in enumerate(lines) if line and line[0] != " "), len(lines))
    frames = [found for line in lines[:end] if (found := FRAME.match(line))]
    text = AFTERTHOUGHT.split("\n".join(lines[end:]))[0].strip()
    raised = RAISED_LINE.fullmatch(text)
    if raised is None:
        return None
    name = raised["type"].rpartition(".")[2]
    said = raised["message"] or ""
    own = [n for n, frame in enumerate(frames) if frame["file"] == file]
    below = frames[own[-1] + 1 :] if own else frames
    assertion = bool(own) and all(
        any(part in frame["file"] for part in ASSERTING_PACKAGES) for frame in below
    )
    where = Where()
    if own:
        frame = frames[own[-1]]
        statement = innermost(ast.parse(script), int(frame["line"]))
        where = Where(
            "script.py",
            int(frame["line"]),
            frame["function"],
            one_line(ast.unparse(statement)) if statement else "",
        )
    message = one_line(said)
    return Failure(
        type=name,
        message=message,
        text="" if said == message else said,
        assertion=name == "AssertionError" and assertion,
        where=where,
        keras=tuple(f["function"] for f in frames if "/keras/src/" in f["file"]),
    )


def declared(symptoms: Sequence[str]) -> Claim:
    """Return what counts for a repro: an assertion of its own that fails, or what it declares."""

    def seen_in(sighting: Sighting) -> bool:
        failure = sighting.failure
        if failure is None:
            return False
        text = failure.text or failure.message
        return failure.assertion or any(matches(s, failure.type, text) for s in symptoms)

    return seen_in
