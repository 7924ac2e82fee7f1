"""A bug report for keras-team/keras: as Markdown to be posted by a person, as text, as JSON."""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from krepro import __version__
from krepro.draft import redaction
from krepro.draft.facts import Check, Facts, Known, Place, Row, Workaround
from krepro.draft.script import AS_PROMISED, BACKEND_VARIABLE, Fence
from krepro.draft.verification import FILE, VARIABLES, version_of
from krepro.hunt.culprit import Culprit
from krepro.render import downstream
from krepro.render.bisection import ends, interval_data
from krepro.render.culprit import said_of
from krepro.render.markdown import row as table_row
from krepro.render.story import UPSTREAM
from krepro.render.upgrade import short
from krepro.verdict import Verdict

SCHEMA = 1
POLICY = f"{UPSTREAM}/blob/master/CONTRIBUTING.md#ai-assisted-contribution-policy"
PYTORCH = "https://download.pytorch.org/whl/cpu"
# A longer patch is folded away, and one that nobody would read is left out.
MOST_DIFF_LINES, LONGEST_DIFF_LINES = 25, 400
WIDTH = 100


def markdown(facts: Facts) -> str:
    """Return a report as Markdown. Its first line is the title of the issue."""
    parts = [
        f"# {public(facts.subject.title)}\n",
        comment(facts),
        *([] if facts.checks else [unverified(facts)]),
        "## What is expected\n",
        *expected(facts),
        "## What happens\n",
        *happens(facts),
        "## Script\n",
        "Needs nothing but Keras, NumPy and the backend; a notebook cell will do.\n"
        if not facts.requirements
        else f"Needs {', '.join(facts.requirements)} besides.\n",
        Fence("python").around(facts.script),
        "## Affected releases\n",
        *affected(facts),
        *(["## Where it comes from\n", *origin(facts)] if has_origin(facts) else []),
        *(["## Ways around\n", *ways_around(facts)] if facts.workarounds else []),
        "## To reproduce\n",
        *reproduce(facts),
        "## Environment\n",
        *environment(facts),
        *(["## Verification\n", *verification(facts)] if facts.checks else []),
    ]
    return "\n".join(parts)


def public(text: str) -> str:
    """Return a text that upstream's bot leaves as it is."""
    return redaction.redact(text, {}, ())


def comment(facts: Facts) -> str:
    """Return what the person who posts it should know, as a comment that nobody else sees."""
    lines = [
        f"A draft, made by krepro {__version__}; nothing was posted. Before you post it:",
        "- The first line is the title of the issue.",
        "- Read all of it, run the script yourself, take out what you cannot stand for.",
        "- Upstream asks for review by a person, and to be told where AI helped:",
        f"  {POLICY}",
        *(f"- {line}" for line in cautions(facts)),
    ]
    text = "\n".join(lines).replace("-->", "→")
    return f"<!--\n{text}\n-->\n"


def cautions(facts: Facts) -> Iterator[str]:
    """Yield what speaks against posting it, or for looking elsewhere first."""
    subject = facts.subject
    if subject.repro and subject.repro.announced:
        notes = ", ".join(subject.repro.announced)
        yield f"Upstream announced it as a change ({notes}): it may not be taken for a bug."
    # A change that mended it takes no more of it.
    open_ = [n for n in subject.issues if n not in (subject.introduced, subject.fixed)]
    if open_:
        numbers = ", ".join(f"{UPSTREAM}/issues/{n}" for n in open_)
        yield f"Upstream knows it: {numbers}. Add to that rather than open a new one."
    if not facts.live:
        yield (
            f"The newest release, {facts.newest}, does not have it: upstream mends no old one. "
            f"What to pin instead: krepro report {subject.name} --downstream"
        )
    for known in likely(facts):
        yield f"{likeness(known)} {known.id} of krepro's catalogue: {known.title}{filed(known)}"


def likely(facts: Facts) -> list[Known]:
    """Return the other entries that it may be: guesses only where nothing is sure."""
    others = [known for known in facts.known if known.id != facts.subject.name]
    return [known for known in others if known.sure] or others


def likeness(known: Known) -> str:
    """Return how sure it is that an entry is the same bug."""
    return "Known: it shows the symptom of" if known.sure else "Perhaps known:"


def filed(known: Known) -> str:
    """Return where upstream has an entry."""
    return "".join(f", {UPSTREAM}/issues/{number}" for number in known.issues)


def remarks(facts: Facts) -> list[str]:
    """Return what a person should know first, for a terminal: what it may be a duplicate of."""
    own = [known.id for known in facts.known if known.id == facts.subject.name]
    return [*(f"Known: {name} of krepro's catalogue" for name in own), *cautions(facts)]


def unverified(facts: Facts) -> str:
    """Return the line that says that nobody has run this script as it is pasted."""
    return (
        "> **Not verified.** The script was run in an environment that krepro uses for other "
        f"runs too, and with {facts.affected} only.\n"
    )


def expected(facts: Facts) -> Iterator[str]:
    """Yield what should be, and where that is promised."""
    subject = facts.subject
    yield from (f"{promise}\n" for promise in subject.promises)
    if subject.docs:
        links = "\n".join(f"- <{url}>" for url in subject.docs)
        yield f"Documented in:\n\n{links}\n"
    if subject.repro is None:
        yield "<!-- Say what you expected, and where the documentation promises it. -->\n"
    if facts.unaffected:
        yield f"With {facts.unaffected} the script ends without an error.\n"


def happens(facts: Facts) -> Iterator[str]:
    """Yield what a user sees: the story, then what the script printed."""
    yield from (f"{public(paragraph)}\n" for paragraph in facts.subject.story)
    yield f"With {facts.affected} the script prints:\n"
    yield Fence("text").around(facts.output or "(it printed nothing)")


def affected(facts: Facts) -> Iterator[str]:
    """Yield the affected releases by backend."""
    heads = ["backend", "affected", "first bad", "last bad", "first fixed"]
    lines = [table_row(heads), table_row(["---"] * len(heads))]
    for row in facts.rows:
        name = row.stack.backend if row.stack.primary else row.stack.name
        intervals = row.intervals
        lines += [table_row([name, str(each), *ends(each)]) for each in intervals]
        if not intervals:
            lines.append(table_row([name, row.range, "-", "-", "-"]))
    yield "\n".join(lines) + "\n"
    yield "\n".join(f"- {line}" for line in measured(facts.rows)) + "\n"


def measured(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how the ranges were found out, and what they leave open."""
    whole = [row.stack.name for row in rows if not row.searched and not row.trouble]
    releases = sorted({release for row in rows for release in row.releases})
    said = f"{len(releases)} releases, {releases[0]} to {releases[-1]}"
    if whole:
        yield f"Run on each of {said} ({', '.join(whole)})."
    for row in rows:
        if row.searched and not row.trouble:
            yield f"On {row.stack.name}, searched among {said}: not every one was run."
        if row.trouble:
            yield f"{row.stack.name} could not be tested: {short(public(row.trouble), 200)}"
        unknown = [
            str(r) for r in row.releases if not ((v := row.verdicts.get(r)) and v.known)
        ]
        if unknown and not row.trouble and not row.searched:
            yield f"Unknown on {row.stack.name}: {', '.join(unknown)}."


def has_origin(facts: Facts) -> bool:
    """Whether anything is known of the change that brought it in or mended it."""
    return bool(facts.subject.introduced or facts.subject.fixed or facts.culprits)


def origin(facts: Facts) -> Iterator[str]:
    """Yield the upstream changes, and the culprits with their patches."""
    for what, number in (
        ("Came with", facts.subject.introduced),
        ("Went with", facts.subject.fixed),
    ):
        if isinstance(number, int):
            yield f"{what} #{number}.\n"
        elif number:
            yield f"{what} {UPSTREAM}/commit/{number}.\n"
    for culprit in facts.culprits:
        yield from culprit_parts(culprit)


def culprit_parts(culprit: Culprit) -> Iterator[str]:
    """Yield one culprit: which lines, how sure, and the patch."""
    effect = {
        "introduced": "Of all that {other} changed in {base}, these lines bring it in",
        "fixed": "Of all that {other} changed in {base}, these lines take it away",
    }[culprit.direction].format(base=culprit.base, other=culprit.other)
    yield (
        f"{effect} (found by running mixtures of both releases; "
        f"{culprit.base} with the patch: {said_of(culprit)}):\n"
    )
    lines = culprit.diff.splitlines()
    if len(lines) > LONGEST_DIFF_LINES:
        names = "\n".join(f"- `{name}`" for name in culprit.names)
        yield f"{names}\n"
        return
    block = Fence("diff").around(public(culprit.diff))
    if len(lines) > MOST_DIFF_LINES:
        block = folded(f"patch of {culprit.base}, {len(lines)} lines", block)
    yield block


def folded(summary: str, content: str) -> str:
    """Return a part that is folded away."""
    return f"<details>\n<summary>{summary}</summary>\n\n{content}\n</details>\n"


def ways_around(facts: Facts) -> Iterator[str]:
    """Yield the ways around, with what was measured in the affected cell and elsewhere."""
    lines = [f"- {way.what} ({here_and_elsewhere(way)})" for way in facts.workarounds]
    yield "\n".join(lines) + "\n"


def here_and_elsewhere(way: Workaround) -> str:
    """Return what was measured of a way around in the affected cell, and elsewhere."""
    if way.verdict is Verdict.UNAFFECTED:
        everywhere = way.works.startswith("works")
        return way.works if everywhere else f"works here; {way.works}"
    here = "does not work" if way.verdict is Verdict.AFFECTED else "not known to work"
    return f"{here} here; {way.works}"


def reproduce(facts: Facts) -> Iterator[str]:
    """Yield the commands that show it with pip alone."""
    yield f"Save the script as `{FILE}`. In an empty folder, with Python {python_of(facts)}:\n"
    yield Fence("sh").around("\n".join(commands(facts)))
    if facts.affected.stack.backend == "tensorflow":
        yield "(On macOS the package is `tensorflow`, not `tensorflow-cpu`.)\n"


def python_of(facts: Facts) -> str:
    """Return the Python version, as ``python3.11`` has it."""
    return ".".join(facts.identity.get("python", "3.11").split(".")[:2])


def commands(facts: Facts) -> Iterator[str]:
    """Yield shell commands: a fresh environment, its packages, the script."""
    yield f"python{python_of(facts)} -m venv venv"
    yield ". venv/bin/activate"
    yield from installs(facts, facts.affected)
    run = " ".join(["python", FILE, *facts.arguments])
    yield f"{run}  # {short(public(facts.subject.symptom), 80)}"
    if facts.unaffected is None:
        return
    yield ""
    if facts.unaffected.stack == facts.affected.stack:
        yield f"pip install keras=={facts.unaffected.cell.release}"
        yield f"{run}  # ends without an error"
    else:
        yield from installs(facts, facts.unaffected)
        backend = facts.unaffected.stack.backend
        yield f"{BACKEND_VARIABLE}={backend} {run}  # ends without an error"


def installs(facts: Facts, place: Place) -> Iterator[str]:
    """Yield the commands that install what a place needs."""
    needed = [*requirements_of(place), *facts.requirements]
    torch = [each for each in needed if each.startswith("torch==")]
    if torch:
        # The plain package is a build for CUDA on Linux, of gigabytes.
        yield f"pip install {' '.join(torch)} --index-url {PYTORCH}"
    rest = [each for each in needed if each not in torch]
    yield f"pip install {' '.join(map(quoted, rest))}"


def quoted(requirement: str) -> str:
    """Return a requirement as a shell takes it."""
    return f"'{requirement}'" if set(requirement) & set("<>!;[]* ") else requirement


def requirements_of(place: Place) -> list[str]:
    """Return what to install by hand for a place, on Linux."""
    stack = [
        text.partition(" ;")[0].strip()
        for text in place.stack.requirements
        if "== 'darwin'" not in text
    ]
    return [f"keras=={place.cell.release}", *stack]


def environment(facts: Facts) -> Iterator[str]:
    """Yield the environment: a short list, and every package folded away."""
    backend = facts.affected.stack.backend
    numpy = version_of(facts.packages, "numpy")
    version = facts.identity.get(backend, "unknown")
    lines = [
        f"- Keras {facts.affected.cell.release}, {backend} {version}, NumPy {numpy}",
        f"- Python {facts.identity.get('python', 'unknown')}",
        f"- {platform.system()} on {platform.machine()}, CPU only",
    ]
    yield "\n".join(lines) + "\n"
    packages = redaction.redact("\n".join(facts.packages), {}, ())
    what = "pip freeze" if facts.checks else "pinned packages"
    yield folded(f"{what}, {len(facts.packages)} packages", Fence("text").around(packages))


def verification(facts: Facts) -> Iterator[str]:
    """Yield what was run to verify the report, and what came."""
    settings = " ".join(f"{name}={value}" for name, value in VARIABLES.items())
    lines = [f"- {outcome(facts, check)}" for check in facts.checks]
    if facts.unaffected is None:
        lines.append(
            "- Nothing to compare it with: of all releases and backends that were measured, "
            "none is known to be free of it."
        )
    yield (
        "The script was taken out of this text and run as it is, in virtual environments made "
        f"for it and thrown away (`{settings}`):\n"
    )
    yield "\n".join(lines) + "\n"


def outcome(facts: Facts, check: Check) -> str:
    """Return what one run came to."""
    sighting = check.sighting
    if check.place == facts.affected:
        ended = f"`{short(public(sighting.summary), 200)}`"
        if sighting.failure:
            ended += f", exit status {sighting.status}"
    else:
        ended = "ended without an error"
        if sighting.output.rstrip().endswith(AS_PROMISED):
            ended += f', its last line is "{AS_PROMISED}"'
    versions = ", ".join(f"{name} {version}" for name, version in check.identity.items())
    return f"{check.place} ({versions}): {ended}."


def text(facts: Facts) -> str:
    """Return a report for a terminal: what is known first, what is in it, what was verified."""
    lines = [*remarks(facts), "", public(facts.subject.title), ""]
    lines += [f"  {row.stack.name:<16} {row.range}" for row in facts.rows]
    lines += ["", f"On {facts.affected}:", ""]
    lines += [f"  {line}".rstrip() for line in facts.output.splitlines()]
    lines += ["", "The script:", ""]
    lines += [f"  {line}".rstrip() for line in facts.script.splitlines()]
    lines += [
        "",
        "To reproduce:",
        "",
        *(f"  {line}".rstrip() for line in commands(facts)),
        "",
    ]
    for way in facts.workarounds:
        lines += textwrap.wrap(
            f"way around: {way.what} ({here_and_elsewhere(way)})",
            WIDTH,
            subsequent_indent="  ",
        )
    if facts.checks:
        lines += [f"verified: {outcome(facts, check)}" for check in facts.checks]
        if facts.unaffected is None:
            lines.append("no release is known to be unaffected")
    else:
        lines.append("not verified in an environment of its own")
    return "\n".join(lines) + "\n"


def to_data(facts: Facts) -> dict[str, Any]:
    """Return a report as plain data; ``draft`` is the whole Markdown."""
    subject = facts.subject
    return {
        "schema": SCHEMA,
        "krepro": __version__,
        "target": subject.name,
        "known": [
            {
                "id": known.id,
                "title": known.title,
                "why": known.why,
                "sure": known.sure,
                "issues": list(known.issues),
            }
            for known in facts.known
        ],
        "title": public(subject.title),
        "symptom": public(subject.symptom),
        "issues": list(subject.issues),
        "docs": list(subject.docs),
        "affected_in": place_data(facts.affected),
        "unaffected_in": place_data(facts.unaffected) if facts.unaffected else None,
        "live": facts.live,
        "ranges": [row_data(row) for row in facts.rows],
        "script": facts.script,
        "output": facts.output,
        "commands": list(commands(facts)),
        "packages": [public(line) for line in facts.packages],
        "workarounds": [
            {
                "what": way.what,
                "verdict": way.verdict.value if way.verdict else None,
                "works": way.works,
            }
            for way in facts.workarounds
        ],
        "verified": [
            {
                **place_data(check.place),
                "said": public(check.sighting.summary),
                "status": check.sighting.status,
                "seconds": round(check.sighting.seconds, 3),
            }
            for check in facts.checks
        ],
        "draft": markdown(facts),
    }


def place_data(place: Place) -> dict[str, str]:
    """Return a cell as plain data."""
    return {
        "release": place.cell.release,
        "stack": place.cell.stack,
        "backend": place.stack.backend,
    }


def row_data(row: Row) -> dict[str, Any]:
    """Return what is known on a stack as plain data."""
    avoid = downstream.requirement(row)
    return {
        "backend": row.stack.backend,
        "stack": row.stack.name,
        "range": row.range,
        "intervals": [interval_data(interval) for interval in row.intervals],
        "searched": row.searched,
        "trouble": public(row.trouble),
        "avoid": avoid,
    }


def as_json(facts: Facts) -> str:
    """Return a report as JSON."""
    return json.dumps(to_data(facts), indent=1) + "\n"


FORMATS: dict[str, Callable[[Facts], str]] = {
    "markdown": markdown,
    "text": text,
    "json": as_json,
}
