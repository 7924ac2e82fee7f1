"""Results: what was measured, one JSON file per cell, written atomically."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from krepro import __version__
from krepro.home import Home
from krepro.matrix import Cell
from krepro.verdict import Verdict

SCHEMA = 1


class Outcome(msgspec.Struct, frozen=True):
    """What one function of a repro said; ``seconds`` is its wall time."""

    verdict: Verdict
    message: str = ""
    seconds: float = 0.0


class Measurement(msgspec.Struct, frozen=True):
    """What a repro said in a cell.

    ``source`` is the repro's source hash, ``seconds`` the wall time of the run from its start
    to its end, ``runs`` how often it ran (0: the environment kept it from running),
    ``output`` what it printed (its middle cut out if it was long), ``measured`` the time in UTC,
    ``isolation`` whether it ran behind others in one fork ("batch"), in a fork of its own
    ("fork") or in a fresh process ("process").
    """

    source: str
    verdict: Verdict
    message: str = ""
    seconds: float = 0.0
    runs: int = 1
    measured: str = ""
    krepro: str = ""
    isolation: str = ""
    tests: dict[str, Outcome] = {}
    workarounds: dict[str, Outcome] = {}
    output: str = ""

    @property
    def said(self) -> dict[str, str]:
        """What two measurements must agree on: the verdicts of the repro and its workarounds."""
        works = {name: outcome.verdict.value for name, outcome in self.workarounds.items()}
        return {"verdict": self.verdict.value, **works}

    def with_verdict(self, verdict: Verdict, message: str) -> Measurement:
        """Return the measurement under another verdict."""
        return msgspec.structs.replace(self, verdict=verdict, message=message)


class CellResult(msgspec.Struct, frozen=True):
    """All that is known of one cell.

    ``identity`` is what the cell proved itself to be: the names ``keras``, ``keras_file``,
    ``backend``, ``backend_version``, ``numpy``, ``python``. ``import_seconds`` is how long
    ``import keras`` took.
    """

    release: str
    stack: str
    backend: str
    lock: str
    schema: int = SCHEMA
    platform: str = ""
    identity: dict[str, str] = {}
    import_seconds: float = 0.0
    repros: dict[str, Measurement] = {}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a cell's result file."""
    schema = msgspec.json.schema(CellResult)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"krepro cell result, schema {SCHEMA}",
        **schema,
    }


def now() -> str:
    """Return the time in UTC, to the second, in ISO 8601."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def measurement_from(record: dict[str, Any], source: str) -> Measurement:
    """Return a measurement from what a cell told of a repro.

    Raises:
        msgspec.ValidationError: the record is not of the known shape.
    """
    return msgspec.convert(
        {**record, "source": source, "measured": now(), "krepro": __version__}, Measurement
    )


def agree(old: Measurement | None, new: Measurement) -> Measurement:
    """Return what holds after a new measurement of something measured before.

    Two measurements of the same source that are both facts and differ make a flaky repro.
    """
    if old is None or old.source != new.source:
        return new
    # Once flaky, always flaky; and an environment that fails takes no fact back.
    if old.verdict is Verdict.FLAKY or (old.verdict.known and new.verdict.untestable):
        return old
    if old.verdict.known and new.verdict.known and old.said != new.said:
        differing = [
            f"{name} {was}, then {new.said.get(name)}"
            for name, was in old.said.items()
            if new.said.get(name) != was
        ]
        return new.with_verdict(Verdict.FLAKY, f"measured again: {'; '.join(differing)}")
    return new


class Header(msgspec.Struct, frozen=True):
    """All that is asked of a file whose shape is not known."""

    schema: int = 0


def schema_of(path: Path) -> int | None:
    """Return the schema that a file of results says it has, or None where it says none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Header).schema or None
    except (OSError, msgspec.DecodeError):
        return None


def is_foreign(path: Path) -> bool:
    """Whether a file has results of a schema that is not this krepro's."""
    return schema_of(path) not in (None, SCHEMA)


@dataclass(frozen=True)
class Store:
    """The results in the cache folder, by schema, stack, lock and release."""

    home: Home

    def path(self, cell: Cell, lock: str) -> Path:
        """Return the file of a cell."""
        return self.home.results / f"v{SCHEMA}" / cell.stack / lock / f"{cell.release}.json"

    def load(self, cell: Cell, lock: str) -> CellResult | None:
        """Return what is known of a cell; a file cut short counts as nothing known."""
        return read_result(self.path(cell, lock))

    def add(self, result: CellResult) -> CellResult:
        """Add measurements to what is known of a cell, and return all that is known.

        Raises:
            OSError: they could not be written; what was there is still there.
        """

        def added(old: CellResult | None) -> CellResult:
            repros = dict(old.repros) if old else {}
            for name, new in result.repros.items():
                repros[name] = agree(repros.get(name), new)
            return msgspec.structs.replace(
                result,
                repros=dict(sorted(repros.items())),
                platform=result.platform or platform.platform(),
                identity=result.identity or (old.identity if old else {}),
                import_seconds=result.import_seconds
                or (old.import_seconds if old else 0.0),
            )

        return self.change(Cell(result.stack, result.release), result.lock, added)

    def change(
        self, cell: Cell, lock: str, by: Callable[[CellResult | None], CellResult]
    ) -> CellResult:
        """Change what is known of a cell, from one process at a time, and return it.

        Raises:
            OSError: it could not be written; what was there is still there.
        """
        path = self.path(cell, lock)
        with self.home.lock(f"result-{cell.stack}-{lock}-{cell.release}"):
            old = read_result(path)
            new = by(old)
            if new != old:
                write_atomically(path, msgspec.json.format(msgspec.json.encode(new)))
        return new

    def files(self) -> list[Path]:
        """Return the files of this schema, whether they can be read or not."""
        return sorted((self.home.results / f"v{SCHEMA}").glob("*/*/*.json"))

    def everything(self) -> Iterator[CellResult]:
        """Yield every readable result of this schema."""
        for path in self.files():
            result = read_result(path)
            if result:
                yield result


def read_result(path: Path) -> CellResult | None:
    """Return the result in a file, or None where there is none that can be read."""
    try:
        result = msgspec.json.decode(path.read_bytes(), type=CellResult)
    except (OSError, msgspec.DecodeError):
        return None
    return result if result.schema == SCHEMA else None


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it could not be written; the old file, if any, is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
