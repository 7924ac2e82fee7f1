"""The audit: is every entry of the catalogue two-sided, stable, independent, and as declared?"""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from krepro import overlay
from krepro.cell.cell import BATCH
from krepro.engine import Engine
from krepro.installer import InstallError
from krepro.matrix import Cell
from krepro.report import Report, grouped
from krepro.repro import CHEAPEST, Repro
from krepro.result import write_atomically
from krepro.verdict import Verdict

FRESH_RUNS = 5
ROUNDS = 10
SLOW_S = 1.0
ORDERS = 2
PATCHES = "patches"
SIDES = (Verdict.AFFECTED, Verdict.UNAFFECTED)
# Cheapest first: how long a fresh process takes to import Keras.


@dataclass(frozen=True)
class Finding:
    """Something that an entry lacks; ``open`` where it could not be found out."""

    repro: str
    check: str
    message: str
    open: bool = False

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.repro}: {self.check}: {self.message}"


# --- what stored verdicts and metadata tell ---------------------------------------------------


def read_stored(
    report: Report, repros: Sequence[Repro], patches: Path
) -> Iterator[Finding]:
    """Yield what metadata and stored verdicts have against entries. Runs nothing."""
    for repro in repros:
        yield from _documents(repro)
        yield from _teeth(report, repro, patches)
        yield from _slow(report, repro)
    for cell, repro in report.unmeasured():
        if repro in repros:
            yield Finding(repro.id, "measured", f"not measured on {cell}", open=True)
    for cell, repro, found in report.untestable():
        if repro in repros:
            yield Finding(repro.id, "measured", f"{cell}: {found.message}", open=True)
    wanted = {repro.id for repro in repros}
    differences = [d for d in report.differences() if d.repro.id in wanted]
    for line in grouped(differences):
        name, _, rest = line.partition(": ")
        yield Finding(name, "declared", rest)
    yield from _duplicates(report, repros)


def _documents(repro: Repro) -> Iterator[Finding]:
    if not repro.docs:
        yield Finding(repro.id, "docs", "no page is named where the promise is written")
    if not repro.docstring:
        yield Finding(repro.id, "docs", "the story is missing")


def seen_sides(report: Report, repro: Repro) -> dict[str, set[Verdict]]:
    """Return what each test of a repro was seen to say in any cell, by its name."""
    sides: dict[str, set[Verdict]] = {name: set() for name in repro.tests}
    for _, other, found in report.measured():
        if other.id == repro.id:
            for name, outcome in found.tests.items():
                sides.setdefault(name, set()).add(outcome.verdict)
    return sides


def _teeth(report: Report, repro: Repro, patches: Path) -> Iterator[Finding]:
    dull = [
        name for name, sides in seen_sides(report, repro).items() if not set(SIDES) <= sides
    ]
    patched = (patches / f"{repro.id}.patch").is_file()
    if dull and not patched:
        names = ", ".join(dull)
        yield Finding(
            repro.id, "teeth", f"{names} never changed sides, and no patch is there"
        )
    if patched and not dull:
        yield Finding(repro.id, "teeth", "its patch is not needed: Keras has both sides")


def _slow(report: Report, repro: Repro) -> Iterator[Finding]:
    quickest: dict[str, float] = {}
    for cell, other, found in report.measured():
        reference = report.matrix.find_stack(cell.stack).subject
        if other.id == repro.id and found.runs and not reference:
            seconds = min(found.seconds, quickest.get(cell.stack, found.seconds))
            quickest[cell.stack] = seconds
    for stack, seconds in quickest.items():
        if seconds > SLOW_S:
            yield Finding(repro.id, "slow", f"{seconds:.1f} s at its quickest on {stack}")


def _duplicates(report: Report, repros: Sequence[Repro]) -> Iterator[Finding]:
    """Yield entries of one area with the same affected cells and the same upstream changes."""
    by_cells: dict[object, list[Repro]] = {}
    for repro in report.repros:
        cells = frozenset(
            cell
            for cell, other, found in report.measured()
            if other.id == repro.id and found.verdict is Verdict.AFFECTED
        )
        if cells and (repro.introduced or repro.fixed):
            key = (cells, repro.introduced, repro.fixed, repro.area, repro.kind)
            by_cells.setdefault(key, []).append(repro)
    for alike in by_cells.values():
        for repro in alike:
            others = [
                other.id
                for other in alike
                if other.id != repro.id
                and other.id not in repro.related
                and repro.id not in other.related
            ]
            if others and repro in repros:
                names = ", ".join(others)
                yield Finding(
                    repro.id,
                    "duplicate",
                    f"same cells, same upstream changes as {names}: if they are two, "
                    "name one in the other's 'related'",
                )


# --- what only runs tell ----------------------------------------------------------------------


class Proof(msgspec.Struct, frozen=True):
    """What runs proved of an entry as it is: kept, so that an audit can go on."""

    source: str
    check: str
    findings: list[str]
    krepro: int = 1


@dataclass
class Auditor:
    """Runs entries in ways a matrix does not."""

    engine: Engine
    report: Report
    patches: Path
    tell: Callable[[str], None] = lambda _: None
    proofs: Path = field(init=False)

    def __post_init__(self) -> None:
        """Keep proofs beside the results."""
        self.proofs = self.engine.home.path / "audit"

    def run(self, repros: Sequence[Repro]) -> Iterator[Finding]:
        """Yield what runs have against entries; what was proved before is not run again."""
        with self.engine.room() as scratch:
            for number, repro in enumerate(repros, 1):
                self.tell(f"[{number}/{len(repros)}] {repro.id}")
                yield from self._proved(repro, "stable", scratch, self._stable)
                if (self.patches / f"{repro.id}.patch").is_file():
                    yield from self._proved(repro, "patch", scratch, self.patched)
            yield from self._independent(repros, scratch)

    def _proved(
        self,
        repro: Repro,
        check: str,
        scratch: Path,
        prove: Callable[[Repro, Path], Iterable[str]],
    ) -> Iterator[Finding]:
        path = self.proofs / f"{repro.id}-{check}.json"
        with contextlib.suppress(OSError, msgspec.DecodeError):
            proof = msgspec.json.decode(path.read_bytes(), type=Proof)
            if proof.source == repro.source_hash and not proof.findings:
                return
        try:
            findings = list(prove(repro, scratch))
        except InstallError as error:
            yield Finding(repro.id, check, str(error), open=True)
            return
        proof = Proof(repro.source_hash, check, findings)
        write_atomically(path, msgspec.json.encode(proof))
        for line in findings:
            yield Finding(repro.id, check, line)

    def cells_of_both_sides(self, repro: Repro) -> list[Cell]:
        """Return an affected and an unaffected cell, the newest, on the cheapest backend."""
        chosen = []
        for side in SIDES:
            cells = [
                cell
                for cell, other, found in self.report.measured()
                if other.id == repro.id
                and found.verdict is side
                and not self.report.matrix.find_stack(cell.stack).subject
            ]
            if cells:
                chosen.append(min(cells, key=self._cost))
        return chosen

    def _cost(self, cell: Cell) -> tuple[int, tuple[int, ...]]:
        backend = self.report.matrix.find_stack(cell.stack).backend
        age = tuple(-number for number in Version(cell.release).release)
        return CHEAPEST.index(backend), age

    def _stable(self, repro: Repro, scratch: Path) -> Iterator[str]:
        """Yield how five fresh processes, or ten runs in one, disagree."""
        for cell in self.cells_of_both_sides(repro):
            stored = self.report.found[cell][repro.id].verdict
            ways = {
                f"{FRESH_RUNS} fresh processes": self.engine.ask(
                    cell, [repro], scratch, fresh=True, repeat=FRESH_RUNS
                ),
                f"{ROUNDS} runs in one process": self.engine.ask(
                    cell, [repro], scratch, rounds=ROUNDS
                ),
            }
            for way, found in ways.items():
                record = found.get(repro.id, {"verdict": "nothing", "message": ""})
                differing = [
                    f"{name} {outcome['verdict']}"
                    for name, outcome in record.get("workarounds", {}).items()
                    if outcome["verdict"] == Verdict.FLAKY.value
                ]
                if record["verdict"] != stored.value or differing:
                    said = "; ".join([record["verdict"], record["message"], *differing])
                    yield f"{way} on {cell}: {said}, stored is {stored.value}"

    def patched(self, repro: Repro, scratch: Path) -> Iterator[str]:
        """Yield why a patch of Keras does not show the other side of a repro."""
        patch = self.patches / f"{repro.id}.patch"
        release = release_of(patch)
        cells = [
            cell
            for cell, other, found in self.report.measured()
            if other.id == repro.id and cell.release == release and found.verdict in SIDES
        ]
        if not cells:
            yield f"the patch is for {release}, where the repro says nothing"
            return
        cell = min(cells, key=self._cost)
        sides = []
        environment = self.engine.environment(self.engine.matrix.find_stack(cell.stack))
        original = overlay.prepare(
            self.engine.home, self.engine.matrix.subject(cell), environment
        )
        with overlay.patched(original, patch, scratch) as folder:
            unpatched_and_patched: list[dict[str, Any]] = [{}, {"overlay": folder}]
            for changes in unpatched_and_patched:
                found = self.engine.ask(
                    cell, [repro], scratch, fresh=True, retries=0, **changes
                )
                sides.append(found.get(repro.id, {"verdict": "nothing"})["verdict"])
        if set(sides) != {side.value for side in SIDES}:
            yield f"on {cell}: {sides[0]} without the patch, {sides[1]} with it"

    def _independent(self, repros: Sequence[Repro], scratch: Path) -> Iterator[Finding]:
        """Yield entries that say something else behind others, in any of several orders.

        The whole catalogue runs in one process per backend, on the newest release, in its order
        turned round and in random orders; an entry that is not believed there depends on
        what ran before it.
        """
        wanted = {repro.id for repro in repros}
        everyone = list(self.report.repros)
        for stack in self.report.stacks:
            if stack.subject or len(everyone) == 1:
                continue
            cell = [c for c in self.report.cells if c.stack == stack.name][-1]
            self.tell(f"order: {len(everyone)} entries in {ORDERS + 1} orders on {cell}")
            for order in orders(everyone):
                try:
                    found = self.engine.ask(cell, order, scratch, batch=True)
                except InstallError as error:
                    yield Finding("order", "independent", str(error), open=True)
                    break
                for name, record in found.items():
                    if record["isolation"] != BATCH and name in wanted:
                        yield Finding(
                            name,
                            "independent",
                            f"says something else behind others on {cell}",
                        )


def orders(repros: Sequence[Repro]) -> Iterator[list[Repro]]:
    """Yield the orders in which a catalogue is tried: turned round, and shuffled, by seed."""
    yield list(reversed(repros))
    for seed in range(ORDERS):
        shuffled = list(repros)
        random.Random(seed).shuffle(shuffled)  # noqa: S311  Nothing is to be kept secret.
        yield shuffled


def release_of(patch: Path) -> str:
    """Return the release that a patch of Keras is for: its first line is 'Keras X, ...'."""
    first = patch.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("Keras ").split(",")[0].split(" ")[0].rstrip(":.")


def to_data(findings: Sequence[Finding], entries: int) -> dict[str, Any]:
    """Return findings as plain data."""
    return {
        "schema": 1,
        "entries": entries,
        "findings": [
            {"repro": f.repro, "check": f.check, "message": f.message, "open": f.open}
            for f in findings
        ],
    }


def changed_since(folder: Path, reference: str, repros: Sequence[Repro]) -> list[Repro]:
    """Return the entries that differ from a commit, in the work tree or since.

    Raises:
        ValueError: git does not know the commit.
    """
    names = set()
    for command in (
        ["git", "diff", "--name-only", "--relative", reference, "--", "repros"],
        ["git", "ls-files", "--others", "--exclude-standard", "--", "repros"],
    ):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["failed"]
            raise ValueError(f"{' '.join(command[:2])} {reference}: {said[0]}")
        names |= {Path(line).stem for line in done.stdout.splitlines()}
    return [repro for repro in repros if repro.id in names]
