"""An upgrade's consequences for a terminal: the strongest evidence first."""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from krepro.hunt.symptom import Failure
from krepro.recorded.check import Checked, Run
from krepro.recorded.compare import MARGIN
from krepro.recorded.difference import Difference, Kind, Place
from krepro.render.story import stories
from krepro.repro import BACKENDS, Repro
from krepro.scan.scan import Hit, Scan, Spot
from krepro.upgrade.finding import Finding
from krepro.upgrade.known import Consequence, Effect, End, Ranked, nearest_without
from krepro.upgrade.outcome import Upgrade

WIDTH = 100
MOST_ROWS = 10
MOST_SUBJECTS = 5
MOST_TEXT = 200
# From here on it is said that a script does not repeat its own numbers.
NOISY = 1e-3
KERAS_2 = ("tf_keras", "tensorflow_addons")
HEADS = {
    Effect.GAINED: "What you would get",
    Effect.LOST: "What you would be rid of",
    Effect.KEPT: "What stays as it is",
    Effect.UNKNOWN: "What is not known",
}
SAID = ("exception", "what is returned", "weights that change", "trainable weights")
WORDS = {
    Kind.RAISES: "it raises",
    Kind.CALLS: "other calls",
    Kind.TRAINABLE: "what is trainable",
    Kind.STEPS: "steps taken",
    Kind.NAMES: "names of logs",
    Kind.STRUCTURE: "structure of what is returned",
    Kind.TRAINS: "which weights change",
    Kind.OPTIMIZER: "the optimizer",
    Kind.WARNS: "warnings",
    Kind.LOSS: "values of the loss",
    Kind.OUTPUT_LOSSES: "losses of outputs",
    Kind.METRICS: "values of metrics",
    Kind.OUTPUTS: "values returned",
    Kind.WEIGHTS: "values of weights",
}


def as_text(upgrade: Upgrade, *, verbose: bool = False) -> str:
    """Return an upgrade as text: what was seen, what the code touches, what is known."""
    lines = [f"Keras {upgrade.old} -> {upgrade.new}"]
    if upgrade.checked is not None:
        lines += [*of_run(upgrade, upgrade.checked, verbose=verbose)]
    elif upgrade.scan is not None:
        lines += ["", code_headline(upgrade)]
    if upgrade.scan is not None:
        lines += ["", *of_code(upgrade, verbose=verbose)]
    if upgrade.checked is None and upgrade.scan is None:
        lines += [*of_known(upgrade, verbose=verbose)]
    else:
        lines += ["", f"In the whole catalogue: {counted(upgrade)}"]
    return "\n".join(lines) + "\n"


# -- What really happened ------------------------------------------------------------------


def of_run(upgrade: Upgrade, checked: Checked, *, verbose: bool) -> Iterator[str]:
    """Yield the lines on what a script did on both ends."""
    yield ""
    yield from wrapped(headline(upgrade, checked))
    for run in (checked.old, checked.new):
        if trouble := trouble_of(upgrade, run):
            yield from wrapped(f"{trouble[0].upper()}{trouble[1:]}.")
    for number, finding in enumerate(upgrade.weighty, 1):
        yield ""
        yield from of_finding(upgrade, finding, number, verbose=verbose)
    if upgrade.details:
        yield from ("", "Details, nothing to act on:")
        for finding in upgrade.details:
            lines = seen_lines(finding.differences, verbose=verbose)
            yield from (f"   {line}" for line in lines)
    yield ""
    yield from measured(checked)


def headline(upgrade: Upgrade, checked: Checked) -> str:
    """Return the one line that matters most."""
    name = upgrade.script
    if not checked.old.ran or not checked.new.ran:
        return f"{name}: could not be compared"
    if upgrade.weighty:
        first = upgrade.weighty[0].first
        count = len(upgrade.weighty)
        things = "1 thing changes" if count == 1 else f"{count} things change"
        return f"{name}: {things}; the first, {place_text(first.place)}: {told(first)}"
    if not checked.triggered:
        why = (
            "trains nothing"
            if checked.old.sighting.ended_well
            else "fails before it trains"
        )
        return f"{name}: {why}, so nothing was compared (that is not the same as safe)"
    return f"{name}: {nothing_changes(upgrade, checked)}"


def nothing_changes(upgrade: Upgrade, checked: Checked) -> str:
    """Return that nothing was seen to change, and what that rests on."""
    steps = checked.old.recording.steps
    what = f"{steps} training step{'s' * (steps != 1)} compared"
    if not checked.old.sighting.ended_well:
        return f"nothing changes before it fails on both ends ({what})"
    if checked.steps:
        what += f"; each training was ended after {checked.steps}"
    if checked.old.recording.parallel:
        return f"trains in several threads, so its numbers could not be compared ({what})"
    if checked.too_noisy:
        return f"its numbers differ too much from run to run to tell ({what})"
    matters = "nothing that matters" if upgrade.details else "nothing"
    beyond = " beyond what differs from run to run" if checked.own > NOISY else ""
    return f"{matters} changes{beyond} ({what})"


def trouble_of(upgrade: Upgrade, run: Run) -> str:
    """Return a line on a run that did not end well, or nothing."""
    if run.sighting.ended_well:
        return ""
    failure = run.sighting.failure
    already = "already " if run.end == upgrade.old else ""
    where = failure.where if failure else None
    place = f" at {where.file}:{where.line}" if where and where.file else ""
    said = f"on {run.end} it {already}ends with {short(run.sighting.summary)}{place}"
    advice = what_to_do(upgrade, failure) if failure else ""
    return f"{said}: {advice}" if advice else said


def what_to_do(upgrade: Upgrade, failure: Failure) -> str:
    """Return what a user may do about a failure that says nothing of Keras, or nothing."""
    name = failure.missing_module
    if name in BACKENDS:
        return f"only a stack of its own has it: --from {upgrade.old.release}@{name}"
    if name in KERAS_2:
        return "that is Keras 2, which is not compared here"
    if name:
        return f"the stack lacks it: add --with {name}"
    if failure.type == "FileNotFoundError":
        return "what a script reads and does not lie beside it is named with --data"
    if (
        failure.type in ("ImportError", "ModuleNotFoundError")
        and "'keras" in failure.message
    ):
        return "this Keras has no such name; Keras 2 had others"
    return ""


def of_finding(
    upgrade: Upgrade, finding: Finding, number: int, *, verbose: bool
) -> Iterator[str]:
    """Yield the lines on one cause: what it is, what was seen of it, what to do."""
    if finding.new:
        yield f"{number}. New: nothing in the catalogue explains this"
    for cause in finding.causes:
        or_ = f"{number}. " if cause is finding.causes[0] else "   or "
        rid = " (you would be rid of it)" if cause.effect is Effect.LOST else ""
        yield from wrapped(f"{or_}{cause.repro.title}{rid}", "      ")
        yield f"   {cause.repro.id}, {kind_of(cause)}"
    yield from (f"   {line}" for line in seen_lines(finding.differences, verbose=verbose))
    if finding.follows:
        if verbose:
            yield "   after the models had come apart:"
            yield from (f"   {line}" for line in seen_lines(finding.follows, verbose=True))
        else:
            count = len(finding.follows)
            yield f"   and what comes of it later: {count} more (--verbose)"
    for cause in finding.causes:
        yield from advice(upgrade, cause, finding)
    command = bisect_command(upgrade, finding) if finding.new else ""
    if command:
        yield "   take it from here:"
        yield f"     {command}"


def advice(upgrade: Upgrade, cause: Consequence, finding: Finding) -> Iterator[str]:
    """Yield what to do about a known cause: where it is in the code, the ways around it."""
    if upgrade.scan:
        hits = upgrade.scan.of(cause.repro.id)
        spots = list(dict.fromkeys(relative(hit.spot) for hit in hits))
        if spots:
            yield f"   in the code: {listed(spots)}"
    if cause.effect is Effect.GAINED:
        told_of = stories(cause.repro)
        for name in cause.workarounds:
            text = f"   way around it, seen to work on {upgrade.new.release}: {told_of.get(name, name)}"
            yield from wrapped(text, "     ")
    if len(finding.causes) == 1:
        yield f"   see it alone: krepro run {cause.repro.id} {cell_of(upgrade, cause)}"


def cell_of(upgrade: Upgrade, cause: Consequence) -> str:
    """Return the options that run an entry where it is affected."""
    end = upgrade.old if cause.effect is Effect.LOST else upgrade.new
    return f"-r {end.release} -b {end.stack.backend}"


def bisect_command(upgrade: Upgrade, finding: Finding) -> str:
    """Return the command that finds the release in which a difference began; none of backends."""
    first = finding.first
    if upgrade.old.stack != upgrade.new.stack:
        return "one release, two backends: there is nothing to bisect"
    raised = first.kind is Kind.RAISES
    fixed = raised and first.after == "no exception"
    good, bad = upgrade.old.release, upgrade.new.release
    if fixed:
        good, bad = bad, good
    subject = "" if first.of_values or first.kind is Kind.CALLS else f":{first.subject}"
    expect = "exception" if raised else shlex.quote(f"differs:{first.kind.value}{subject}")
    return (
        f"krepro bisect {upgrade.script} -b {upgrade.new.stack.backend} "
        f"--good {good} --bad {bad} --expect {expect}"
    )


def seen_lines(differences: Sequence[Difference], *, verbose: bool) -> Iterator[str]:
    """Yield what was seen, by kind: structure before values, the first of each in full."""
    groups: dict[Kind, list[Difference]] = {}
    for difference in sorted(differences, key=lambda d: (d.of_values, d.order)):
        groups.setdefault(difference.kind, []).append(difference)
    for group in groups.values():
        for difference in group if verbose else group[:1]:
            yield from in_full(difference)
        if len(group) > 1 and not verbose:
            yield from wrapped(f"  also {others(group)}", "     ")


def in_full(difference: Difference) -> Iterator[str]:
    """Yield the lines on one difference."""
    where = f"{WORDS[difference.kind]}, {place_text(difference.place)}"
    if difference.of_values:
        yield from wrapped(f"{where}: {told(difference)}", "     ")
        yield f"  (it would pass with a tolerance of {difference.size:.2g})"
        return
    said = "" if difference.subject in SAID else f": {difference.subject}"
    yield from wrapped(f"{where}{said}", "     ")
    yield from wrapped(f"  - {short(difference.before)}", "      ")
    yield from wrapped(f"  + {short(difference.after)}", "      ")


def others(group: Sequence[Difference]) -> str:
    """Return what else differs in the same way, in a line."""
    first = group[0]
    names = [d.subject for d in group[1:] if d.subject != first.subject]
    places = [d.place.method for d in group[1:] if d.place.call != first.place.call]
    said = listed(list(dict.fromkeys(names)))
    if places:
        said += f"{', ' if said else ''}in {listed(list(dict.fromkeys(places)))}"
    return said or f"in {len(group) - 1} more places"


def told(difference: Difference) -> str:
    """Return what one difference is, in a line."""
    if difference.of_values:
        return f"{difference.subject} is {difference.before}, then {difference.after}"
    if difference.kind is Kind.RAISES:
        return f"{short(difference.before)}, then {short(difference.after)}"
    return (
        f"{difference.subject}: {short(difference.before)}, then {short(difference.after)}"
    )


def place_text(place: Place) -> str:
    """Return a place as a person would say it."""
    step = (
        f"{'epoch' if place.phase == 'epoch' else f'{place.phase} step'} {place.step} of "
        if place.phase
        else ""
    )
    where = f" at {place.at}" if place.at else ""
    model = f" on {place.model}" if place.model else ""
    return f"{step}{place.method}{where}{model}"


def listed(names: Sequence[str]) -> str:
    """Return the first of some names in a line."""
    if len(names) <= MOST_SUBJECTS:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_SUBJECTS])} and {len(names) - MOST_SUBJECTS} more"


def measured(checked: Checked) -> Iterator[str]:
    """Yield what the comparison rests on."""
    if not (checked.old.ran and checked.new.ran and checked.triggered):
        return
    if checked.own:
        said = f"two runs on {checked.old.end} differ by up to {checked.own:.1g} of a value, and "
        said += f"only {MARGIN:g} times that counts"
    else:
        said = f"two runs on {checked.old.end} are the same"
    yield from wrapped(f"Measured with the same initial weights and seeds; {said}.")
    if checked.noise.structure:
        kinds = ", ".join(sorted({WORDS[Kind(key[0])] for key in checked.noise.structure}))
        yield from wrapped(
            f"Left out, since it differs from run to run by itself: {kinds}."
        )
    if checked.shuffled:
        yield from wrapped(
            "Samples are shuffled in another order, or random layers draw other numbers, so the "
            "values of a run differ; without that they are the same."
        )
    facts = [run.recording.finished for run in (checked.old, checked.new)]
    if all(facts):
        one, other = facts
        yield (
            f"Time {one['seconds']:.1f} s, then {other['seconds']:.1f} s; memory "
            f"{one['peak_mb']} MiB, then {other['peak_mb']} MiB."
        )


# -- What the code touches -----------------------------------------------------------------


def code_headline(upgrade: Upgrade) -> str:
    """Return the one line that matters most of a scan."""
    gained = len(upgrade.touched(Effect.GAINED))
    if not gained:
        return "Nothing that you would get matters to this code, by its text."
    bugs = "1 bug" if gained == 1 else f"{gained} bugs"
    return (
        f"You would get {bugs} that matter{'s' * (gained == 1)} to this code, by its text."
    )


def of_code(upgrade: Upgrade, *, verbose: bool) -> Iterator[str]:
    """Yield the lines on places in the code that known bugs depend on."""
    assert upgrade.scan is not None
    explained = {c.repro.id for finding in upgrade.findings for c in finding.causes}
    files = len(upgrade.scan.files)
    yield f"In the code ({files} file{'s' * (files != 1)}):"
    total = 0
    for effect in (Effect.GAINED, Effect.LOST, Effect.KEPT, Effect.UNKNOWN):
        touched = [
            (c, h) for c, h in upgrade.touched(effect) if c.repro.id not in explained
        ]
        total += len(touched)
        if not touched:
            continue
        head = HEADS[effect]
        if upgrade.checked is not None and effect in (Effect.GAINED, Effect.LOST):
            head = f"{head}, by its text; not seen in this run"
        yield f"  {head} ({len(touched)})"
        if effect is Effect.KEPT and not verbose:
            names = ", ".join(c.repro.id for c, _ in touched)
            yield from wrapped(f"    {names}", "    ")
            continue
        for consequence, hits in touched:
            yield from of_hits(upgrade, consequence, hits, verbose=verbose)
    if not total:
        yield "  nothing that a known bug depends on" + (
            " besides the above" if explained else ""
        )
    ignored = len(upgrade.scan.hits) - len(upgrade.scan.active)
    if ignored:
        yield f"  silenced by comments: {ignored}"
    for note in upgrade.scan.notes:
        yield f"  {note}"


def of_hits(
    upgrade: Upgrade, consequence: Consequence, hits: Sequence[Hit], *, verbose: bool
) -> Iterator[str]:
    """Yield the lines on one entry and the places that touch it."""
    yield from wrapped(f"    {consequence.repro.title}", "      ")
    yield f"      {consequence.repro.id}, {kind_of(consequence)}"
    shown = hits if verbose else hits[:3]
    for hit in shown:
        yield f"      {relative(hit.spot)} ({hit.sureness.value}): {one_line(hit.snippet)}"
    if len(hits) > len(shown):
        yield f"      and {len(hits) - len(shown)} more places"
    if consequence.effect is Effect.GAINED and upgrade.checked is None:
        told_of = stories(consequence.repro)
        for name in consequence.workarounds:
            text = f"      way around it, seen to work on {upgrade.new.release}: {told_of.get(name, name)}"
            yield from wrapped(text, "        ")


def relative(spot: Spot) -> str:
    """Return a place in a file as seen from here."""
    name = os.path.relpath(spot.path)
    path = spot.path if name.startswith("..") else Path(name)
    cell = f"cell {spot.cell}:" if spot.cell is not None else ""
    return f"{path}:{cell}{spot.line}"


def one_line(snippet: str) -> str:
    """Return the beginning of a snippet in one line."""
    return short(" ".join(snippet.split()), 70)


# -- What is known -------------------------------------------------------------------------


def counted(upgrade: Upgrade) -> str:
    """Return how many known bugs an upgrade brings, takes and leaves."""
    counts = {effect: len(upgrade.of(effect)) for effect in Effect}
    unknown = f", {counts[Effect.UNKNOWN]} unknown" if counts[Effect.UNKNOWN] else ""
    return (
        f"{counts[Effect.GAINED]} bugs gained, {counts[Effect.LOST]} lost, "
        f"{counts[Effect.KEPT]} kept{unknown}"
    )


def of_known(upgrade: Upgrade, *, verbose: bool) -> Iterator[str]:
    """Yield the lines on what the catalogue says: the gained in full, the rest in names."""
    yield f"known: {counted(upgrade)}"
    for effect in Effect:
        found = upgrade.of(effect)
        if not found:
            continue
        yield from ("", f"{HEADS[effect]} ({len(found)})")
        if effect is Effect.GAINED or verbose:
            for consequence in found:
                yield from detailed(upgrade, consequence)
        else:
            yield from (f"  {c.repro.id}: {c.repro.title}" for c in found[:MOST_ROWS])
            if len(found) > MOST_ROWS:
                yield f"  and {len(found) - MOST_ROWS} more (--verbose)"
    gained = [c.repro for c in upgrade.of(Effect.GAINED) if not c.deliberate]
    if gained:
        yield ""
        yield from free_of(upgrade, gained)


def kind_of(consequence: Consequence) -> str:
    """Return the kind of an entry in words."""
    return "announced change" if consequence.deliberate else consequence.repro.kind


def detailed(upgrade: Upgrade, consequence: Consequence) -> Iterator[str]:
    """Yield the lines on one consequence: title, range, way around, how to see it."""
    repro, new = consequence.repro, upgrade.new
    yield f"  {repro.id} ({kind_of(consequence)})"
    yield f"    {repro.title}"
    yield f"    affected on {new.stack.backend}: {upgrade.report.range(repro, new.stack)}"
    told_of = stories(repro)
    for name in consequence.workarounds:
        yield f"    way around it, seen to work on {new.release}: {told_of.get(name, name)}"
    yield f"    see it: krepro run {repro.id} -r {new.release} -b {new.stack.backend}"


def free_of(upgrade: Upgrade, gained: Sequence[Repro]) -> Iterator[str]:
    """Yield the nearest releases that have none of the bugs gained."""
    below, above = nearest_without(upgrade.report, upgrade.new, gained)
    names = [str(end.release) for end in (below, above) if end]
    what = "none of what you would get"
    if names:
        yield f"The nearest releases with {what}: {' and '.join(names)}"
    else:
        yield f"No release has {what}"
    yield f"Every release as a goal: krepro upgrade --from {upgrade.old} --any"


def ranking_text(ranked: Sequence[Ranked], old: End, touched: Scan | None = None) -> str:
    """Return releases as goals of an upgrade, the best first.

    Args:
        ranked: the releases.
        old: where the upgrade starts.
        touched: the code that the entries were narrowed to (None: all count).
    """
    what = (
        f"known of this code ({len({hit.repro for hit in touched.active})} entries)"
        if touched
        else "known"
    )
    lines = [
        f"From Keras {old}, by what is {what} (fewest silent bugs first):",
        "",
        f"{'release':<9}{'gained':>7}{'lost':>6}{'kept':>6}  of which silent",
    ]
    for entry in ranked:
        here = "  (where you are)" if entry.end.release == old.release else ""
        lines.append(
            f"{entry.end.release!s:<9}{len(entry.gained):>7}{len(entry.lost):>6}"
            f"{len(entry.kept):>6}  {entry.badness[0]}{here}"
        )
    return "\n".join(lines) + "\n"


# -- Text ----------------------------------------------------------------------------------


def wrapped(text: str, indent: str = "  ") -> Iterable[str]:
    """Return a line in as many lines as it takes."""
    return textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=True,
    ) or [""]


def short(text: str, most: int = MOST_TEXT) -> str:
    """Return the beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
