"""What a recorded run of a script did, as ``krepro.cell.recorder`` wrote it down."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from krepro.cell.recorder import TRAINING
from krepro.cell.tape import EVENTS, NUMBERS, read_numbers


@dataclass(frozen=True)
class Sketch:
    """What stands for an array: two with one checksum are equal, others differ in ``values``.

    ``values`` are all elements, or a sample at even distances and in the end the mean of all.
    """

    shape: tuple[int, ...]
    dtype: str
    crc: int = 0
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Step:
    """The logs of one training or test step, or of an epoch (phase "epoch").

    ``count`` is the number of the step among those of its phase in the call, ``when`` that among
    all of them.
    """

    phase: str
    count: int
    logs: Mapping[str, Any]
    when: int = 0


@dataclass(frozen=True)
class Look:
    """The weights after a training step, and which had changed since the call began."""

    count: int
    changed: frozenset[str]
    when: int = 0
    weights: Mapping[str, Sketch] = field(default_factory=dict)


@dataclass(frozen=True)
class Raised:
    """An exception that ended a call."""

    type: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True)
class Warned:
    """A warning by Keras, or for the script's own files."""

    category: str
    text: str


@dataclass
class Call:
    """One call that the script made of Keras.

    ``at`` is the script's ``file:line``; ``trainable`` are the weights it would train, by name
    (None: not looked at), ``changed`` those that it changed, ``weights`` all of them after it.
    ``looks`` were taken within ``fit``; ``thread`` says that another thread than the first made
    the call.
    """

    number: int
    method: str
    model: int | None
    at: str
    arguments: Mapping[str, Any]
    inside: int | None = None
    thread: bool = False
    trainable: tuple[str, ...] | None = None
    steps: list[Step] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    ended: bool = False
    result: Any = None
    raised: Raised | None = None
    changed: frozenset[str] | None = None
    weights: Mapping[str, Sketch] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    made: int | None = None
    seconds: float = 0.0


@dataclass
class Recording:
    """One recorded run. ``finished`` is empty where the process did not come to its end."""

    models: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    final: dict[int, Mapping[str, Sketch]] = field(default_factory=dict)
    finished: Mapping[str, Any] = field(default_factory=dict)
    stopped_early: bool = False

    @property
    def trains(self) -> bool:
        """Whether anything was trained."""
        return any(call.method in TRAINING for call in self.calls)

    @property
    def parallel(self) -> bool:
        """Whether threads of the script's own trained, in an order that is chance."""
        return any(call.thread and call.method in TRAINING for call in self.calls)

    @property
    def steps(self) -> int:
        """How many training steps were taken."""
        return sum(
            call.counts.get("train", 0) if call.method == "fit" else call.method in TRAINING
            for call in self.calls
        )


def read(folder: Path) -> Recording:
    """Return the recording in a folder; of one that was cut short, what is whole.

    Raises:
        OSError: there is none.
    """
    reader = _Reader((folder / NUMBERS).read_bytes())
    for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines():
        try:
            reader.hear(json.loads(line))
        except (ValueError, struct.error):  # The process was killed while it wrote.
            break
    return reader.recording


def steps_so_far(folder: Path) -> int:
    """Return how many training steps a run has written down that may still go on."""
    try:
        text = (folder / EVENTS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return sum(
        '"phase": "train"' in line or '"method": "train_on_batch"' in line
        for line in text.splitlines()
    )


class _Reader:
    """Puts events together."""

    def __init__(self, numbers: bytes) -> None:
        self.recording = Recording()
        self._numbers = numbers

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one event."""
        getattr(self, f"_{event.pop('event')}")(**event)

    def _model(self, name: str, cls: str) -> None:
        self.recording.models.append(f"{cls} {name!r}")

    def _call(self, trainable: Sequence[str] | None = None, **facts: Any) -> None:
        looked = None if trainable is None else tuple(trainable)
        self.recording.calls.append(Call(trainable=looked, **facts))

    def _step(
        self, call: int, phase: str, count: int, logs: Sequence[Sequence[Any]]
    ) -> None:
        steps = self.recording.calls[call].steps
        values = {name: self._value(value) for name, value in logs}
        steps.append(Step(phase, count, values, when=len(steps) + 1))

    def _look(self, call: int, count: int, changed: Sequence[str], **facts: Any) -> None:
        found = self.recording.calls[call]
        sketches = self._sketches(facts.get("weights"))
        found.looks.append(Look(count, frozenset(changed), len(found.steps), sketches))

    def _end(
        self, call: int, seconds: float, steps: Mapping[str, int], **facts: Any
    ) -> None:
        found = self.recording.calls[call]
        # First what may be cut short: a call that has not ended whole has not ended.
        found.weights = self._sketches(facts.get("weights"))
        found.result = self._value(facts.get("result"))
        found.ended, found.seconds, found.counts = True, seconds, steps
        found.optimizer = facts.get("optimizer")
        found.made = facts.get("made")
        if "changed" in facts:
            found.changed = frozenset(facts["changed"])
        if "trainable" in facts:
            found.trainable = tuple(facts["trainable"])
        if raised := facts.get("raised"):
            found.raised = Raised(**raised)

    def _warning(self, call: int | None, category: str, text: str) -> None:
        where = self.recording if call is None else self.recording.calls[call]
        where.warnings.append(Warned(category, text))

    def _final(self, model: int, weights: Mapping[str, Any]) -> None:
        self.recording.final[model] = self._sketches(weights)

    def _enough(self) -> None:
        self.recording.stopped_early = True

    def _finish(self, **facts: Any) -> None:
        self.recording.finished = facts

    def _sketches(self, table: Mapping[str, Any] | None) -> dict[str, Sketch]:
        return {name: self._sketch(value) for name, value in (table or {}).items()}

    def _sketch(self, table: Mapping[str, Any]) -> Sketch:
        found = Sketch(tuple(table["shape"]), table["dtype"], table.get("crc", 0))
        if "at" not in table:
            return found
        values = read_numbers(self._numbers, table["at"], table["count"])
        size = math.prod(found.shape)
        if size > len(values):
            # A sum would make whatever differs in one element look small beside it.
            values = (*values, table["sum"] / size)
        return dataclasses.replace(found, values=values)

    def _value(self, value: Any) -> Any:
        """Return a written value with its sketches read; containers stay containers."""
        if isinstance(value, dict):
            if "crc" in value or "shape" in value:
                return self._sketch(value)
            if "dict" in value:
                return {name: self._value(item) for name, item in value["dict"]}
            if "tuple" in value:
                return tuple(self._value(item) for item in value["tuple"])
            if "list" in value:
                return [self._value(item) for item in value["list"]]
        return value
