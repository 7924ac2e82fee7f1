"""Programs in warm workers: what each does is told, whatever it does to its worker."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krepro.cell import supervise
from krepro.cell.player import TIDY_AFTER
from krepro.engine import Engine, Options, Stopped
from krepro.fuzz import pool as pools
from krepro.fuzz.pool import Played, Pool
from krepro.matrix import Cell
from krepro.project import Project
from tests.conftest import ROOT, users_home

pytestmark = pytest.mark.keras
TORCH = Cell("torch-2.13", "3.15.1")
ALL = (TORCH, Cell("jax-0.4", "3.15.1"), Cell("tensorflow-2.16", "3.15.1"))
TIMEOUT_S, MEMORY_MB = 20.0, 1500

MODEL = """
import keras
import numpy as np

inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="a")], name="inner")
x = keras.Input((2,))
model_0 = keras.Model(x, inner(x), name="outer")
for layer in inner.layers:
    layer.set_weights([np.full(w.shape, 0.5) for w in layer.get_weights()])
"""
COMPILE = """
model_0.compile(keras.optimizers.SGD(0.25), loss="mse")
result = None
"""
FIT = """
x = np.ones((2, 2), "float32")
y = np.zeros((2, 1), "float32")
result = model_0.fit(x, y, batch_size=2, shuffle=False, verbose=0)
"""


def engine_for(home: Path) -> Engine:
    own = users_home(home)
    return Engine(own, ROOT, Project(ROOT).matrix, options=Options(jobs=2))


@dataclasses.dataclass
class Room:
    engine: Engine
    scratch: Path

    def pool(self, *cells: Cell, **options: Any) -> Pool:
        options = {"timeout_s": TIMEOUT_S, "memory_mb": MEMORY_MB, **options}
        return Pool(self.engine, self.scratch, cells or (TORCH,), **options)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    engine = engine_for(tmp_path_factory.mktemp("home"))
    with engine.room() as scratch:
        yield Room(engine, scratch)


@pytest.fixture(scope="module")
def torch(room: Room) -> Iterator[Pool]:
    with room.pool() as pool:
        yield pool


def play(pool: Pool, *chunks: str, fresh: bool = False) -> Played:
    parts = [textwrap.dedent(chunk) for chunk in chunks]
    return pool.play(parts, ["model_0"], fresh=fresh, cells=[TORCH])[TORCH]


def worker_id(pool: Pool) -> int:
    played = play(pool, "import os", "result = os.getpid()")
    return int(played.steps[1]["result"])


def test_steps_are_told_in_every_backend(room: Room) -> None:
    with room.pool(*ALL) as pool:
        found = pool.play([MODEL, COMPILE, FIT], ["model_0", "model_1"])
    assert list(found) == list(ALL)
    # The prediction is 1.5, its gradient 3 for each of the three weights.
    before, after = [0.5], [0.5 - 0.25 * 3]
    for played in found.values():
        assert played.ending == "done", played
        assert [step["ending"] for step in played.steps] == ["returned"] * 3
        start, compiled, trained = played.steps
        kernel = {"array": [before, before], "dtype": "float32"}
        assert start["weights"]["model_0/inner/a/0"] == kernel
        assert compiled == start
        assert set(trained["weights"]) == {"model_0/inner/a/0", "model_0/inner/a/1"}
        assert trained["weights"]["model_0/inner/a/1"] == {
            "array": after,
            "dtype": "float32",
        }
        assert trained["result"] == {"dict": [["loss", {"list": [2.25]}]]}
        assert played.seconds > 0


def test_a_cell_with_two_seats_plays_two_programs_at_a_time(
    room: Room, tmp_path: Path
) -> None:
    """Each waits for the other: played one after the other, neither would end."""
    waiting = """
    import pathlib, time
    pathlib.Path({own!r}).touch()
    while not pathlib.Path({other!r}).exists():
        time.sleep(0.01)
    result = {number}
    """
    one, other = (str(tmp_path / name) for name in ("one", "other"))
    programs = [
        waiting.format(own=own, other=wanted, number=number)
        for number, (own, wanted) in enumerate([(one, other), (other, one)])
    ]
    with (
        room.pool(seats=2) as pool,
        concurrent.futures.ThreadPoolExecutor(2) as hands,
    ):
        played = list(hands.map(lambda text: play(pool, "", text), programs))
    assert [each.ending for each in played] == ["done", "done"]
    assert [each.steps[1]["result"] for each in played] == [0, 1]


def test_quick_workers_compute_what_plain_ones_do(room: Room) -> None:
    """Plain ones run nothing but Keras and its backend as they are."""
    more = """
    model_0.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    result = model_0.fit(x, y, batch_size=1, epochs=2, shuffle=False, verbose=0)
    """
    parts = [
        MODEL,
        COMPILE,
        FIT,
        textwrap.dedent(more),
        "result = model_0.predict(x, verbose=0)",
    ]
    with room.pool(*ALL) as pool:
        for _ in range(2):
            quick = pool.play(parts, ["model_0"])
        fresh = pool.play(parts, ["model_0"], fresh=True)
    for cell in ALL:
        assert quick[cell].ending == "done"
        assert len(quick[cell].steps) == len(parts)
        assert numbers_of(quick[cell].steps) == pytest.approx(
            numbers_of(fresh[cell].steps), rel=1e-5
        )


def numbers_of(value: Any) -> list[float]:
    """Return the numbers in what a program told, in order."""
    if isinstance(value, dict):
        return numbers_of(list(value.values()))
    if isinstance(value, list | tuple):
        return [number for item in value for number in numbers_of(item)]
    return [value] if isinstance(value, int | float) else []


def test_a_quick_worker_lasts(torch: Pool) -> None:
    """What it is spared, or puts off, does not pile up so that it must be renewed."""
    worker = worker_id(torch)
    for _ in range(2 * TIDY_AFTER):
        assert play(torch, MODEL, COMPILE, FIT).ending == "done"
    assert worker_id(torch) == worker


def test_values_are_told_with_what_they_were(torch: Pool) -> None:
    played = play(
        torch,
        "import keras, numpy as np",
        """
        result = [
            None, True, 2, np.float32(0.5), np.ones((1, 2), "int64"), (), {"b": 1, "a": "text"},
            keras.ops.ones((1,)), keras.ops.ones(()), np.bool_(False), object(), float("nan"),
        ]
        """,
    )
    found = played.steps[1]["result"]["list"]
    assert found[:6] == [
        None,
        True,
        2.0,
        0.5,
        {"array": [[1, 1]], "dtype": "int64"},
        {"tuple": []},
    ]
    assert isinstance(found[2], float)
    assert found[6] == {"dict": [["b", 1.0], ["a", "text"]]}
    assert found[7:11] == [
        {"array": [1.0], "dtype": "float32"},
        1.0,
        False,
        {"other": "object"},
    ]
    assert found[11] != found[11]


def test_a_program_ends_where_it_raises_and_says_where_in_keras(torch: Pool) -> None:
    played = play(torch, MODEL, "model_0.fit(np.ones((2, 2)))", "result = 1")
    assert played.ending == "done"
    assert [step["ending"] for step in played.steps] == ["returned", "raised"]
    last = played.steps[-1]
    assert last["exception"] == "ValueError"
    assert "compile()" in last["message"]
    assert last["site"] == "keras/src/trainers/trainer.py:_assert_compile_called"
    assert last["weights"] == played.steps[0]["weights"]


def test_what_keras_called_is_traced_to_keras(torch: Pool) -> None:
    """Keras leaves its own frames out of what a user sees."""
    fail = "fail = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: 1 / 0)"
    fit = FIT.replace("verbose=0", "verbose=0, callbacks=[fail]")
    last = play(torch, MODEL, COMPILE, fail, fit).steps[-1]
    assert last["exception"] == "ZeroDivisionError"
    assert last["site"] == "keras/src/callbacks/callback_list.py:on_train_begin"


def test_the_first_chunk_may_raise(torch: Pool) -> None:
    (only,) = play(torch, "raise KeyError('here')", "result = 1").steps
    assert (only["ending"], only["exception"], only["site"]) == ("raised", "KeyError", "")
    assert only["message"] == "'here'"
    (only,) = play(torch, "this is no Python").steps
    assert only["exception"] == "SyntaxError"


def test_a_program_may_print_and_ask_to_leave(torch: Pool) -> None:
    played = play(
        torch,
        """
        import os, sys
        print('{"ready": true}', flush=True)
        print('{"number": 1, "seconds": 0}', file=sys.stderr)
        os.write(1, b"{}"); os.write(2, b"{}")
        """,
        "sys.exit(3)",
    )
    assert played.ending == "done"
    assert [step["exception"] for step in played.steps] == ["", "SystemExit"]


def test_programs_find_nothing_of_each_other(torch: Pool) -> None:
    leave = """
    import keras, os, random, sys
    import numpy as np
    model_0 = keras.Sequential([keras.layers.Dense(1)])
    left = 1
    os.environ["LEFT"] = "1"
    open("left.txt", "w").close()
    sys.path.append("left")
    """
    look = """
    import keras, os, random, sys
    import numpy as np
    result = [
        keras.layers.Dense(1).name, "left" in globals(), "LEFT" in os.environ, os.listdir(),
        "left" in sys.path, random.random(), np.random.random(), keras.random.uniform(()),
        __name__,
    ]
    """
    worker = worker_id(torch)
    first = play(torch, "", look, fresh=True).steps[1]["result"]["list"]
    play(torch, leave)
    again = play(torch, "", look).steps[1]["result"]["list"]
    assert worker_id(torch) == worker
    assert first[:5] == ["dense", False, False, {"list": []}, False]
    assert first == again


def test_what_cannot_be_put_back_ends_the_worker(torch: Pool) -> None:
    worker = worker_id(torch)
    changed = "keras.config.set_floatx('float64')", "result = keras.config.floatx()"
    assert play(torch, "import keras", *changed).steps[2]["result"] == "float64"
    assert play(torch, "import keras", changed[1]).steps[1]["result"] == "float32"
    assert worker_id(torch) != worker
    worker = worker_id(torch)
    # A thread of a backend's that called Python, and ended, is not one that is left.
    native = (
        "import _thread, threading; _thread.start_new_thread(threading.current_thread, ())"
    )
    play(torch, native, "import time; time.sleep(0.2); result = threading.active_count()")
    assert worker_id(torch) == worker
    left = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    play(torch, left)
    assert worker_id(torch) != worker


def test_classes_of_a_program_are_saved_and_loaded(torch: Pool) -> None:
    played = play(
        torch,
        """
        import keras

        class Own(keras.layers.Layer):
            def build(self, shape):
                self.scale = self.add_weight(shape=(), initializer="ones")

            def call(self, x):
                return x * self.scale

        model_0 = keras.Sequential([keras.Input((1,)), Own(name="own")])
        """,
        """
        import inspect
        model_0.save("model.keras")
        model_0 = keras.models.load_model("model.keras", custom_objects={"Own": Own})
        result = [type(model_0.layers[0]) is Own, "x * self.scale" in inspect.getsource(Own)]
        """,
    )
    assert played.steps[1]["result"] == {"list": [True, True]}, played


def test_an_abort_is_a_crash_and_told_with_the_steps_before(torch: Pool) -> None:
    played = play(torch, "import os", "result = 1", "os.abort()")
    assert played.ending == "crashed"
    assert [step["result"] for step in played.steps] == [None, 1.0]
    first, *traceback = played.message.splitlines()
    assert first == f"killed by signal {signal.SIGABRT.value}"
    assert any("<program " in line and "line 3" in line for line in traceback)
    played = play(torch, "import os; os._exit(7)")
    assert played.ending == "crashed"
    assert played.message == "the process ended early, with exit status 7"
    assert play(torch, "", "result = 1").ending == "done"


def test_a_program_without_end_is_ended(room: Room) -> None:
    with room.pool(timeout_s=1.0) as pool:
        played = play(pool, "", "result = 1", "while True: pass")
        assert (played.ending, played.message) == ("hung", "no end after 1 s")
        assert len(played.steps) == 2
        # In native code, where no exception gets through.
        played = play(
            pool,
            "import time, signal; signal.pthread_sigmask(0, [2, 15])",
            "time.sleep(99)",
        )
        assert played.ending == "hung"
        assert play(pool, "", "result = 1").ending == "done"


def test_a_program_that_allocates_without_end_is_ended(torch: Pool) -> None:
    played = play(
        torch,
        "found = []",
        "while True: found.append(bytearray(10_000_000))",
    )
    assert (played.ending, played.message) == ("out of memory", "passed 1500 MiB of memory")
    assert len(played.steps) == 1
    played = play(torch, "", "bytearray(1 << 60)")
    assert played.ending == "out of memory"
    assert played.message.startswith("MemoryError")
    assert play(torch, "", "result = 1").ending == "done"


def test_what_a_crashed_program_forked_is_gone(torch: Pool) -> None:
    played = play(
        torch,
        "import os, subprocess, sys",
        """
        away = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"],
                                start_new_session=True)
        result = away.pid
        """,
        "os.abort()",
    )
    assert played.ending == "crashed"
    stray = int(played.steps[1]["result"])
    assert not Path(f"/proc/{stray}").exists()


def test_fresh_workers_played_nothing_before(torch: Pool) -> None:
    mark = (
        "import os, sys; first = not hasattr(sys, 'mark'); sys.mark = 1",
        "result = [first, os.getpid()]",
    )
    warm = [play(torch, *mark).steps[1]["result"]["list"] for _ in range(2)]
    fresh = [play(torch, *mark, fresh=True).steps[1]["result"]["list"] for _ in range(2)]
    assert warm[0][1] == warm[1][1]
    assert not warm[1][0]
    assert fresh[0][0]
    assert fresh[1][0]
    assert len({warm[0][1], fresh[0][1], fresh[1][1]}) == 3
    for _, number in fresh:
        assert not Path(f"/proc/{int(number)}").exists()


def test_workers_are_renewed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "RENEW_AFTER", 2)
    with room.pool() as pool:
        workers = [worker_id(pool) for _ in range(4)]
        assert workers[0] == workers[1] != workers[2] == workers[3]
    monkeypatch.setattr(pools, "RENEW_AFTER", 100)
    monkeypatch.setattr(pools, "GROWTH_MB", 100)
    with room.pool() as pool:
        worker = worker_id(pool)
        play(pool, "import sys; sys.left = b'1' * 200_000_000")
        assert worker_id(pool) != worker


def test_a_cell_without_its_own_process_is_started_again(room: Room) -> None:
    with room.pool() as pool:
        worker = worker_id(pool)
        fields = dict(supervise.processes())[worker]
        os.kill(int(fields[1]), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{worker}").exists()
        assert worker_id(pool) != worker


def test_what_does_not_import_is_untestable(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = room.engine._job

    def broken(*args: Any) -> Any:
        job = given(*args)
        return dataclasses.replace(job, release="3.15.2") if args[0] == TORCH else job

    monkeypatch.setattr(room.engine, "_job", broken)
    with room.pool() as pool:
        played = play(pool, "result = 1")
    assert played.ending == "untestable"
    assert "asked for keras 3.15.2" in played.message


def test_an_import_without_end_is_untestable(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = msgspec.structs.replace(room.engine.matrix.limits, import_timeout_s=0.5)
    matrix = msgspec.structs.replace(room.engine.matrix, limits=limits)
    monkeypatch.setattr(room.engine, "matrix", matrix)
    ended = threading.Event()
    monkeypatch.setattr(room.engine, "ask", lambda *_, **__: ended.wait(60))
    try:
        with room.pool() as pool:
            played = play(pool, "result = 1")
    finally:
        ended.set()
    assert (played.ending, played.message) == (
        "untestable",
        "import keras: no end after 1.5 s",
    )


def test_fresh_processes_do_the_same(tmp_path: Path) -> None:
    engine = engine_for(tmp_path)
    engine.options = Options(isolation="process", jobs=1)
    with engine.room() as scratch, Pool(engine, scratch, [TORCH], timeout_s=60.0) as pool:
        assert play(pool, MODEL, COMPILE, FIT).steps[2]["result"]
        worker = worker_id(pool)
        assert worker_id(pool) == worker
        assert play(pool, "import os", "os.abort()").ending == "crashed"
        assert worker_id(pool) != worker


def test_a_stop_ends_a_program(tmp_path: Path) -> None:
    engine = engine_for(tmp_path)
    with engine.room() as scratch, Pool(engine, scratch, [TORCH]) as pool:
        worker = worker_id(pool)
        threading.Timer(1.0, engine.stop.set).start()
        with pytest.raises(Stopped):
            play(pool, "while True: pass")
    assert not Path(f"/proc/{worker}").exists()


HANGS = """
import signal
import sys
from pathlib import Path
from krepro.matrix import Cell
from krepro.fuzz.pool import Pool
from tests.test_player import TORCH, engine_for

# What runs in the background of a shell ignores it otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
engine = engine_for(Path(sys.argv[1]))
with engine.room() as scratch, Pool(engine, scratch, [TORCH]) as pool:
    played = pool.play(["import os", "result = os.getpid()"], [])
    print(int(played[TORCH].steps[1]["result"]), flush=True)
    pool.play(["while True: pass"], [])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_behind(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        worker = int(process.stdout.readline())  # type: ignore[union-attr]
        time.sleep(0.5)
        assert Path(f"/proc/{worker}").exists()
        os.kill(process.pid, number)
        process.wait(30)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if not (left := with_home(tmp_path)):
                break
            time.sleep(0.1)
        assert not left
        assert not Path(f"/proc/{worker}").exists()


def with_home(home: Path) -> list[int]:
    """Return the processes that work below a folder."""
    found = []
    for pid, _ in supervise.processes():
        try:
            if Path(f"/proc/{pid}/cwd").resolve().is_relative_to(home):
                found.append(pid)
        except OSError:
            continue
    return found
