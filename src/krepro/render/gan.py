"""What trainings of GANs came to, as text, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from krepro.gan.diagnosis import Finding, Signal
from krepro.gan.run import Trained

SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """What was trained, or the history that was given, and the pictures that were drawn."""

    trained: tuple[Trained, ...] = ()
    finding: Finding | None = None
    source: str = ""
    pictures: tuple[str, ...] = ()


def text(outcome: Outcome) -> str:
    """Return it for a terminal."""
    lines: list[str] = []
    if outcome.finding:
        lines += [f"{outcome.source}: {outcome.finding}", *details(outcome.finding)]
    for each in outcome.trained:
        lines += [str(each.run), f"  {each.finding}"]
        if not each.trouble:
            lines += details(each.finding)
        lines.append(f"  in {each.folder}")
    lines += [f"picture: {path}" for path in outcome.pictures]
    return "\n".join(lines) + "\n"


def details(finding: Finding) -> list[str]:
    """Return the signals and notes of a finding, a line each."""
    marks = {True: " ", False: "!"}
    signals = [f"  {marks[signal.ok]} {signal}" for signal in finding.signals]
    return signals + [f"    {note}" for note in finding.notes]


def markdown(outcome: Outcome) -> str:
    """Return it as Markdown: a table of all trainings."""
    if outcome.finding:
        rows = [
            f"| {s.name} | {s.value:.3g} | {healthy(s)} |" for s in outcome.finding.signals
        ]
        lines = [
            f"{outcome.source}: **{outcome.finding.diagnosis}**, {outcome.finding.reason}"
        ]
        if rows:
            lines += ["", "| Signal | Value | Healthy |", "|---|---|---|", *rows]
        return "\n".join(lines) + "\n"
    lines = [
        "| Scenario | Recipe | Keras | Seed | Diagnosis | Why |",
        "|---|---|---|---|---|---|",
    ]
    for each in outcome.trained:
        settings = each.run.settings
        lines.append(
            f"| {settings.scenario} | {settings.recipe} | {each.run.cell} | {settings.seed} "
            f"| {each.outcome} | {each.finding.reason} |"
        )
    return "\n".join(lines) + "\n"


def healthy(signal: Signal) -> str:
    """Return what would be healthy."""
    if signal.healthy is None:
        return ""
    low, high = signal.healthy
    return f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} or more"


def as_json(outcome: Outcome) -> str:
    """Return it as JSON, with a schema version."""
    if outcome.finding:
        table: dict[str, Any] = {"source": outcome.source, **of_finding(outcome.finding)}
    else:
        table = {
            "runs": [
                {
                    "release": each.run.cell.release,
                    "stack": each.run.cell.stack,
                    "settings": msgspec.to_builtins(each.run.settings),
                    "data": each.run.data,
                    "folder": str(each.folder),
                    "error": each.error or None,
                    "trouble": each.trouble or None,
                    **of_finding(each.finding),
                }
                for each in outcome.trained
            ],
            "pictures": list(outcome.pictures),
        }
    return json.dumps({"schema": SCHEMA, **table}, indent=1) + "\n"


def of_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it."""
    return {
        "diagnosis": finding.diagnosis.value,
        "reason": finding.reason,
        "iterations": finding.iterations,
        "signals": [
            {
                "name": signal.name,
                "value": signal.value if np.isfinite(signal.value) else None,
                "healthy": [
                    bound if np.isfinite(bound) else None for bound in signal.healthy
                ]
                if signal.healthy
                else None,
                "ok": signal.ok,
            }
            for signal in finding.signals
        ],
        "notes": list(finding.notes),
    }


FORMATS: dict[str, Callable[[Outcome], str]] = {
    "text": text,
    "markdown": markdown,
    "json": as_json,
}
