"""How many programs a second the fuzzer plays, beside a plain loop in a process as warm.

Usage: ``python benchmarks/fuzz.py [SECONDS] [BACKEND ...]``. The plain loop is what one would
write: ``exec`` each chunk, read the weights, ``keras.backend.clear_session()``. It runs in a cell
as well: with the same packages, environment variables and threads. It and the pool take turns on
the same programs, after the same warm-up; a rate is that of all their rounds together.

"per core" is by the processor time that the process took, with all its threads and all it does
between programs, so other work on the machine blurs it less. Small programs: a Sequential or
functional model of two or three Dense layers, compile, fit of two batches, train_on_batch,
evaluate. Drawn ones are the fuzzer's own.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis

from krepro.cell.supervise import Limits
from krepro.engine import SCRIPT, Engine, Options, default_isolation
from krepro.fuzz import source
from krepro.fuzz.pool import Pool
from krepro.fuzz.program import (
    Compile,
    Data,
    Evaluate,
    Fit,
    ListOf,
    Model,
    Named,
    Node,
    OnBatch,
    Optimizer,
    Program,
)
from krepro.fuzz.strategy import programs
from krepro.home import Home
from krepro.hunt import target
from krepro.matrix import Cell
from krepro.project import Project

ROOT = Path(__file__).parent.parent
RELEASE = "3.15.1"
SECONDS = 15.0
ROUNDS = 2
WARM_UP = 5
DRAWN = 60

NAIVE = """
import json, sys, time
import keras

programs, seconds, warm_up = json.load(open("programs.json"))
number = 0
while True:
    if number == warm_up:
        began, began_cpu = time.perf_counter(), time.process_time()
    if number > warm_up and time.perf_counter() - began > seconds:
        break
    names = {"__name__": "program"}
    chunks, models = programs[number % len(programs)]
    try:
        for chunk in chunks:
            exec(compile(chunk, "program", "exec"), names)
            weights = [names[model].get_weights() for model in models if model in names]
    except Exception:
        pass
    keras.backend.clear_session()
    number += 1
took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
print("MEASURED", number - warm_up, took, cpu)
"""


@dataclasses.dataclass
class Rate:
    """How many programs were played in how much time."""

    programs: int = 0
    seconds: float = 0.0
    processor_s: float = 0.0

    def add(self, programs: float, seconds: float, processor_s: float) -> None:
        """Add a round."""
        self.programs += int(programs)
        self.seconds += seconds
        self.processor_s += processor_s

    @property
    def a_second(self) -> float:
        """Programs per second."""
        return self.programs / self.seconds

    @property
    def a_core(self) -> float:
        """Programs per second of processor time."""
        return self.programs / self.processor_s


Part = tuple[list[str], list[str]]


def small() -> Iterator[Part]:
    """Yield small programs: all of a kind, no two alike in shapes."""
    for form, sizes, activation, optimizer, half in itertools.product(
        ("sequential", "functional"),
        ((2, 1), (3, 2), (4, 3, 1), (2, 3, 2)),
        ("relu", "tanh"),
        (Optimizer("sgd"), Optimizer("adam")),
        (2, 3),
    ):
        nodes = [Node("input", "x", (), {"shape": [3], "dtype": "float32"})]
        for number, units in enumerate(sizes):
            args = {
                "units": units,
                "activation": activation if number < len(sizes) - 1 else "linear",
                "use_bias": True,
                "kernel_l2": 0.0,
                "trainable": True,
            }
            nodes.append(Node("dense", f"dense_{number}", (number,), args))
        model = Model(form, "model", tuple(nodes), 0, len(sizes))
        data, batch = Data(2 * half), Data(half, 1)
        compiling = Compile(
            0, optimizer, Named("mean_squared_error"), None, ListOf((Named("mae"),))
        )
        steps = (compiling, Fit(0, data, half), OnBatch(0, batch), Evaluate(0, data, half))
        program = Program((model,), steps)
        yield source.chunks(program), source.model_names(program)


def drawn() -> list[Part]:
    """Return programs as the fuzzer draws them."""
    found: list[Part] = []

    def take(program: Program) -> None:
        found.append((source.chunks(program), source.model_names(program)))

    settings = hypothesis.settings(
        max_examples=DRAWN,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.seed(0)(settings(hypothesis.given(programs())(take)))()
    # The first ones are the simplest.
    return found[DRAWN // 3 :]


def in_pool(pool: Pool, cell: Cell, parts: Sequence[Part], seconds: float) -> list[float]:
    """Play programs in a pool for a while; return how many, the time, and processor time."""

    def processor_s() -> float:
        asked = ["import time", "result = time.process_time()"]
        return float(pool.play(asked, [])[cell].steps[1]["result"])

    for chunks, models in parts[:WARM_UP]:
        pool.play(chunks, models)
    number, began_cpu, began = 0, processor_s(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        chunks, models = parts[(WARM_UP + number) % len(parts)]
        played = pool.play(chunks, models)[cell]
        assert played.ending == "done", played
        number += 1
    took = time.perf_counter() - began
    return [number, took, processor_s() - began_cpu]


def naive(
    ask: Callable[[Path], str], folder: Path, parts: Sequence[Part], seconds: float
) -> list[float]:
    """Run the plain loop for a while; return how many, the time, and processor time."""
    given = json.dumps([parts, seconds, WARM_UP])
    (folder / "programs.json").write_text(given, encoding="utf-8")
    (folder / "naive.py").write_text(NAIVE, encoding="utf-8")
    said = ask(folder / "naive.py").partition("MEASURED")[2].split()
    return [float(word) for word in said]


def compared(
    engine: Engine, cell: Cell, parts: Sequence[Part], seconds: float
) -> tuple[Rate, Rate]:
    """Return the rates of the plain loop and of the pool in one cell."""
    rates = Rate(), Rate()
    project = Project.find(ROOT)
    with engine.room() as scratch, tempfile.TemporaryDirectory() as name:

        def ask(path: Path) -> str:
            room = Path(tempfile.mkdtemp(dir=scratch))
            meant = target.find(project, str(path), room)
            found = engine.ask(
                cell,
                [],
                scratch,
                script=meant.script,
                limits=Limits(timeout_s=20 * seconds + 300),
                confirm=False,
            )
            return str(found[SCRIPT]["output"])

        for _ in range(ROUNDS):
            rates[0].add(*naive(ask, Path(name), parts, seconds / ROUNDS))
            with Pool(engine, scratch, [cell]) as pool:
                rates[1].add(*in_pool(pool, cell, parts, seconds / ROUNDS))
    return rates


def main() -> None:
    """Measure, and print a table."""
    arguments = sys.argv[1:]
    seconds = float(arguments.pop(0)) if arguments else SECONDS
    project = Project.find(ROOT)
    print(f"{'programs a second':<24}{'plain loop':>22}{'pool':>22}{'ratio':>14}")
    print(f"{'':<24}" + 2 * f"{'all':>11}{'per core':>11}" + f"{'all':>7}{'core':>7}")
    for backend in arguments or ("torch", "jax", "tensorflow"):
        cell = Cell(project.matrix.primary(backend).name, RELEASE)
        for what, parts in (("small", list(small())), ("drawn", drawn())):
            options = Options(default_isolation(), 1)
            engine = Engine(Home.find(), project.folder, project.matrix, options=options)
            loop, pool = compared(engine, cell, parts, seconds)
            ratios = pool.a_second / loop.a_second, pool.a_core / loop.a_core
            print(
                f"{backend + ', ' + what:<24}"
                f"{loop.a_second:11.1f}{loop.a_core:11.1f}"
                f"{pool.a_second:11.1f}{pool.a_core:11.1f}"
                f"{ratios[0]:7.2f}{ratios[1]:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
