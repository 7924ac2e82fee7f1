"""Record what a script trains: every call of a model, step by step, and what it did.

Runs inside a cell, before the user's script, and changes nothing of what it looks at: it wraps
the methods of ``keras.Model`` where Keras defines them, and reads values after Keras is done.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from krepro.cell import jitter
from krepro.cell.observe import Observer
from krepro.cell.sowing import SEED, VALUES, Sower, seed_everything
from krepro.cell.tape import Writer, describe

COMPILE, FIT, TRAIN_ON_BATCH = "compile", "fit", "train_on_batch"
ON_BATCH = (TRAIN_ON_BATCH, "test_on_batch", "predict_on_batch")
METHODS = (
    COMPILE,
    FIT,
    "evaluate",
    "predict",
    *ON_BATCH,
    "save",
    "save_weights",
    "load_weights",
)
FUNCTIONS = ("load_model", "save_model", "clone_model")
# So many positional arguments of ``fit`` come before ``shuffle``.
BEFORE_SHUFFLE = 8
APPLY = "apply"
TRAINING = (FIT, TRAIN_ON_BATCH, APPLY)
# Weights are looked at in the first calls of a kind and whenever their number doubles.
ALWAYS_LOOKED = 8
# Of long trainings the logs of so many steps are written, then those of every tenth.
ALL_STEPS, EVERY = 2000, 10
MOST_TEXT, MOST_MESSAGE = 500, 4000


@dataclass(frozen=True)
class Tape:
    """How a run is to be recorded.

    ``initial`` are the initial values that another run kept (None: this run keeps its own),
    ``nudge`` a relative change to them, and rounding
    errors in each step; ``steps`` ends training after so many steps (0: never);
    ``steady`` has ``fit`` take samples in their order, as with ``shuffle=False``, and seeds
    torch, whose layers draw from one generator, before each step; ``still``
    has random layers draw nothing.
    """

    folder: Path
    initial: Path | None = None
    nudge: float = 0.0
    steps: int = 0
    steady: bool = False
    still: bool = False

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Tape:
        """Read what ``dataclasses.asdict`` wrote, through JSON."""
        paths = {name: Path(table[name]) for name in ("folder", "initial") if table[name]}
        return cls(**{**table, **paths})


class Enough(SystemExit):
    """Ends a script whose training has taken the steps that were asked for."""


@dataclass
class Call:
    """One call that the script made, while it runs.

    ``variables`` are those whose values are looked at (None: the model's weights); ``before``
    are their checksums when it began (None: they are not looked at).
    """

    method: str
    model: Any = None
    number: int = -1
    variables: Sequence[Any] | None = None
    before: dict[str, int] | None = None
    steps: Counter[str] = field(default_factory=Counter)
    result: Any = None
    began: float = 0.0


class Recorder:
    """Records one run of one script in this process."""

    def __init__(self, tape: Tape, kit: Path) -> None:
        """Write to the tape's folder; the script and its modules lie in ``kit``."""
        self.tape = tape
        self._kit = f"{kit}{os.sep}"
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        self._keras: Any = importlib.import_module("keras")
        self._home = f"{Path(str(self._keras.__file__)).parent}{os.sep}"
        self._writer = Writer(tape.folder)
        self._observer = Observer(self._writer)
        self._sower = Sower(tape.initial, tape.nudge)
        self._running = threading.local()
        self._guard = threading.Lock()
        self._calls = 0
        self._seen: Counter[tuple[str, int | None]] = Counter()
        self._trained: Counter[int | None] = Counter()
        self._started = time.monotonic()
        self._cost_s = 0.0

    # -- What is wrapped -------------------------------------------------------------------

    def install(self) -> None:
        """Seed, and wrap what is to be recorded."""
        seed_everything()
        self._sower.install()
        for name in METHODS:
            owner = next(cls for cls in self._keras.Model.__mro__ if name in vars(cls))
            setattr(owner, name, self._recorded(name, vars(owner)[name]))
        for name in FUNCTIONS:
            self._replace_everywhere(name)
        lists: Any = importlib.import_module("keras.src.callbacks.callback_list")
        for name, phase in (
            ("on_train_batch_end", "train"),
            ("on_test_batch_end", "test"),
            ("on_epoch_end", "epoch"),
        ):
            self._observe(lists.CallbackList, name, phase)
        if self.tape.steady and "torch" in sys.modules:
            self._seed_steps(lists.CallbackList)
        if self.tape.nudge:
            jitter.install()
        if self.tape.still:
            jitter.stand_still()
        base: Any = importlib.import_module("keras.src.optimizers.base_optimizer")
        base.BaseOptimizer.apply = self._recorded_apply(base.BaseOptimizer.apply)
        self._hear_warnings()

    def _replace_everywhere(self, name: str) -> None:
        """Wrap a function under all the names that Keras gives it."""
        original = getattr(self._keras.models, name, None)
        if original is None:
            return
        recorded = self._recorded(name, original)
        for module in list(sys.modules.values()):
            own = getattr(module, "__name__", "").partition(".")[0] == "keras"
            if own and vars(module).get(name) is original:
                setattr(module, name, recorded)

    def _recorded(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        method = name in METHODS

        @functools.wraps(original)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            where = self._place(inspect.currentframe())
            if where is None:
                return original(*args, **kwargs)
            model, rest = (args[0], args[1:]) if method else (None, args)
            given = describe_arguments(original, rest, kwargs, method=method)
            if name == FIT and self.tape.steady and len(rest) <= BEFORE_SHUFFLE:
                kwargs["shuffle"] = False
            with self._call(Call(name, model), where, given) as call:
                call.result = original(*args, **kwargs)
            return call.result

        return recorded

    def _recorded_apply(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap ``Optimizer.apply``, which training loops of the user's own end in."""

        @functools.wraps(original)
        def recorded(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
            where = (
                None if self._stack() else self._place(inspect.currentframe(), deep=True)
            )
            if where is None:
                return original(optimizer, grads, trainable_variables)
            given = None if trainable_variables is None else list(trainable_variables)
            call = Call(APPLY, variables=given or ())
            with self._call(call, where, {}):
                call.result = original(optimizer, grads, trainable_variables)
            return call.result

        return recorded

    def _observe(self, owner: Any, name: str, phase: str) -> None:
        original = vars(owner)[name]

        @functools.wraps(original)
        def observed(callbacks: Any, index: Any, logs: Any = None) -> Any:
            self._step(phase, logs)
            found = original(callbacks, index, logs)
            self._stop_early(phase)
            return found

        setattr(owner, name, observed)

    def _seed_steps(self, owner: Any) -> None:
        original = owner.on_train_batch_begin

        @functools.wraps(original)
        def seeded(callbacks: Any, *args: Any, **kwargs: Any) -> Any:
            running = self._stack()
            count = running[-1].steps["train"] if running else 0
            sys.modules["torch"].manual_seed(SEED + count)
            return original(callbacks, *args, **kwargs)

        owner.on_train_batch_begin = seeded

    def _hear_warnings(self) -> None:
        show = warnings.showwarning

        def heard(
            message: Any, category: Any, filename: str, *rest: Any, **more: Any
        ) -> None:
            if filename.startswith((self._kit, self._home)):
                running = self._stack()
                self._writer.tell(
                    "warning",
                    call=running[-1].number if running else None,
                    category=category.__name__,
                    text=str(message)[:MOST_TEXT],
                )
            show(message, category, filename, *rest, **more)

        warnings.showwarning = heard

    # -- One call --------------------------------------------------------------------------

    def _stack(self) -> list[Call]:
        """Return the calls that this thread is in."""
        found: list[Call] | None = getattr(self._running, "stack", None)
        if found is None:
            found = self._running.stack = []
        return found

    def _place(self, frame: FrameType | None, *, deep: bool = False) -> str | None:
        """Return where the user's script called, or None for a call that is not the user's.

        Args:
            frame: that of the wrapper.
            deep: calls that Keras makes for the user count too.
        """
        at = frame.f_back if frame else None
        if os.getpid() != self._pid:
            return None
        if at and not deep and at.f_code.co_filename.startswith(self._home):
            return None
        while at and not at.f_code.co_filename.startswith(self._kit):
            at = at.f_back
        if at is None:
            return "?"
        return f"{at.f_code.co_filename[len(self._kit) :]}:{at.f_lineno}"

    @contextlib.contextmanager
    def _call(self, call: Call, where: str, given: Mapping[str, Any]) -> Iterator[Call]:
        """Record a call, which is made in the body."""
        self._begin(call, where, given)
        running = self._stack()
        running.append(call)
        call.began = time.perf_counter()
        try:
            yield call
        except Enough:
            raise
        except BaseException as error:
            self._end(call, error)
            raise
        else:
            self._end(call)
        finally:
            running.remove(call)

    def _begin(self, call: Call, where: str, given: Mapping[str, Any]) -> None:
        """Tell of a call, and of the state in which it finds the model.

        Raises:
            Enough: it would train, and has done so often enough.
        """
        started = time.perf_counter()
        if call.method == TRAIN_ON_BATCH or (call.method == APPLY and call.variables):
            self._check_enough(call.model)
        facts: dict[str, Any] = {}
        if call.method != COMPILE and self._is_due(call):
            known = call.model is not None
            facts["trainable"] = self._observer.trainable(call.model) if known else []
            sketches = self._observer.weights(call.model, call.variables)
            call.before = {name: sketch["crc"] for name, sketch in sketches.items()}
        running = self._stack()
        model = self._observer.number_of(call.model)
        # Calls are told in the order of their numbers, whichever thread makes them.
        with self._guard:
            call.number = self._calls
            self._calls += 1
            self._writer.tell(
                "call",
                number=call.number,
                method=call.method,
                model=model,
                at=where,
                thread=threading.get_ident() != self._thread,
                inside=running[-1].number if running else None,
                arguments=dict(given),
                **facts,
            )
        self._cost_s += time.perf_counter() - started

    def _end(self, call: Call, error: BaseException | None = None) -> None:
        """Tell how a call ended, and of the state in which it leaves the model."""
        ended = time.perf_counter()
        facts: dict[str, Any] = {}
        if error is not None:
            message = str(error)[:MOST_MESSAGE]
            facts["raised"] = {"type": type(error).__name__, "message": message}
        elif isinstance(call.result, self._keras.Model):
            facts["made"] = self._observer.number_of(call.result)
            facts["weights"] = self._observer.weights(call.result)
            facts["trainable"] = self._observer.trainable(call.result)
        else:
            facts["result"] = self._observer.structure(call.result)
        if call.before is not None and "weights" not in facts:
            after = self._observer.weights(call.model, call.variables)
            facts["weights"] = after
            facts["changed"] = self._changed(call, after)
            facts["optimizer"] = self._observer.optimizer(call.model)
            if not call.before and call.model is not None:
                # It was built in the call; another release may build it before.
                facts["trainable"] = self._observer.trainable(call.model)
        self._writer.tell(
            "end",
            call=call.number,
            seconds=round(ended - call.began, 6),
            steps=dict(call.steps),
            **facts,
        )
        self._cost_s += time.perf_counter() - ended

    def _changed(self, call: Call, now: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Return the weights that a call changed; one that came into being in it was not."""
        before = call.before or {}
        return [n for n, s in now.items() if before.get(n, s["crc"]) != s["crc"]]

    def _is_due(self, call: Call) -> bool:
        """Whether the weights are looked at in this call: the first ones, then ever fewer."""
        key = (call.method, self._observer.number_of(call.model))
        self._seen[key] += 1
        often = call.method in ON_BATCH or call.method == APPLY
        return not often or is_looked_at(self._seen[key])

    def _check_enough(self, model: Any) -> None:
        number = self._observer.number_of(model)
        self._trained[number] += 1
        if self.tape.steps and self._trained[number] > self.tape.steps:
            self._writer.tell("enough")
            raise Enough(0)

    # -- Steps within a call ---------------------------------------------------------------

    def _step(self, phase: str, logs: Any) -> None:
        running = self._stack()
        if not running or os.getpid() != self._pid:
            return
        started = time.perf_counter()
        call = running[-1]
        call.steps[phase] += 1
        count = call.steps[phase]
        if phase == "epoch" or count <= ALL_STEPS or count % EVERY == 0:
            self._writer.tell(
                "step",
                call=call.number,
                phase=phase,
                count=count,
                logs=list(self._observer.logs(logs)),
            )
        if phase == "train" and call.before and is_looked_at(count):
            weights = self._observer.weights(call.model)
            changed = self._changed(call, weights)
            self._writer.tell(
                "look", call=call.number, count=count, changed=changed, weights=weights
            )
        self._cost_s += time.perf_counter() - started

    def _stop_early(self, phase: str) -> None:
        """End a ``fit`` that has taken the steps that were asked for, as a callback would."""
        running = self._stack()
        if self.tape.steps and phase == "train" and running:
            call = running[-1]
            if call.steps["train"] >= self.tape.steps and call.model is not None:
                call.model.stop_training = True

    # -- The end ---------------------------------------------------------------------------

    def finish(self) -> None:
        """Write the state in which the script leaves its models, and close the files.

        Raises:
            OSError: the disk is full.
        """
        for number, model in self._observer.models():
            self._writer.tell("final", model=number, weights=self._observer.weights(model))
        self._sower.save(self.tape.folder / VALUES)
        self._writer.tell(
            "finish",
            seconds=round(time.monotonic() - self._started, 4),
            cost_s=round(self._cost_s, 4),
            peak_mb=peak_mb(),
            put=self._sower.put,
            missed=self._sower.missed,
        )
        self._writer.close()


def is_looked_at(count: int) -> bool:
    """Whether the weights are looked at in the so-manyth step or call of a kind."""
    return count <= ALWAYS_LOOKED or count & (count - 1) == 0


def describe_arguments(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    method: bool,
) -> dict[str, Any]:
    """Return the structure of a call's arguments by name."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    names = list(code.co_varnames[: code.co_argcount]) if code else []
    if method:
        names = names[1:]
    found = {}
    for number, value in enumerate(args):
        name = names[number] if number < len(names) else str(number)
        found[name] = describe(value)
    return found | {name: describe(value) for name, value in kwargs.items()}


def peak_mb() -> int:
    """Return the most memory that this process held, in MiB; 0 where that is not known."""
    try:
        import resource
    except ImportError:  # Windows.
        return 0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size // (1 << 20 if sys.platform == "darwin" else 1 << 10)


_CURRENT: list[Recorder] = []


def start(tape: Tape, kit: Path) -> None:
    """Record this process from now on."""
    recorder = Recorder(tape, kit)
    _CURRENT.append(recorder)
    recorder.install()


def finish() -> None:
    """Write the end of the recording, if this process is recorded.

    Raises:
        OSError: the disk is full.
    """
    for recorder in _CURRENT:
        recorder.finish()
