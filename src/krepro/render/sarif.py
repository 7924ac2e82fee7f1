"""Findings of a scan as SARIF 2.1.0, for code scanning services and editors."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import krepro
from krepro.repro import Repro
from krepro.scan.match import Sureness
from krepro.scan.scan import Hit, Note, Scan, Spot

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ISSUES = "https://github.com/keras-team/keras/issues"
ROOT = "%SRCROOT%"
# A wrong result or a crash is worse than a change; what is only possible is one less.
LEVELS = ("note", "warning", "error")
SEVERITY = {"silent": 2, "crash": 2, "divergence": 1, "change": 1}


def as_sarif(found: Scan, repros: Sequence[Repro], root: Path) -> str:
    """Return a scan as SARIF; addresses of files are relative to ``root``."""
    entries = {repro.id: repro for repro in repros}
    used = [entries[name] for name in dict.fromkeys(hit.repro for hit in found.hits)]
    rules = sorted(used, key=lambda repro: repro.id)
    index = {repro.id: number for number, repro in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = [result(hit, entries[hit.repro], index, root, seen) for hit in found.hits]
    run = {
        "tool": {
            "driver": {
                "name": "krepro",
                "version": krepro.__version__,
                "rules": [rule(repro) for repro in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            ROOT: {"description": {"text": "The folder that krepro was run in."}}
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [notice(note, root) for note in found.notes],
            }
        ],
        "results": results,
    }
    return (
        json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"
    )


def rule(repro: Repro) -> dict[str, Any]:
    """Return an entry as a rule."""
    story = repro.docstring.strip()
    found: dict[str, Any] = {
        "id": repro.id,
        "shortDescription": {"text": repro.title},
        "fullDescription": {"text": story.partition("\n\n")[0].replace("\n", " ")},
        "help": {"text": story},
        "defaultConfiguration": {"level": LEVELS[SEVERITY[repro.kind]]},
        "properties": {
            "tags": ["keras", repro.kind, repro.area],
            "kind": repro.kind,
            "area": repro.area,
            "issues": list(repro.issues),
        },
    }
    pages = [f"{ISSUES}/{number}" for number in repro.issues] or list(repro.docs)
    if pages:
        found["helpUri"] = pages[0]
    return found


def level(hit: Hit, repro: Repro) -> str:
    """Return how bad a finding is, by the kind of the bug and how sure it is."""
    return LEVELS[SEVERITY[repro.kind] - (hit.sureness is Sureness.POSSIBLE)]


def result(
    hit: Hit, repro: Repro, index: dict[str, int], root: Path, seen: Counter[str]
) -> dict[str, Any]:
    """Return a hit as a result."""
    where = f" (cell {hit.spot.cell}, line {hit.spot.line})" if hit.spot.cell else ""
    found: dict[str, Any] = {
        "ruleId": hit.repro,
        "ruleIndex": index[hit.repro],
        "level": level(hit, repro),
        "message": {"text": f"{hit.why} ({hit.sureness.value}){where}"},
        "locations": [location(hit.spot, root, hit.snippet)],
        "partialFingerprints": {"krepro/v1": fingerprint(hit, root, seen)},
        "properties": {"sureness": hit.sureness.value, "shows": list(hit.shows)},
    }
    before = list(earlier(hit, root))
    if before:
        found["relatedLocations"] = before
    if hit.ignored:
        found["suppressions"] = [{"kind": "inSource"}]
    return found


def earlier(hit: Hit, root: Path) -> Iterator[dict[str, Any]]:
    """Yield where the steps before the last one are."""
    for number, spot in enumerate(hit.steps[:-1], 1):
        text = f"step {number} of {len(hit.steps)}"
        yield {"id": number, "message": {"text": text}, **location(spot, root)}


def location(spot: Spot, root: Path, snippet: str = "") -> dict[str, Any]:
    """Return a spot as a location.

    A notebook's file has other lines than its cells, so there the cell stands instead of a region.
    """
    place: dict[str, Any] = {
        "artifactLocation": {"uri": address(spot.path, root), "uriBaseId": ROOT}
    }
    if spot.cell is not None:
        cell = {"name": f"cell {spot.cell}", "fullyQualifiedName": f"cell {spot.cell}"}
        return {"physicalLocation": place, "logicalLocations": [cell]}
    region: dict[str, Any] = {
        "startLine": spot.line,
        "startColumn": spot.column,
        "endLine": spot.end_line,
        "endColumn": spot.end_column,
    }
    if snippet:
        region["snippet"] = {"text": snippet}
    return {"physicalLocation": {**place, "region": region}}


def notice(note: Note, root: Path) -> dict[str, Any]:
    """Return a note as a notification of the tool."""
    return {
        "level": "warning",
        "message": {"text": f"{address(note.spot.path, root)}: {note.message}"},
        "locations": [location(note.spot, root)],
    }


def address(path: Path, root: Path) -> str:
    """Return a path as a URI reference relative to a folder."""
    relative = os.path.relpath(path.absolute(), root.absolute())
    return quote(Path(relative).as_posix())


def fingerprint(hit: Hit, root: Path, seen: Counter[str]) -> str:
    """Return what stays of a hit when lines are added above it."""
    text = "".join(hit.snippet.split())
    key = f"{hit.repro}\0{address(hit.spot.path, root)}\0{text}"
    seen[key] += 1
    return hashlib.sha256(f"{key}\0{seen[key]}".encode()).hexdigest()[:32]
