"""All that is known of one upgrade: what the catalogue says, what the code touches, what ran."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from krepro.recorded.check import Checked
from krepro.report import Exit, Report
from krepro.scan.scan import Hit, Scan
from krepro.upgrade.finding import Finding, findings
from krepro.upgrade.known import Consequence, Effect, End


@dataclass(frozen=True)
class Upgrade:
    """One upgrade: three layers of evidence, each stronger than the last.

    ``scan`` is None where no code was given, ``checked`` where none was run.
    """

    report: Report
    old: End
    new: End
    consequences: tuple[Consequence, ...]
    script: str = ""
    scan: Scan | None = None
    checked: Checked | None = None

    def of(self, effect: Effect) -> list[Consequence]:
        """Return the consequences of one kind."""
        return [c for c in self.consequences if c.effect is effect]

    def touched(self, effect: Effect) -> list[tuple[Consequence, tuple[Hit, ...]]]:
        """Return the consequences of one kind whose triggers the code holds, with the places."""
        if self.scan is None:
            return []
        found = [(c, self.scan.of(c.repro.id)) for c in self.of(effect)]
        return [(consequence, hits) for consequence, hits in found if hits]

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the script was seen to do differently, by cause."""
        if self.checked is None:
            return ()
        scan = self.scan or Scan((), (), ())
        return tuple(findings(self.checked.differences, self.consequences, scan))

    @property
    def weighty(self) -> list[Finding]:
        """The findings that a user may have to act on."""
        return [finding for finding in self.findings if not finding.detail]

    @property
    def details(self) -> list[Finding]:
        """The findings that are only details."""
        return [finding for finding in self.findings if finding.detail]

    @property
    def changing(self) -> Scan:
        """What the code touches of what is gained, or not known: the rest is no finding."""
        scan = self.scan or Scan((), (), ())
        ids = {
            c.repro.id
            for c in self.consequences
            if c.effect in (Effect.GAINED, Effect.UNKNOWN)
        }
        return replace(scan, hits=tuple(hit for hit in scan.hits if hit.repro in ids))

    @property
    def safe(self) -> bool:
        """Whether nothing changes, as far as the strongest evidence goes."""
        if self.checked is not None:
            return not self.weighty
        if self.scan is not None:
            return not self.touched(Effect.GAINED)
        return not self.of(Effect.GAINED)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is known."""
        if self.checked is not None:
            return self.checked.compared
        if self.scan is not None:
            return not self.touched(Effect.UNKNOWN) and self.scan.whole
        return not self.of(Effect.UNKNOWN)

    @property
    def exit(self) -> Exit:
        """The exit code: 1 for consequences, 3 for what could not be found out."""
        if not self.safe:
            return Exit.FINDINGS
        return Exit.AS_EXPECTED if self.complete else Exit.INCOMPLETE
