"""Merging: results of several machines in one store, without anything being overwritten."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from krepro.matrix import Cell
from krepro.project import SelectionError
from krepro.report import Exit, shortened
from krepro.result import SCHEMA, CellResult, Measurement, Store
from krepro.shard import FOLDER as SHARDS
from krepro.shard import SCHEMA as MANIFEST_SCHEMA
from krepro.shard import Manifest

# A folder of artifacts has one folder for each, and in it a cache folder or its results.
DEPTH = 2
OF_SCHEMA = re.compile(r"v(\d+)")


@dataclass(frozen=True)
class Conflict:
    """Two measurements of the same that say otherwise; the one that was there is kept."""

    cell: Cell
    repro: str
    kept: Measurement
    other: Measurement
    source: Path

    def __str__(self) -> str:
        told = [
            f"{name} {was} (kept), {self.other.said.get(name, 'not there')} in {self.source}"
            for name, was in self.kept.said.items()
            if self.other.said.get(name) != was
        ]
        return f"{self.repro} on {self.cell}: {'; '.join(told)}"


@dataclass
class Merged:
    """What a merge did: how many verdicts were new, which conflict, and what there is to say.

    ``gaps`` are lines on what is missing or could not be used, ``notes`` on what is fine.
    """

    new: int = 0
    same: int = 0
    other_sources: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def exit_code(self) -> Exit:
        """Return the exit code: findings outweigh gaps."""
        if self.conflicts:
            return Exit.FINDINGS
        return Exit.INCOMPLETE if self.gaps else Exit.AS_EXPECTED


def roots(folder: Path) -> list[Path]:
    """Return the folders of results that a folder is, has, or has one level below.

    Raises:
        SelectionError: there are none.
    """
    if not folder.is_dir():
        raise SelectionError(f"{folder}: no such folder")
    found = _roots(folder, DEPTH)
    if not found:
        raise SelectionError(
            f"{folder}: no results in it: give a folder that KREPRO_HOME named, its 'results', "
            "or a folder of such"
        )
    return found


def _roots(folder: Path, depth: int) -> list[Path]:
    if any(
        path.name == SHARDS or OF_SCHEMA.fullmatch(path.name) for path in _folders(folder)
    ):
        return [folder]
    if (folder / "results").is_dir():
        return _roots(folder / "results", 0)
    below = _folders(folder) if depth else []
    return [root for path in below for root in _roots(path, depth - 1)]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def check_schemas(found: Sequence[Path]) -> list[str]:
    """Return a line for each folder of results of another schema.

    Raises:
        SelectionError: there is nothing of this one.
    """
    others = [
        path
        for root in found
        for path in _folders(root)
        if (match := OF_SCHEMA.fullmatch(path.name)) and int(match[1]) != SCHEMA
    ]
    lines = [
        f"{path}: results of schema {path.name[1:]}, this krepro reads {SCHEMA}: merge them with "
        "the krepro that wrote them, or measure again"
        for path in others
    ]
    if lines and not any((root / f"v{SCHEMA}").is_dir() for root in found):
        raise SelectionError(lines[0])
    return lines


def joined(
    old: CellResult | None, new: CellResult, current: Mapping[str, str]
) -> tuple[CellResult, dict[str, str]]:
    """Return what is known of a cell after a merge, and for each new measurement what became of it.

    Args:
        old: what is known.
        new: what comes.
        current: the source hashes of the repros as they are now.

    Returns:
        The cell, and "new", "same", "conflict" or "other source" by repro.
    """
    if old is None:
        return new, dict.fromkeys(new.repros, "new")
    repros, fates = dict(old.repros), {}
    for name, coming in new.repros.items():
        there = repros.get(name)
        fates[name] = fate(there, coming, current.get(name))
        if fates[name] == "new":
            repros[name] = coming
    cell = replace(
        old,
        repros=dict(sorted(repros.items())),
        identity=old.identity or new.identity,
        platform=old.platform or new.platform,
        import_seconds=old.import_seconds or new.import_seconds,
    )
    return cell, fates


def fate(old: Measurement | None, new: Measurement, current: str | None) -> str:
    """Return what becomes of a measurement that is merged in.

    It is taken where there is none, where the one that is there says nothing of the release, or
    was made with a version of the repro that is not the current one. Nothing else makes way.
    """
    if old is None:
        return "new"
    if old.source != new.source:
        return "new" if new.source == current else "other source"
    if old.said == new.said:
        return "same"
    # An environment that failed is no fact, and takes none back.
    if old.verdict.untestable or new.verdict.untestable:
        return "new" if old.verdict.untestable and not new.verdict.untestable else "same"
    return "conflict"


def merge(
    store: Store,
    found: Sequence[Path],
    current: Mapping[str, str],
    locks: Mapping[str, str],
) -> Merged:
    """Merge folders of results into a store.

    Args:
        store: where they go.
        found: the folders, from ``roots``.
        current: the source hashes of the repros as they are now.
        locks: the hash of the current lock by stack, where one is known.

    Raises:
        OSError: a cell could not be written; those before it are merged.
    """
    merged = Merged(gaps=check_schemas(found))
    seen: dict[str, Counter[str]] = {}
    for root in found:
        for path in sorted((root / f"v{SCHEMA}").glob("*/*/*.json")):
            result = _read(path, merged)
            if result:
                _merge_cell(store, result, path, current, merged)
                seen.setdefault(result.stack, Counter())[result.lock] += 1
    merged.gaps += lock_lines(seen, locks)
    manifests = list(_manifests(found, merged))
    merged.notes += doubled(manifests)
    counting = {
        name: {*seen.get(name, ()), *([locks[name]] if name in locks else [])}
        for name in {*seen, *locks}
    }
    for plan in dict.fromkeys(manifest.plan for _, manifest in manifests):
        of_plan = [manifest for _, manifest in manifests if manifest.plan == plan]
        merged.gaps += missing(store, of_plan, counting)
    return merged


def _read(path: Path, merged: Merged) -> CellResult | None:
    """Return the result in a file if it is what its place says; else say why not."""
    try:
        result = msgspec.json.decode(path.read_bytes(), type=CellResult)
    except (OSError, msgspec.DecodeError) as error:
        merged.gaps.append(f"{path}: cut short, or no result: {error}; left out")
        return None
    if result.schema != SCHEMA:
        merged.gaps.append(
            f"{path}: of schema {result.schema}, this krepro reads {SCHEMA}; left out"
        )
        return None
    place = (result.stack, result.lock, f"{result.release}.json")
    if path.parts[-3:] != place:
        merged.gaps.append(f"{path}: holds results of {'/'.join(place)}; left out")
        return None
    return result


def _merge_cell(
    store: Store,
    result: CellResult,
    path: Path,
    current: Mapping[str, str],
    merged: Merged,
) -> None:
    cell = Cell(result.stack, result.release)
    fates: dict[str, str] = {}

    def by(old: CellResult | None) -> CellResult:
        joint, told = joined(old, result, current)
        fates.update(told)
        return joint

    kept = store.change(cell, result.lock, by)
    counts = Counter(fates.values())
    merged.new += counts["new"]
    merged.same += counts["same"]
    merged.other_sources += counts["other source"]
    merged.conflicts += [
        Conflict(cell, name, kept.repros[name], result.repros[name], path)
        for name, told in fates.items()
        if told == "conflict"
    ]


def lock_lines(
    seen: Mapping[str, Mapping[str, int]], locks: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each stack whose results are not all of the lock that counts here."""
    for stack, counts in sorted(seen.items()):
        expected = locks.get(stack)
        if expected is None and len(counts) > 1:
            told = ", ".join(f"{count} cells of {lock}" for lock, count in counts.items())
            yield f"{stack}: results of several locks, kept apart: {told}"
        for lock, count in sorted(counts.items()):
            if expected not in (None, lock):
                yield (
                    f"{stack}: {count} cells were measured with lock {lock}, this project has "
                    f"{expected}: they are kept apart and not counted; measure with the same "
                    f"locks/{stack}.txt"
                )


def _manifests(found: Iterable[Path], merged: Merged) -> Iterator[tuple[Path, Manifest]]:
    for root in found:
        for path in sorted((root / SHARDS).glob("*/*.json")):
            try:
                manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
            except (OSError, msgspec.DecodeError) as error:
                merged.gaps.append(f"{path}: cut short, or no manifest: {error}")
                continue
            if manifest.schema == MANIFEST_SCHEMA:
                yield path, manifest
            else:
                merged.gaps.append(
                    f"{path}: of schema {manifest.schema}, this krepro reads {MANIFEST_SCHEMA}"
                )


def doubled(manifests: Iterable[tuple[Path, Manifest]]) -> Iterator[str]:
    """Yield a line for each shard that came more than once."""
    places: dict[str, list[Path]] = {}
    for path, manifest in manifests:
        places.setdefault(manifest.place, []).append(path)
    for paths in places.values():
        if len(paths) > 1:
            number, _, of = paths[0].stem.partition("-of-")
            told = ", ".join(str(path.parents[2]) for path in paths)
            yield f"shard {number} of {of} came {len(paths)} times: {told}"


def missing(
    store: Store, manifests: Sequence[Manifest], locks: Mapping[str, Iterable[str]]
) -> Iterator[str]:
    """Yield a line for each shard of one plan that is missing, or lacks verdicts.

    Args:
        store: after the merge.
        manifests: of this plan.
        locks: by stack, those under which results count.
    """
    there = {manifest.number for manifest in manifests}
    plan = manifests[0]
    for number, cells in enumerate(plan.parts, 1):
        lacking = [
            cell
            for cell in cells
            if not any(
                _is_known(store, plan, cell, lock) for lock in locks.get(cell.stack, ())
            )
        ]
        if not lacking:
            continue
        what = "is missing" if number not in there else "is not complete"
        names = shortened(str(cell) for cell in lacking)
        yield (
            f"shard {number} of {plan.of} {what}: {len(lacking)} of its {len(cells)} cells lack "
            f"verdicts ({names}): run it (--shard {number}/{plan.of}) and merge again"
        )


def _is_known(store: Store, plan: Manifest, cell: Cell, lock: str) -> bool:
    """Whether all that a plan asks of a cell was measured under a lock."""
    known = store.load(cell, lock)
    return known is not None and all(
        name in known.repros and known.repros[name].source == plan.sources[name]
        for name in plan.asked(cell)
    )
