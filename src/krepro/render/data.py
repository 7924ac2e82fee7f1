"""A report as JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from packaging.version import Version

from krepro import __version__, ranges
from krepro.report import Report
from krepro.result import SCHEMA


def to_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data.

    ``results`` has an entry per verdict; ``ranges`` has, per repro and stack, the affected
    intervals with ``first_bad``, ``last_bad`` and ``first_fixed`` (null where open) and the
    releases that are unknown.
    """
    results = []
    for cell, repro, found in report.measured():
        stack = report.matrix.find_stack(cell.stack)
        expected = repro.expected(Version(cell.release), stack.backend)
        entry = msgspec.to_builtins(found)
        entry.pop("output")
        results.append(
            {
                "repro": repro.id,
                "release": cell.release,
                "stack": cell.stack,
                "backend": stack.backend,
                "declared": expected.value,
                **entry,
            }
        )
    return {
        "schema": SCHEMA,
        "krepro": __version__,
        "results": results,
        "not_measured": [
            {"repro": repro.id, "release": cell.release, "stack": cell.stack}
            for cell, repro in report.unmeasured()
        ],
        "differences": [str(difference) for difference in report.differences()],
        "ranges": {
            repro.id: {
                stack.name: range_data(report, repro.id, stack.name)
                for stack in report.stacks
                if not stack.subject
            }
            for repro in report.repros
        },
        "exit_code": int(report.exit_code()),
    }


def range_data(report: Report, repro_id: str, stack_name: str) -> dict[str, Any]:
    """Return the affected intervals of a repro on a stack as plain data."""
    repro = next(repro for repro in report.repros if repro.id == repro_id)
    row = report.row(repro, report.matrix.find_stack(stack_name))
    unknown = [
        str(release) for release, verdict in row.items() if not (verdict and verdict.known)
    ]
    return {
        "intervals": [
            {
                "first_bad": str(found.first_bad),
                "last_bad": str(found.last_bad),
                "first_fixed": str(found.first_fixed) if found.first_fixed else None,
                "unknown": [str(r) for r in (*found.before, *found.inside, *found.after)],
            }
            for found in ranges.intervals(row, list(row))
        ],
        "unknown": unknown,
    }


def render(report: Report) -> str:
    """Return a report as JSON."""
    return json.dumps(to_data(report), indent=1) + "\n"
