"""Affected ranges, worked out from verdicts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from krepro import release as releases_module
from krepro.verdict import Verdict


@dataclass(frozen=True)
class Interval:
    """Releases in a row, in order of version, that are affected as far as is known.

    Patch lines need no care of their own: a fix in 3.12.4 that 3.13.0 lacks ends one interval
    and begins another.

    ``first_bad`` and ``last_bad`` were measured to be affected. ``first_fixed`` is the next
    release that was measured not to be, or None. ``before`` and ``after`` are unknown
    releases right outside, ``inside`` those between.
    """

    first_bad: Version
    last_bad: Version
    first_fixed: Version | None
    before: tuple[Version, ...] = ()
    inside: tuple[Version, ...] = ()
    after: tuple[Version, ...] = ()

    def __str__(self) -> str:
        """Return ``3.6.0–3.7.0``, with ``?`` where an end is not known for sure.

        What reaches the newest release reads ``since 3.6.0``.
        """
        text = ("?" if self.before else "") + str(self.first_bad)
        if self.after:
            text += f"–{self.last_bad}?" if self.last_bad != self.first_bad else "?"
        elif self.first_fixed is None:
            text = f"since {text}"
        elif self.last_bad != self.first_bad:
            text += f"–{self.last_bad}"
        if self.inside:
            text += f" ({', '.join(f'{release}?' for release in self.inside)})"
        return text

    def specifier(self, releases: Sequence[Version]) -> str:
        """Return the PEP 440 specifier of the interval among the known releases.

        An interval that reaches the newest release is open above: nothing fixed it yet.
        """
        lower = f">={self.first_bad}"
        later = [release for release in sorted(releases) if release > self.last_bad]
        return f"{lower},<{later[0]}" if later else lower


def intervals(
    verdicts: Mapping[Version, Verdict | None], releases: Sequence[Version]
) -> list[Interval]:
    """Return the affected intervals on one backend.

    Args:
        verdicts: what is known, by release; a release that is missing is unknown, and so is
            one whose verdict is no fact (untestable, flaky, error).
        releases: all known releases, of any order.
    """
    ordered = sorted(releases)

    def state(release: Version) -> str:
        verdict = verdicts.get(release)
        if verdict is None or not verdict.known:
            return "unknown"
        return "bad" if verdict is Verdict.AFFECTED else "good"

    found = []
    runs = [
        (good, list(run)) for good, run in groupby(ordered, lambda r: state(r) == "good")
    ]
    for index, (good, run) in enumerate(runs):
        bad = [release for release in run if state(release) == "bad"]
        if good or not bad:
            continue
        after = runs[index + 1][1] if index + 1 < len(runs) else []
        found.append(
            Interval(
                first_bad=bad[0],
                last_bad=bad[-1],
                first_fixed=after[0] if after else None,
                before=tuple(r for r in run if r < bad[0]),
                inside=tuple(
                    r for r in run if bad[0] < r < bad[-1] and state(r) == "unknown"
                ),
                after=tuple(r for r in run if r > bad[-1]),
            )
        )
    return found


def _is_known(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.known


def describe(
    verdicts: Mapping[Version, Verdict | None], releases: Sequence[Version]
) -> str:
    """Return the affected range on one backend in a few words.

    ``none`` is said only where every release is known, ``all`` only where each is affected.
    """
    facts = [verdicts.get(release) for release in releases]
    known = [verdict for verdict in facts if verdict is not None and verdict.known]
    if not known:
        return "?"
    found = intervals(verdicts, releases)
    if not found:
        if all(verdict is Verdict.NOT_APPLICABLE for verdict in known):
            text = "n/a"
        else:
            text = "none"
        return text if len(known) == len(facts) else f"{text} of {len(known)}"
    if len(known) == len(facts) and all(v is Verdict.AFFECTED for v in known):
        return "all"
    placed = {r for i in found for r in (*i.before, *i.inside, *i.after)}
    unplaced = [
        r for r in sorted(releases) if r not in placed and not _is_known(verdicts.get(r))
    ]
    text = ", ".join(map(str, found))
    return f"{text} ({', '.join(f'{r}?' for r in unplaced)})" if unplaced else text


def specifiers(
    verdicts: Mapping[Version, Verdict | None],
    releases: Sequence[Version],
    wanted: Verdict = Verdict.AFFECTED,
) -> list[str]:
    """Return the PEP 440 specifiers of the releases with a verdict, one per interval."""
    as_bad = {
        release: Verdict.AFFECTED if verdict is wanted else Verdict.UNAFFECTED
        for release, verdict in verdicts.items()
        if verdict is not None and verdict.known
    }
    return [found.specifier(releases) for found in intervals(as_bad, releases)]


def avoiding(
    verdicts: Mapping[Version, Verdict | None], releases: Sequence[Version]
) -> SpecifierSet | None:
    """Return the PEP 440 specifier of the releases that are known to be free of a bug.

    Of the known releases it holds these and no others: what is unknown is avoided too. What comes
    after the newest one is held where the newest one is free.

    Args:
        verdicts: what is known on one backend, by release.
        releases: all known releases, of any order.

    Returns:
        The specifier, or None where no release is free.
    """
    ordered = sorted(releases)
    harmless = (Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE)
    free = [release for release in ordered if verdicts.get(release) in harmless]
    if not free:
        return None
    parts = [f">={free[0]}"]
    later = [release for release in ordered if release > free[-1]]
    if later:
        parts.append(f"<{later[0]}")
    for line, members in releases_module.lines(ordered).items():
        bad = [r for r in members if r not in free and free[0] < r < free[-1]]
        if bad and not set(members) & set(free):
            parts.append(f"!={line}.*")
        else:
            parts += [f"!={release}" for release in bad]
    return SpecifierSet(",".join(parts))
