"""Whether the catalogue has it already: by its symptom, by its code, by its words."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from krepro import finder
from krepro.draft.facts import Known
from krepro.finder import CERTAIN
from krepro.matrix import Cell
from krepro.report import Report
from krepro.repro import Repro
from krepro.scan.match import Sureness
from krepro.scan.scan import scan
from krepro.verdict import Verdict

MOST = 5
RAISES = "raises"


def find(
    report: Report,
    script: str,
    said: str,
    cell: Cell,
    *,
    raises: bool,
    own: Repro | None = None,
) -> tuple[Known, ...]:
    """Return the entries that a report may be a duplicate of, the surest first.

    Args:
        report: the catalogue, and what was measured of it.
        script: the script of the report.
        said: what is known in words: the end of its output, or a title.
        cell: where it misbehaves; of entries that are known not to affect it, none is sure.
        raises: whether an exception of Keras' ends it.
        own: the entry that is reported, if it is one.
    """
    found: dict[str, Known] = {}
    by_id = {repro.id: repro for repro in report.repros}
    if own is not None and own.id in by_id:
        found[own.id] = known(own, "it is this entry", sure=True)
        for name in own.related:
            if name in by_id:
                found[name] = known(by_id[name], "it looks alike", sure=False)
        return tuple(found.values())
    coded = in_code(report.repros, script, raises=raises)
    for hit in finder.search(report.repros, said, limit=MOST):
        certain = hit.score >= CERTAIN and may_affect(report, cell, hit.repro)
        also = ", and its code is in the script" if hit.repro.id in coded else ""
        found[hit.repro.id] = known(hit.repro, f"{hit.why}{also}", sure=certain)
    for name in coded:
        # Code that a known bug depends on is in many scripts: alone it proves nothing.
        if may_affect(report, cell, by_id[name]):
            found.setdefault(
                name, known(by_id[name], "its code is in the script", sure=False)
            )
    ranked = sorted(found.values(), key=lambda each: (not each.sure, each.id not in coded))
    return tuple(ranked[:MOST])


def known(repro: Repro, why: str, *, sure: bool) -> Known:
    """Return an entry as something that a report may be a duplicate of."""
    return Known(repro.id, repro.title, why, sure, repro.issues)


def may_affect(report: Report, cell: Cell, repro: Repro) -> bool:
    """Whether an entry affects a cell, or is not known there."""
    found = report.verdict(cell, repro)
    return found is Verdict.AFFECTED or found is None or not found.known


def in_code(repros: Sequence[Repro], script: str, *, raises: bool) -> list[str]:
    """Return the entries whose trigger is in a script for certain, and that raise if it does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(script, encoding="utf-8")
        hits = scan([path], repros).active
    return list(
        dict.fromkeys(
            hit.repro
            for hit in hits
            if hit.sureness is Sureness.CERTAIN and (RAISES in hit.shows) is raises
        )
    )
