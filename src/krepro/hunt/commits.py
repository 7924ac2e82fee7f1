"""From releases to commits: a search in a clone of Keras, whose work tree is left alone."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import Version

from krepro.home import Home
from krepro.hunt.bisect import Bisector, Track, answer_of, count
from krepro.hunt.prober import Place
from krepro.hunt.search import Answer
from krepro.installer import InstallError, cause_of
from krepro.matrix import Cell
from krepro.overlay import made_once
from krepro.project import SelectionError

PACKAGE = "keras"
# What git sets for its hooks, and what would lead away from the clone that was named.
OF_ANOTHER_REPOSITORY = {
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
}
UPSTREAM = "https://github.com/keras-team/keras"


@dataclass(frozen=True)
class Commit:
    """A commit: its whole hash, the first line of its message, its date (ISO 8601)."""

    hash: str
    subject: str = field(default="", compare=False)
    date: str = field(default="", compare=False)

    @property
    def short(self) -> str:
        """The hash as it is shown."""
        return self.hash[:10]

    @property
    def number(self) -> int | None:
        """The pull request that a squashed commit names at the end of its first line."""
        found = re.search(r"\(#(\d+)\)\s*$", self.subject)
        return int(found[1]) if found else None

    def __str__(self) -> str:
        return f"{self.short} {self.date[:10]} {self.subject}".rstrip()


@dataclass(frozen=True)
class CommitTurn:
    """The commit at which one backend turned between two releases.

    ``direction`` is "introduced" or "fixed". ``commit`` is the first that shows the other side,
    ``open`` are commits before it that say nothing: the turn may be any of them too.
    """

    backend: str
    direction: str
    before: Version
    after: Version
    commit: Commit | None
    open: tuple[Commit, ...] = ()
    asked: int = 0
    trouble: str = ""

    def __str__(self) -> str:
        head = (
            f"{self.direction} between {self.before} and {self.after} on {self.backend}: "
        )
        if self.commit is None:
            return head + self.trouble
        text = head + str(self.commit)
        if self.commit.number:
            text += f" {UPSTREAM}/pull/{self.commit.number}"
        if self.open:
            text += f" (or one of {len(self.open)} commits before it that say nothing)"
        return text

    def to_data(self) -> dict[str, Any]:
        """Return the turn as plain data."""
        return {
            "backend": self.backend,
            "direction": self.direction,
            "between": [str(self.before), str(self.after)],
            "commit": self.commit.hash if self.commit else None,
            "subject": self.commit.subject if self.commit else None,
            "pull_request": self.commit.number if self.commit else None,
            "open": [commit.hash for commit in self.open],
            "asked": self.asked,
            "trouble": self.trouble,
        }


@dataclass(frozen=True)
class Clone:
    """A clone of Keras, bare or not."""

    path: Path

    def check(self) -> None:
        """Refuse what is no clone with a history.

        Raises:
            SelectionError: it is not, or it is shallow.
        """
        try:
            shallow = self._git("rev-parse", "--is-shallow-repository").strip()
        except SelectionError:
            raise SelectionError(f"--git {self.path}: is not a git repository") from None
        if shallow == "true":
            raise SelectionError(
                f"--git {self.path}: is shallow: git fetch --unshallow --tags first"
            )

    def tag(self, release: Version) -> str:
        """Return the commit of a release.

        Raises:
            SelectionError: it has no tag.
        """
        try:
            return self._git(
                "rev-parse", "--verify", "--quiet", f"v{release}^{{commit}}"
            ).strip()
        except SelectionError:
            raise SelectionError(
                f"--git {self.path}: has no tag v{release}: git fetch --tags first"
            ) from None

    def commit(self, name: str) -> Commit:
        """Return the commit that a name means: a hash, a tag, a branch.

        Raises:
            SelectionError: there is none.
        """
        try:
            said = self._git("log", "-1", "--format=%H%x09%cI%x09%s", name, "--")
        except SelectionError:
            raise SelectionError(f"--git {self.path}: has no commit {name!r}") from None
        found, date, subject = said.rstrip("\n").split("\t", 2)
        return Commit(found, subject, date)

    def base(self, before: Version, after: Version) -> Commit:
        """Return the commit where the histories of two releases part.

        It is the earlier release itself, unless that was made on a branch.

        Raises:
            SelectionError: a tag is missing.
        """
        ends = self.tag(before), self.tag(after)
        name = self._git("merge-base", *ends).strip()
        same = name == ends[0]
        return Commit(name, f"v{before}" if same else f"where v{before} and v{after} part")

    def candidates(self, new: Commit, old: Sequence[Commit]) -> list[tuple[Commit, int]]:
        """Return the commits that may be the turn, each with how much an answer there tells.

        Those are the ancestors of a commit that are not ancestors of others, it included: by
        the whole graph, merges and side branches too. What an answer tells is what git bisect
        reckons: the fewer of the commits that it leaves or the fewer that it takes away.

        Raises:
            SelectionError: git does not know a commit.
        """
        names = [commit.hash for commit in old]
        said = self._git(
            "rev-list", "--bisect-all", new.hash, "--not", *names, "--", PACKAGE
        )
        telling = {}
        for line in said.splitlines():
            distance = re.search(r"dist=(\d+)", line)
            telling[line.split()[0]] = int(distance[1]) if distance else 0
        form = "--format=%H%x09%cI%x09%s"
        log = self._git("log", form, new.hash, "--not", *names, "--", PACKAGE)
        facts = {row[0]: row for line in log.splitlines() if (row := line.split("\t", 2))}
        return [
            (Commit(name, facts[name][2], facts[name][1]), distance)
            for name, distance in telling.items()
            if name in facts
        ]

    def export(self, commit: Commit, home: Home) -> Path:
        """Return an overlay with the sources of a commit, made if it is not there.

        Raises:
            InstallError: it could not be written, or the commit has no such sources.
        """

        def fill(folder: Path) -> None:
            try:
                unpack(self._bytes("archive", "--format=tar", commit.hash, PACKAGE), folder)
            except (OSError, SelectionError, tarfile.TarError) as error:
                raise InstallError(
                    cause_of(str(error)), f"{commit.short}: {error}"
                ) from None

        return made_once(home, home.overlays / f"git-{commit.hash[:12]}", fill)

    def _git(self, *arguments: str) -> str:
        return self._bytes(*arguments).decode("utf-8", "replace")

    def _bytes(self, *arguments: str) -> bytes:
        # A clone of somebody else's is only read; nothing in it is run.
        settings = ["-c", "safe.directory=*", "-c", "log.showSignature=false"]
        command = ["git", "-C", str(self.path), *settings, *arguments]
        variables = {n: v for n, v in os.environ.items() if n not in OF_ANOTHER_REPOSITORY}
        try:
            done = subprocess.run(command, capture_output=True, check=False, env=variables)
        except OSError as error:
            raise SelectionError(f"git cannot be run: {error}") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["failed"]
            raise SelectionError(f"git {arguments[0]} in {self.path}: {said[-1]}")
        return done.stdout


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a tar archive but for tests; links and anything outside are left out.

    Raises:
        OSError, tarfile.TarError: it could not be read or written.
    """
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            place = folder / member.name
            inside = ".." not in place.parts and place.is_relative_to(folder)
            if not member.isfile() or not inside or member.name.endswith("_test.py"):
                continue
            source = archive.extractfile(member)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read() if source else b"")


def turns_of(track: Track) -> list[tuple[str, Version, Version]]:
    """Return the releases between which a backend turned, and which way."""
    found = []
    facts = [
        r for r in track.releases if r in track.sightings and track.seen(r).verdict.known
    ]
    answers = track.answers()
    for before, after in itertools.pairwise(facts):
        if answers[before] is not answers[after]:
            bad = answers[after] is Answer.BAD
            found.append(("introduced" if bad else "fixed", before, after))
    return found


def spread(candidates: Sequence[tuple[Commit, int]], width: int) -> list[Commit]:
    """Return what to ask: the commit that tells most, and others well apart from it."""
    ordered = sorted(candidates, key=lambda pair: -pair[1])
    most = ordered[0][1]
    chosen = [ordered[0][0]]
    for n in range(1, width):
        wanted = most * (width - n) / width
        rest = [pair for pair in ordered if pair[0] not in chosen]
        if rest:
            chosen.append(min(rest, key=lambda pair: abs(pair[1] - wanted))[0])
    return chosen


@dataclass
class CommitSearch:
    """Goes on from the releases of a bisection to the commits between them."""

    bisector: Bisector
    clone: Clone

    def run(self, tracks: Sequence[Track]) -> list[CommitTurn]:
        """Return the commit at every turn of every backend.

        A commit that was found on one backend is tried first on the next.

        Where the clone lacks a release, that turn has ``trouble`` and no commit.

        Raises:
            Stopped: the search is to end; what was seen is kept.
        """
        found: list[CommitTurn] = []
        for track in tracks:
            for direction, before, after in turns_of(track):
                likely = [
                    turn.commit
                    for turn in found
                    if (turn.before, turn.after) == (before, after) and turn.commit
                ]
                try:
                    turn = self._turn(track, direction, before, after, likely)
                except SelectionError as error:
                    # What the releases said is still worth telling.
                    turn = CommitTurn(
                        track.stack.backend,
                        direction,
                        before,
                        after,
                        None,
                        trouble=str(error),
                    )
                    self.bisector.watcher.note(f"krepro: {error}")
                found.append(turn)
        return found

    def _turn(
        self,
        track: Track,
        direction: str,
        before: Version,
        after: Version,
        likely: Sequence[Commit],
    ) -> CommitTurn:
        base = self.clone.base(before, after)
        newest = Commit(self.clone.tag(after), f"v{after}")
        old, new = (Answer.GOOD, Answer.BAD)
        if direction == "fixed":
            old, new = new, old
        known: dict[Commit, Answer] = {newest: new}
        nothing = CommitTurn(track.stack.backend, direction, before, after, None)
        if base.hash == self.clone.tag(before):
            known[base] = old
        else:
            self._ask(track, after, [base], known)
            if known[base] is not old:
                why = f"the branches part at {base.short}, which is not like {before}"
                return dataclasses.replace(nothing, trouble=why)
        width = max(1, self.bisector.engine.options.jobs)
        hints = list(likely)
        while True:
            olds = [commit for commit, answer in known.items() if answer is old]
            left = self.clone.candidates(newest, olds)
            open_ = [(c, telling) for c, telling in left if c not in known and c != newest]
            if not open_:
                unresolved = (c for c, _ in left if known.get(c) is Answer.UNRESOLVED)
                first = next((c for c, _ in left if c == newest), newest)
                return dataclasses.replace(
                    nothing, commit=first, open=tuple(unresolved), asked=len(known) - 2
                )
            ask = [commit for commit in hints if commit in dict(open_)]
            hints = []
            rounds = len(open_).bit_length()
            self._ask(
                track,
                after,
                ask or spread(open_, width),
                known,
                f"{count(len(open_), 'commit')} left, about {count(rounds, 'run')}",
            )
            # Newer side: an ancestor of the one that was the newest of it. One that an older
            # side's commit has behind it came and went: the last turn is looked for.
            olds = [commit for commit, answer in known.items() if answer is old]
            while newer := [
                c
                for c, _ in self.clone.candidates(newest, olds)
                if c != newest and known.get(c) is new
            ]:
                newest = newer[0]

    def _ask(
        self,
        track: Track,
        release: Version,
        commits: Sequence[Commit],
        known: dict[Commit, Answer],
        left: str = "",
    ) -> None:
        home = self.bisector.engine.home
        cell = Cell(track.stack.name, str(release))
        places = {
            Place(
                cell,
                key=f"git-{commit.hash[:12]}",
                overlay=functools.partial(self.clone.export, commit, home),
                release="",
            ): commit
            for commit in dict.fromkeys(commits)
            if commit not in known
        }
        prober = self.bisector.prober
        for place, sightings in prober.see_all(
            list(places), repeat=self.bisector.asked.repeat
        ):
            commit = places[place]
            seen = track.judged(sightings)
            known[commit] = answer_of(seen)
            self.bisector.watcher.note(
                f"{track.stack.backend} {commit}: {seen.verdict.value} "
                f"{seen.message[:80]} [{left}]"
            )
