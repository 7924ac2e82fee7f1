"""What a report is made of, and which cells it shows. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from krepro import ranges
from krepro.hunt.culprit import Culprit
from krepro.hunt.symptom import Failure, Sighting
from krepro.matrix import Cell, Stack
from krepro.ranges import Interval
from krepro.repro import Repro
from krepro.verdict import Verdict

# Upstream's triage searches for the first long word of a title: short names get the long ones.
SYMBOLS = {
    "AUC": "metrics.AUC",
    "Add": "layers.Add",
    "Loss": "losses.Loss",
    "Mean": "metrics.Mean",
    "add_loss": "Layer.add_loss",
    "compile": "Model.compile",
    "evaluate": "Model.evaluate",
    "exclude_from_weight_decay": "Optimizer.exclude_from_weight_decay",
    "fit": "Model.fit",
    "load_weights": "Model.load_weights",
    "predict": "Model.predict",
    "train_step": "Model.train_step",
    "trainable": "Layer.trainable",
}
# Methods of a model, as a script calls them: the one that it fails in is the symbol.
METHODS = (
    "build",
    "compile",
    "evaluate",
    "fit",
    "get_config",
    "load_weights",
    "predict",
    "predict_on_batch",
    "save",
    "save_weights",
    "summary",
    "test_on_batch",
    "train_on_batch",
)
MOST_TITLE = 120
PROMISING = re.compile(r"\b(promis\w+|document\w+|docstrings?|guides?|FAQ)\b")
# Of no meaning to those who do not know the catalogue.
OF_THE_CATALOGUE = (
    r"repros/|`affected`|Found by drawing|declared here|used here|story goes on"
)


@dataclass(frozen=True)
class Row:
    """What is known on one stack, by release.

    ``searched``: not every release was run; ``trouble`` says what kept the stack from being had.
    """

    stack: Stack
    releases: tuple[Version, ...]
    verdicts: Mapping[Version, Verdict | None]
    searched: bool = False
    trouble: str = ""

    @property
    def range(self) -> str:
        """The affected releases in a few words."""
        return ranges.describe(self.verdicts, self.releases)

    @property
    def intervals(self) -> list[Interval]:
        """The affected releases."""
        return ranges.intervals(self.verdicts, self.releases)

    def of(self, verdict: Verdict) -> list[Version]:
        """Return the releases with a verdict, in order."""
        return [r for r in sorted(self.releases) if self.verdicts.get(r) is verdict]


@dataclass(frozen=True)
class Place:
    """A cell that a report shows, and how it is told."""

    cell: Cell
    stack: Stack

    def __str__(self) -> str:
        return f"Keras {self.cell.release} on {self.stack.backend}"


@dataclass(frozen=True)
class Check:
    """A run of the script in a fresh environment.

    ``packages`` are all that was installed, pinned; ``identity`` has the versions of ``python``
    and of the backend.
    """

    place: Place
    sighting: Sighting
    packages: tuple[str, ...]
    identity: Mapping[str, str]


@dataclass(frozen=True)
class Known:
    """An entry of the catalogue that this may be: ``sure`` where its symptom or code was found."""

    id: str
    title: str
    why: str
    sure: bool
    issues: tuple[int, ...] = ()


@dataclass(frozen=True)
class Workaround:
    """A way around the bug: what it does, what it said in the affected cell, and where it works."""

    what: str
    verdict: Verdict | None
    works: str


@dataclass(frozen=True)
class Subject:
    """What is reported, apart from what was measured of it.

    ``repro`` is None for a user's script. ``promises`` are in words, ``story`` are paragraphs.
    """

    name: str
    title: str
    repro: Repro | None = None
    promises: tuple[str, ...] = ()
    story: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()
    introduced: int | str | None = None
    fixed: int | str | None = None
    symptom: str = ""


@dataclass(frozen=True)
class Facts:
    """All that a report tells.

    ``unaffected`` is None where no release is known to be free of the bug; ``checks`` are empty
    where nothing was verified, and then ``output`` is that of krepro's own cell. ``requirements``
    are packages that a user's script needs besides.
    """

    subject: Subject
    script: str
    rows: tuple[Row, ...]
    affected: Place
    unaffected: Place | None
    output: str
    packages: tuple[str, ...]
    identity: Mapping[str, str]
    checks: tuple[Check, ...] = ()
    known: tuple[Known, ...] = ()
    culprits: tuple[Culprit, ...] = ()
    workarounds: tuple[Workaround, ...] = ()
    requirements: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def newest(self) -> Version:
        """The newest release that was looked at."""
        return max(release for row in self.rows for release in row.releases)

    @property
    def live(self) -> list[str]:
        """The backends on which the newest release is affected."""
        return [
            row.stack.backend
            for row in self.rows
            if row.verdicts.get(self.newest) is Verdict.AFFECTED
        ]


def choose_affected(
    rows: Sequence[Row], backends: Collection[str], releases: Collection[Version]
) -> Place | None:
    """Return the cell that a report shows: the newest affected release, on the first backend.

    Args:
        rows: what is known.
        backends: only these, in the order of ``rows``; none means all.
        releases: only these; none means all.
    """
    best: tuple[Version, Row] | None = None
    for row in rows:
        if backends and row.stack.backend not in backends:
            continue
        bad = [r for r in row.of(Verdict.AFFECTED) if not releases or r in releases]
        if bad and (best is None or bad[-1] > best[0]):
            best = bad[-1], row
    if best is None:
        return None
    return Place(Cell(best[1].stack.name, str(best[0])), best[1].stack)


def choose_unaffected(rows: Sequence[Row], affected: Place) -> Place | None:
    """Return the unaffected cell that is nearest to an affected one, or None where there is none.

    The release that fixed it comes first, then the last one before it, both on the same stack; then
    the same release on another backend, then anything else.
    """
    release = Version(affected.cell.release)
    (own,) = [row for row in rows if row.stack.name == affected.cell.stack]
    good = own.of(Verdict.UNAFFECTED)
    later = [r for r in good if r > release]
    earlier = [r for r in good if r < release]
    if later or earlier:
        return Place(Cell(own.stack.name, str((later[:1] or earlier[-1:])[0])), own.stack)
    others = [row for row in rows if row is not own]
    for row in others:
        if row.verdicts.get(release) is Verdict.UNAFFECTED:
            return Place(Cell(row.stack.name, str(release)), row.stack)
    for row in others:
        if found := row.of(Verdict.UNAFFECTED):
            return Place(Cell(row.stack.name, str(found[-1])), row.stack)
    return None


def full_title(title: str) -> str:
    """Return a title that starts with its symbol in full."""
    symbol, colon, rest = title.partition(":")
    return f"{SYMBOLS.get(symbol, symbol)}{colon}{rest}"


def title_of(symptom: str, failure: Failure | None, script: str) -> str:
    """Return the title of a report on a user's script: the symbol, and what happens."""
    text = " ".join(f"{symbol_of(failure, script)}: {symptom}".split())
    return text if len(text) <= MOST_TITLE else text[: MOST_TITLE - 1] + "…"


def symbol_of(failure: Failure | None, script: str) -> str:
    """Return what of Keras a script fails in: what the failing statement calls, else the last call.

    Args:
        failure: how it ended, where it raised.
        script: its text.
    """
    statement = failure.where.statement if failure else ""
    for text in (statement, script):
        found = calls_in(text)
        if found:
            return found[-1]
    return "keras"


def calls_in(text: str) -> list[str]:
    """Return the methods of models and the names of Keras that a piece of code calls, in order."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    calls.sort(key=lambda n: (n.end_lineno or 0, n.end_col_offset or 0))
    found = []
    for call in calls:
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        if isinstance(call.func, ast.Attribute) and last in METHODS:
            found.append(f"Model.{last}")
        elif name.startswith("keras."):
            found.append(name)
    return found


def story_of(docstring: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the paragraphs of a repro's story for readers who do not know the catalogue.

    Where it names other entries, what names them is left out.
    """
    paragraphs = [" ".join(part.split()) for part in docstring.split("\n\n")]
    names = "|".join(sorted(map(re.escape, ids), key=len, reverse=True)) or r"(?!)"
    name = rf"`?\b(?:{names})\b`?"
    own = re.compile(rf"{name}|{OF_THE_CATALOGUE}")
    told = []
    for paragraph in paragraphs:
        text = re.sub(rf"\s*\([^()]*(?:{name}|{OF_THE_CATALOGUE})[^()]*\)", "", paragraph)
        # What is left of a short one would say nothing.
        text = re.sub(
            rf"((?:[^\s.]+ ){{5,}}[^\s.]+)[:;,] see (?:also )?{name}(?=\.)", r"\1", text
        )
        told.append(" ".join(s for s in sentences(text) if not own.search(s)))
    return tuple(filter(None, told))


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`\"'])", text)


def promises_in(story: Iterable[str]) -> tuple[str, ...]:
    """Return the sentences of a story that tell what is promised, and where."""
    return tuple(
        sentence
        for paragraph in story
        for sentence in sentences(paragraph)
        if PROMISING.search(sentence)
    )


def test_stories(source: str) -> dict[str, str]:
    """Return what each function of a module says of itself, in a line."""
    return {
        node.name: " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
