"""What ``krepro upgrade`` costs: recording a training, and reading 200 files.

Usage: ``nox -s bench``. Recording is measured on a training whose step takes about 50 ms: the same
script runs recorded and not, in turn, in warm forks of one process; the ratio is that of the
medians of the steps' times, as the script itself takes them. Layers 1 and 2 are measured as whole
commands.
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from krepro.cell.recorder import Tape
from krepro.engine import SCRIPT, Engine, Options, default_isolation
from krepro.home import Home
from krepro.hunt import target
from krepro.matrix import Cell
from krepro.project import Project

ROOT = Path(__file__).parent.parent
RELEASE = "3.15.1"
ROUNDS = 3
FILES = 200
# A step of some 50 ms on one core; fit with logs of each step, and steps one by one.
TRAINING = """
import statistics
import time

import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
y = np.random.default_rng(1).normal(size=(64, 1)).astype("float32")
model = keras.Sequential([keras.Input((512,))])
for _ in range(4):
    model.add(keras.layers.Dense(1024, activation="relu"))
model.add(keras.layers.Dense(1))
model.compile("adam", "mse", metrics=["mae"])
took = []
for _ in range(40):
    began = time.perf_counter()
    model.train_on_batch(x, y)
    took.append(time.perf_counter() - began)
seen = []


class Clock(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])
        seen.append(time.perf_counter() - self.began)


began = time.perf_counter()
model.fit(np.tile(x, (40, 1)), np.tile(y, (40, 1)), batch_size=64, verbose=0, callbacks=[Clock()])
whole = (time.perf_counter() - began) / 40
print("MEASURED", sum(took[5:]) / 35, whole)
"""


def recorded(rows: list[tuple[str, str]]) -> None:
    """Measure what recording adds to a step, on each backend."""
    project = Project.find(ROOT)
    engine = Engine(
        Home.find(), project.folder, project.matrix, options=Options(default_isolation(), 1)
    )
    with tempfile.TemporaryDirectory() as name, engine.room() as scratch:
        script = Path(name) / "train.py"
        script.write_text(TRAINING, encoding="utf-8")
        meant = target.find(project, str(script), scratch)
        assert meant.script is not None
        for backend in ("jax", "torch", "tensorflow"):
            cell = Cell(project.matrix.primary(backend).name, RELEASE)
            times: dict[bool, list[list[float]]] = {False: [], True: []}
            for number in range(2 * ROUNDS):
                taped = bool(number % 2)
                tape = Tape(scratch / f"tape-{backend}-{number}") if taped else None
                found = engine.ask(
                    cell, [], scratch, script=dataclasses.replace(meant.script, tape=tape)
                )
                said = found[SCRIPT]["output"].partition("MEASURED")[2].split()
                times[taped].append([float(word) for word in said])
            for column, what in enumerate(("train_on_batch", "fit")):
                plain, with_tape = (
                    statistics.median(row[column] for row in times[taped])
                    for taped in (False, True)
                )
                said = f"{plain * 1000:.1f} ms a step, recorded {with_tape * 1000:.1f} ms"
                share = f"{(with_tape / plain - 1) * 100:+.0f} %"
                rows.append((f"recording, {backend}, {what}", f"{said}: {share}"))


def read(rows: list[tuple[str, str]]) -> None:
    """Measure layers 1 and 2 as commands: the catalogue alone, then with 200 files."""
    scripts = sorted((ROOT / "tests" / "scripts").glob("*.py"))
    with tempfile.TemporaryDirectory() as name:
        lines = 0
        for number in range(FILES):
            text = scripts[number % len(scripts)].read_text(encoding="utf-8")
            lines += text.count("\n")
            (Path(name) / f"script_{number}.py").write_text(text, encoding="utf-8")
        for what, more in (
            ("layer 1, what is known", []),
            (f"layers 1 and 2, {FILES} files of {lines} lines", ["--scan", name]),
        ):
            took = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                subprocess.run(
                    [
                        *(sys.executable, "-m", "krepro", "upgrade"),
                        *("--from", "3.3.3", "--to", "3.6.0", "-f", "json", *more),
                    ],
                    cwd=ROOT,
                    check=False,
                    capture_output=True,
                )
                took.append(time.perf_counter() - started)
            rows.append((what, f"{statistics.median(took):.2f} s"))


def main() -> None:
    """Measure, and print a table."""
    rows: list[tuple[str, str]] = []
    read(rows)
    recorded(rows)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


if __name__ == "__main__":
    main()
