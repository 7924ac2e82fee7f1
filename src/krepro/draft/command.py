"""``krepro report``, from its options to its exit code."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from packaging.version import Version

from krepro import published, release
from krepro.draft import duplicates, facts, redaction, verification
from krepro.draft import script as scripts
from krepro.draft.ending import Claim, declared
from krepro.draft.facts import Check, Facts, Place, Row, Subject, Workaround
from krepro.draft.verification import Room
from krepro.engine import Engine, Stopped, is_known
from krepro.hunt import symptom
from krepro.hunt.bisect import Asked as Search
from krepro.hunt.bisect import Bisector, Track, flaky
from krepro.hunt.commands import AtWork, identity_of, opened, run_each
from krepro.hunt.culprit import Culprit
from krepro.hunt.prober import Place as ProberPlace
from krepro.hunt.prober import Prober
from krepro.hunt.symptom import Sighting
from krepro.hunt.target import Target, imported, read_source
from krepro.installer import InstallError
from krepro.matrix import Cell
from krepro.project import Project, SelectionError, check_writable
from krepro.render import downstream, story
from krepro.render import draft as rendering
from krepro.render.upgrade import short
from krepro.report import Exit, Report
from krepro.repro import Repro
from krepro.result import Measurement, Outcome, write_atomically
from krepro.verdict import Verdict

POLICY = (
    "a draft, and nothing was posted: a person reads it, runs its script and posts it; "
    "keras-team/keras wants to be told where AI helped (its CONTRIBUTING.md)"
)
# Of how a run ended, in a line of progress.
MOST_SAID = 100


class Refuted(Exception):
    """A run that does not say what the report would claim."""


@dataclass(frozen=True)
class Asked:
    """What the options of ``krepro report`` ask for."""

    target: str
    arguments: tuple[str, ...]
    expect: str | None
    backends: tuple[str, ...]
    stack_names: tuple[str, ...]
    requirements: tuple[str, ...]
    data: tuple[Path, ...]
    timeout: float | None
    jobs: int
    releases: tuple[str, ...]
    title: str
    verify: bool
    downstream: bool
    form: str
    output: Path | None


@dataclass(frozen=True)
class Case:
    """What is reported, before anything is run for it: where it misbehaves, and what shows that."""

    subject: Subject
    rows: tuple[Row, ...]
    affected: Place
    script: str
    claim: Claim
    said: str
    raises: bool
    culprits: tuple[Culprit, ...] = ()
    workarounds: tuple[Workaround, ...] = ()


@dataclass
class Reporter:
    """Makes a report: knows the catalogue, runs what has to be run, and tells how it goes."""

    project: Project
    asked: Asked
    at_work: AtWork

    def __post_init__(self) -> None:
        """Read what is published."""
        self.catalogue = published.for_people(self.project)
        self.known_releases = self.project.matrix.versions
        chosen = release.select_all(self.asked.releases, self.known_releases)
        self.releases = frozenset(chosen)
        self.stacks = [
            stack
            for stack in self.project.stacks((), self.asked.stack_names)
            if not stack.subject
        ]

    @property
    def engine(self) -> Engine:
        """What runs cells."""
        return self.at_work.engine

    def tell(self, text: str) -> None:
        """Say how it goes."""
        self.at_work.lines.note(text)

    # --- what is known ------------------------------------------------------------------------

    def case(self) -> Case:
        """Return what is reported.

        Raises:
            SelectionError: nothing is affected, as far as is known.
            Refuted: what is stored and what is run disagree.
        """
        target = self.at_work.target
        if target.repro:
            return self.case_of_repro(target.repro)
        return self.case_of_script(target)

    def case_of_repro(self, repro: Repro) -> Case:
        """Return what is reported of an entry of the catalogue, or of a file like one."""
        prober = Prober(self.engine, self.at_work.target, self.at_work.scratch)
        report = self.measured(repro, prober)
        rows = tuple(
            Row(stack, tuple(row), row)
            for stack in self.stacks
            if (row := report.row(repro, stack))
        )
        affected = self.chosen(rows, repro.id)
        self.tell(f"running {repro.id} in {affected.cell}")
        (sighting, *_) = prober.see(ProberPlace(affected.cell))
        failing = [n for n, t in sighting.tests.items() if t.verdict is Verdict.AFFECTED]
        if sighting.verdict != Verdict.AFFECTED.value or not failing:
            raise_where_untestable(affected.cell, sighting)
            raise Refuted(
                f"no report: {repro.id} is known to affect {affected.cell}; it says "
                f"{sighting.summary}"
            )
        source = repro.path.read_text(encoding="utf-8")
        test = next(name for name in repro.tests if name in failing)
        stories = facts.test_stories(source)
        tale = facts.story_of(
            repro.docstring, [r.id for r in self.catalogue.repros if r.id != repro.id]
        )
        subject = Subject(
            name=repro.id,
            title=self.asked.title or facts.full_title(repro.title),
            repro=repro,
            promises=tuple(filter(None, [stories[test], *facts.promises_in(tale)])),
            story=tale,
            docs=repro.docs,
            issues=repro.issues,
            introduced=repro.introduced,
            fixed=repro.fixed,
            symptom=self.public(sighting.tests[test].message),
        )
        text = "\n".join([repro.title, *repro.symptoms, repro.docstring])
        return Case(
            subject=subject,
            rows=rows,
            affected=affected,
            script=scripts.of_repro(source, test, affected.stack.backend),
            claim=declared(repro.symptoms),
            said=text,
            raises=repro.kind == "crash",
            culprits=tuple(published.stored_culprits(self.project).get(repro.id, ()))
            if self.is_entry(repro)
            else (),
            workarounds=self.workarounds(report, repro, affected),
        )

    def is_entry(self, repro: Repro) -> bool:
        """Whether a repro is one of the catalogue, as it is there."""
        return any(
            each.id == repro.id and each.source_hash == repro.source_hash
            for each in self.catalogue.repros
        )

    def workarounds(
        self, report: Report, repro: Repro, affected: Place
    ) -> tuple[Workaround, ...]:
        """Return the ways around, with what was measured of them."""
        found = report.measurement(affected.cell, repro)
        outcomes = found.workarounds if found else {}
        return tuple(
            Workaround(what, outcomes[name].verdict if name in outcomes else None, works)
            for name, what, works in story.workarounds(report, repro)
        )

    def measured(self, repro: Repro, prober: Prober) -> Report:
        """Return what is known of a repro on every release, measuring what is not known."""
        cells = self.project.cells(self.known_releases, self.stacks)
        found = self.published_for(repro)
        for cell in cells:
            own = self.engine.known(cell)
            if own is not None and is_known(own, repro):
                found[cell] = {repro.id: own.repros[repro.id]}
        missing = [cell for cell in cells if cell not in found]
        if missing:
            self.tell(
                f"{repro.id} is not known everywhere: {len(missing)} cells to measure"
            )
        done = prober.see_all([ProberPlace(cell) for cell in missing])
        for number, (place, (sighting, *_)) in enumerate(done, 1):
            found[place.cell] = {
                repro.id: Measurement(
                    repro.source_hash,
                    Verdict(sighting.verdict),
                    sighting.message,
                    workarounds={
                        name: Outcome(said.verdict, said.message)
                        for name, said in sighting.workarounds.items()
                    },
                )
            }
            self.tell(
                f"{place.cell}: {short(sighting.summary, MOST_SAID)} [{len(missing) - number} cells left]"
            )
        return Report(self.project.matrix, tuple(cells), (repro,), found)

    def published_for(self, repro: Repro) -> dict[Cell, Mapping[str, Measurement]]:
        """Return what is published of a repro as it is now, under the locks as they are now."""
        found: dict[Cell, Mapping[str, Measurement]] = {}
        for stack in self.stacks:
            kept = published.read(self.project, stack.name)
            if kept is None or kept.lock != self.engine.lock_hash(stack):
                continue
            for cell, by_repro in self.catalogue.found.items():
                entry = by_repro.get(repro.id)
                if cell.stack == stack.name and entry and entry.source == repro.source_hash:
                    found[cell] = {repro.id: entry}
        return found

    def case_of_script(self, target: Target) -> Case:
        """Return what is reported of a user's script."""
        asked = self.asked
        expected = symptom.parse(asked.expect) if asked.expect else None
        source = read_source(asked.target, Path(asked.target))
        prober = Prober(self.engine, target, self.at_work.scratch, asked.timeout)
        search = Search(releases=tuple(self.known_releases), expect=expected)
        bisector = Bisector(self.engine, prober, search, self.at_work.lines)
        wanted = [
            s for s in self.stacks if not asked.backends or s.backend in asked.backends
        ]
        tracks = run_each(bisector, wanted)
        if unstable := flaky(tracks):
            raise Unstable(f"{asked.target} is flaky: {'; '.join(unstable)}")
        rows = tuple(self.row_of(track) for track in tracks)
        affected = self.chosen(rows, asked.target, tracks)
        (track,) = [t for t in tracks if t.stack.name == affected.cell.stack]
        shown = track.symptom
        assert shown is not None, "an affected release shows the symptom"
        sighting = track.sightings[Version(affected.cell.release)][0]
        backend = affected.stack.backend
        text = f"{sighting.output}\n{shown}"
        return Case(
            subject=Subject(
                name=target.name,
                title=asked.title
                or facts.title_of(self.public(str(shown)), sighting.failure, source),
                symptom=self.public(str(shown)),
            ),
            rows=rows,
            affected=affected,
            script=scripts.of_script(source, backend),
            claim=shown.seen_in,
            said=text,
            raises=bool(sighting.failure and not sighting.failure.assertion),
        )

    def row_of(self, track: Track) -> Row:
        """Return what a search found on one backend."""
        seen = {each: found.verdict for each, found in track.verdicts().items()}
        return Row(
            track.stack,
            tuple(track.releases),
            {**track.presumed, **seen},
            searched=not track.swept,
            trouble=self.public(track.trouble),
        )

    def chosen(self, rows: Sequence[Row], name: str, tracks: Sequence[Track] = ()) -> Place:
        """Return the affected cell to show.

        Raises:
            SelectionError: there is none.
            InstallError: nothing could be tested.
        """
        found = facts.choose_affected(rows, self.asked.backends, self.releases)
        if found:
            return found
        if not any(v and v.known for row in rows for v in row.verdicts.values()):
            why = (
                "; ".join(filter(None, (t.trouble for t in tracks))) or "all is untestable"
            )
            raise InstallError(Verdict.INSTALL, f"{name} could not be run: {why}")
        ranges = "; ".join(f"{row.stack.backend} {row.range}" for row in rows)
        narrowed = (
            " among what was asked for" if self.releases or self.asked.backends else ""
        )
        raise SelectionError(
            f"{name}: nothing is affected{narrowed}, so there is nothing to report ({ranges})"
        )

    # --- what is run --------------------------------------------------------------------------

    def facts(self, case: Case) -> Facts:
        """Return all that the report tells, verified where that is wanted.

        Raises:
            Refuted: a run does not say what the report would claim.
            InstallError: an environment could not be made.
        """
        own = self.at_work.target.repro
        known = duplicates.find(
            self.catalogue,
            case.script,
            case.said,
            case.affected.cell,
            own=own if own and self.is_entry(own) else None,
            raises=case.raises,
        )
        found = Facts(
            subject=case.subject,
            script=case.script,
            rows=case.rows,
            affected=case.affected,
            unaffected=facts.choose_unaffected(case.rows, case.affected),
            output="",
            packages=(),
            identity=identity_of(self.engine, case.affected.stack),
            known=known,
            culprits=case.culprits,
            workarounds=case.workarounds,
            requirements=self.at_work.target.requirements,
            arguments=self.asked.arguments,
        )
        for line in rendering.remarks(found):
            self.tell(f"krepro: {line}")
        if self.asked.verify:
            return self.verified(found, case.claim)
        return self.tried(found, case.claim)

    def verified(self, found: Facts, claim: Claim) -> Facts:
        """Return facts with what the script says in fresh environments, as it is in the report."""
        script = scripts.extracted(rendering.markdown(found))
        places = [place for place in (found.affected, found.unaffected) if place]
        with ThreadPoolExecutor(min(self.asked.jobs, len(places))) as pool:
            checks = list(pool.map(lambda place: self.checked(place, script), places))
        for check in checks:
            hold(check, found, claim)
        complete = dataclasses.replace(
            found,
            checks=tuple(map(self.shown, checks)),
            output=self.output(checks[0].sighting),
            packages=checks[0].packages,
        )
        again = scripts.extracted(rendering.markdown(complete))
        assert again == script, "what was run is what is written"
        return complete

    def checked(self, place: Place, script: str) -> Check:
        """Run a script as pasted in an environment made for it."""
        started = time.monotonic()
        self.tell(f"verifying: making a fresh environment with {place}")
        requirements = self.at_work.target.requirements
        with verification.fresh_environment(
            self.engine, place.cell, self.at_work.scratch, requirements
        ) as room:
            self.tell(f"verifying: running the script with {place} ({clock(started)})")
            sighting = self.pasted(room, script, place)
        said = short(sighting.summary, MOST_SAID)
        self.tell(f"verifying: with {place} it says: {said} ({clock(started)})")
        identity = identity_of(self.engine, place.stack)
        return Check(place, sighting, room.packages, identity)

    def pasted(self, room: Room, script: str, place: Place) -> Sighting:
        """Run a script as pasted."""
        limits = self.engine.matrix.limits
        return verification.run_pasted(
            room,
            script,
            place.stack.backend,
            self.at_work.scratch,
            arguments=self.asked.arguments,
            # A fresh process imports Keras first, and a fresh environment has nothing compiled.
            timeout_s=(self.asked.timeout or limits.timeout_s) + limits.import_timeout_s,
            memory_mb=limits.memory_mb,
            stop=self.engine.stop.is_set,
        )

    def tried(self, found: Facts, claim: Claim) -> Facts:
        """Return facts with what the script says in krepro's own environment."""
        place = found.affected
        self.tell(f"running the script with {place}")
        room = verification.shared_room(self.engine, place.cell, found.requirements)
        sighting = self.pasted(room, found.script, place)
        identity = identity_of(self.engine, place.stack)
        hold(Check(place, sighting, room.packages, identity), found, claim)
        return dataclasses.replace(
            found, output=self.output(sighting), packages=room.packages
        )

    def output(self, sighting: Sighting) -> str:
        """Return what a run printed, as other people may see it."""
        return redaction.cut(self.public(redaction.cleaned(sighting.output)))

    def shown(self, check: Check) -> Check:
        """Return a run as other people may see it."""
        sighting = check.sighting
        failure = sighting.failure and msgspec.structs.replace(
            sighting.failure, message=self.public(sighting.failure.message)
        )
        public = msgspec.structs.replace(
            sighting,
            failure=failure,
            message=self.public(sighting.message),
            output=self.output(sighting),
        )
        return dataclasses.replace(check, sighting=public)

    def public(self, text: str) -> str:
        """Return a text without what is this machine's alone."""
        return redaction.redact(text, self.places(), roots())

    def places(self) -> dict[str, str]:
        """Return folders of this user's, and what to write for each."""
        places = {
            str(self.engine.home.path): redaction.CUT,
            str(Path.cwd()): ".",
            str(Path.home()): "~",
        }
        return {folder: name for folder, name in places.items() if folder != "/"}


class Unstable(Exception):
    """A script that says one thing and then another."""


def hold(check: Check, found: Facts, claim: Claim) -> None:
    """Hold a run in a fresh environment to what the report says of it.

    Raises:
        Refuted: it says something else.
        InstallError: the environment kept it from saying anything.
    """
    sighting, bad = check.sighting, check.place == found.affected
    if claim(sighting) if bad else sighting.ended_well:
        return
    raise_where_untestable(check.place.cell, sighting)
    should = f"show {found.subject.symptom}" if bad else "end without an error"
    raise Refuted(
        f"no report: with {check.place} the script should {should}; "
        f"it says: {sighting.summary}"
    )


def roots() -> frozenset[str]:
    """Return the folders at the root of this machine's file system."""
    return frozenset(name for name in os.listdir("/") if os.path.isdir(f"/{name}"))  # noqa: PTH112, PTH208  Names alone.


def clock(started: float) -> str:
    """Return how long ago something started."""
    return f"{time.monotonic() - started:.0f} s"


def raise_where_untestable(cell: Cell, sighting: Sighting) -> None:
    """Refuse to conclude anything from a run that the environment kept from its end.

    Raises:
        InstallError: it did.
    """
    if sighting.verdict and Verdict(sighting.verdict).passing_cause:
        raise InstallError(Verdict(sighting.verdict), f"{cell}: {sighting.message}")


def check_alone(target: str, asked: Asked) -> None:
    """Refuse a script that is not whole by itself, or that cannot be shown as it is.

    Raises:
        SelectionError: it needs files, or says what must not be public.
    """
    path = Path(target)
    beside = [each.name for each in imported(path)]
    if beside:
        raise SelectionError(
            f"{target}: imports {', '.join(beside)}, and a report's script stands alone: "
            "put all it needs into one file"
        )
    source = read_source(target, path)
    own = {str(Path.home()), str(Path.cwd()), str(path.absolute().parent)}
    shared = {"/", "/tmp", tempfile.gettempdir()}  # noqa: S108  Others have it too.
    scripts.check(asked.target, source, sorted(own - shared))


def report(asked: Asked) -> Exit:
    """Run ``krepro report``; return its exit code.

    Raises:
        SelectionError: what is asked for is not there, or nothing is affected.
        InstallError: an environment could not be made.
    """
    check_writable(asked.output)
    if asked.data:
        raise SelectionError(
            "--data: a report's script stands alone: have it make what it reads"
        )
    expected = symptom.parse(asked.expect) if asked.expect else None
    if expected and expected.kind == symptom.DIFFERS:
        raise SelectionError(
            "--expect differs cannot be seen in one run of a script: have it assert what differs"
        )
    project = Project.find(Path.cwd())
    with opened(
        project,
        asked.target,
        jobs=asked.jobs,
        expect=expected,
        arguments=asked.arguments,
        requirements=asked.requirements,
        left_out=[asked.output] if asked.output else [],
    ) as at_work:
        if at_work.target.script:
            check_alone(asked.target, asked)
        reporter = Reporter(project, asked, at_work)
        try:
            found = reporter.facts(reporter.case())
        except InstallError:
            if at_work.engine.stop.is_set():
                raise Stopped from None
            raise
        except Refuted as error:
            click.echo(f"krepro: {' '.join(str(error).split())}", err=True)
            return Exit.FINDINGS
        except Unstable as error:
            click.echo(f"krepro: {' '.join(str(error).split())}", err=True)
            return Exit.INCOMPLETE
    formats = downstream.FORMATS if asked.downstream else rendering.FORMATS
    text = formats[asked.form](found)
    if asked.output:
        write_atomically(asked.output, text.encode())
        click.echo(f"krepro: {asked.output} is written", err=True)
    else:
        click.echo(text, nl=False)
    if not asked.downstream:
        click.echo(f"krepro: {POLICY}", err=True)
    return Exit.AS_EXPECTED
