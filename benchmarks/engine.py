"""What the engine costs: against its floor, and against a fresh environment per cell.

Usage: ``nox -s bench -- [--tier quick|all] [--plain-cells N]``. Environments and overlays must be
there (``nox -s matrix -- --tier all`` makes them); results are measured anew in a store of
their own. Prints ratios from this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

from krepro.engine import default_jobs
from krepro.home import Home, sizes_bytes
from krepro.project import Project
from krepro.result import CellResult, Store

ROOT = Path(__file__).parent.parent


def matrix(home: Path, *arguments: str) -> float:
    """Run ``krepro matrix`` in a cache folder; return its wall time in seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "krepro", "matrix", *arguments],
        cwd=ROOT,
        env={**os.environ, "KREPRO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode == 2:
        raise SystemExit(done.stderr)
    return seconds


def floor_s(results: Sequence[CellResult], jobs: int) -> float:
    """Return the floor in seconds: imports of Keras and repro bodies, divided by the cores.

    A repro that ran several times counts as often; its body is what its functions took.
    """
    total = 0.0
    for result in results:
        total += result.import_seconds
        for found in result.repros.values():
            functions = [*found.tests.values(), *found.workarounds.values()]
            total += found.runs * sum(outcome.seconds for outcome in functions)
    return total / jobs


def plain_cell_s(stack: str, release: str) -> tuple[float, dict[str, str]]:
    """Measure one cell the plain way: nox, a fresh environment made by pip, pytest on all repros.

    What pip has downloaded or built before is taken from its cache.

    Returns:
        The wall time in seconds, and the verdicts by repro.
    """
    record = ROOT / ".nox" / "records" / f"{release}@{stack}.json"
    record.unlink(missing_ok=True)
    started = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nox", "--force-venv-backend", "virtualenv"),
            *("--session", f"repros({release}@{stack})"),
        ],
        cwd=ROOT,
        env={**os.environ, "UV_FIND_LINKS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if not record.exists():
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found = json.loads(record.read_text(encoding="utf-8"))
    return seconds, {key: entry["verdict"] for key, entry in found["repros"].items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="quick")
    parser.add_argument("--plain-cells", type=int, default=3)
    options = parser.parse_args()
    project, home, jobs = Project.find(ROOT), Home.find(), default_jobs()
    with tempfile.TemporaryDirectory() as name:
        own = Home(Path(name))
        for room in (home.stacks, home.overlays, home.downloads):
            (own.path / room.name).symlink_to(room)
        first_s = matrix(own.path, "--tier", options.tier)
        again_s = matrix(own.path, "--tier", options.tier)
        results = list(Store(own).everything())
        cells = len(results)
        verdicts = sum(len(result.repros) for result in results)
        floor = floor_s(results, jobs)
        rows = [
            ("cells, repros, verdicts", f"{cells}, {len(project.repros())}, {verdicts}"),
            ("cores", str(jobs)),
            (f"{options.tier}, everything cached but results", f"{first_s:.1f} s"),
            ("the same again, results kept", f"{again_s:.2f} s"),
            ("floor: imports and repro bodies, by cores", f"{floor:.1f} s"),
            ("ratio to the floor", f"{first_s / floor:.2f}"),
            ("per cell, all repros", f"{first_s / cells:.2f} s"),
        ]
        primary = [stack.name for stack in project.matrix.stack if stack.primary]
        newest = str(max(Version(r.release) for r in results))
        for stack_name in (primary * options.plain_cells)[: options.plain_cells]:
            seconds, found = plain_cell_s(stack_name, newest)
            ours = next(r for r in results if (r.stack, r.release) == (stack_name, newest))
            same = all(found[key] == m.verdict.value for key, m in ours.repros.items())
            ratio = seconds / (first_s / cells)
            rows.append(
                (
                    f"the plain way, {newest}@{stack_name}",
                    f"{seconds:.1f} s, {ratio:.0f} times a cell here, "
                    + ("same verdicts" if same else "OTHER VERDICTS"),
                )
            )
    sizes = sizes_bytes((home.stacks, home.overlays))
    for path, size in sizes.items():
        rows.append((f"disk: {path.name}", f"{size / 1e9:.2f} GB"))
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        print(f"{what:<{width}}  {value}")
    shutil.rmtree(ROOT / "build", ignore_errors=True)


if __name__ == "__main__":
    main()
