"""What the searches cost on warm environments: ``krepro bisect`` and ``krepro culprit``.

Usage: ``nox -s bench``. Environments and overlays must be there (``nox -s matrix -- --tier all``
makes them); what was run before is not used. Prints seconds and runs, all from this one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from krepro.home import Home

ROOT = Path(__file__).parent.parent
REPRO = "outer_compile_drops_inner_loss_tracker"
# Runs in a tenth of a second; nothing in it says what it is about.
SCRIPT = """
import keras
import numpy as np

inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
inner.compile(loss="mse", optimizer="sgd")
outer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), inner])
outer.compile(loss="mse", optimizer="sgd")
inner.train_on_batch(np.zeros((4, 2)), np.zeros((4, 1)))
"""


def krepro(home: Path, *arguments: str) -> tuple[float, str]:
    """Run krepro with a cache folder; return its wall time in seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "krepro", *arguments],
        cwd=ROOT,
        env={**os.environ, "KREPRO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return time.perf_counter() - started, done.stdout


def main() -> None:
    """Measure, and print a table."""
    home = Home.find()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        own = Path(name)
        script = own / "script" / "train.py"
        script.parent.mkdir()
        script.write_text(SCRIPT, encoding="utf-8")
        for room in (home.stacks, home.overlays, home.downloads):
            (own / room.name).symlink_to(room)
        for backend in ("jax", "torch", "tensorflow"):
            bisect = ("bisect", str(script), "-b", backend, "--format", "json")
            seconds, said = krepro(own, *bisect)
            (interval,) = json.loads(said)["backends"][0]["intervals"]
            ends = f"{interval['first_bad']} to {interval['last_bad']}"
            rows.append(
                (f"bisect a script, {backend}, 40 releases", f"{seconds:.1f} s: {ends}")
            )
            seconds, _ = krepro(own, *bisect)
            rows.append((f"the same again, {backend}", f"{seconds:.1f} s"))
        for target, good, bad in (
            (REPRO, "3.5.0", "3.6.0"),
            ("dict_losses_applied_alphabetically", "3.4.1", "3.5.0"),
        ):
            for backend in ("jax", "torch", "tensorflow"):
                seconds, said = krepro(
                    own,
                    *("culprit", target, "--good", good, "--bad", bad, "-b", backend),
                    *("--direction", "introduced", "--format", "json"),
                )
                (found,) = json.loads(said)["culprits"]
                what = f"culprit {target[:24]}…, {good} to {bad}, {backend}"
                files = sorted({name.split(":")[0] for name in found["names"]})
                rows.append(
                    (
                        what,
                        f"{seconds:.1f} s, {found['tried']} runs, {', '.join(files)}",
                    )
                )
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        print(f"{what:<{width}}  {value}")


if __name__ == "__main__":
    main()
