"""What a script trains otherwise than on one release, as a symptom that bisect can look for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from packaging.version import Version

from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Sighting, Symptom
from krepro.matrix import Stack
from krepro.recorded.check import DEFAULT_TIMEOUT_S, Checker, Run, way_of_recording
from krepro.recorded.compare import Noise, compare
from krepro.recorded.difference import VALUES
from krepro.upgrade.known import End


def nothing(_: str) -> None:
    """Tell nobody."""


@dataclass
class DifferenceProber(Prober):
    """Runs a script recorded, and compares it with the run on one release of the same stack."""

    release: Version = field(default_factory=lambda: Version("0"))
    values: bool = False

    @classmethod
    def beside(cls, prober: Prober, expect: Symptom, release: Version) -> Self:
        """Return a prober like another one, which looks for differences.

        Args:
            prober: the other one.
            expect: the difference that is looked for; values are compared with care.
            release: what the others are compared with.
        """
        given: dict[str, Any] = {
            each.name: getattr(prober, each.name)
            for each in dataclasses.fields(Prober)
            if each.init
        }
        kind = expect.pattern.partition(":")[0]
        return cls(**given, release=release, values=not kind or kind in VALUES)

    def _run(self, place: Place) -> Sighting:
        stack = self.engine.matrix.find_stack(place.cell.stack)
        checker = self._checker()
        first = checker.record(End(self.release, stack), "first")
        if not first.recording.calls:
            return first.sighting
        here = End(Version(place.cell.release), stack)
        run = checker.record(here, "new", first)
        found = compare(first.recording, run.recording)
        if self.values and any(difference.of_values for difference in found):
            found = self._steadily(checker, stack, here, first)
        said = tuple(dict.fromkeys(f"{d.kind.value}:{d.subject}" for d in found))
        return msgspec.structs.replace(run.sighting, differences=said)

    def _steadily(self, checker: Checker, stack: Stack, here: End, first: Run) -> Any:
        """Return what differs where samples come in their order, beyond rounding."""
        old = End(self.release, stack)
        one, other = (checker.record(end, "steady", first) for end in (old, here))
        noise = Noise()
        nudged = checker.record(old, "nudged", first)
        noise.add(one.recording, nudged.recording, jittered=True)
        return compare(one.recording, other.recording, noise)

    def _checker(self) -> Checker:
        timeout_s = self.timeout_s or DEFAULT_TIMEOUT_S
        return Checker(
            self.engine, self.target, self.scratch, timeout_s=timeout_s, tell=nothing
        )

    def _mode(self) -> str:
        values = "values" if self.values else "structure"
        return f"{super()._mode()}-differs-{way_of_recording()}-{self.release}-{values}"
