"""Find the repro that fits a traceback, a message or a description. Pure."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from krepro.cell.judge import matches
from krepro.repro import Repro

# The line that ends a traceback: a type, dots allowed, then what it says.
RAISED = re.compile(r"(?m)^[|+ ]*([A-Za-z_][\w.]*)(?:: ?(.*))?$")
FRAME = re.compile(r'(?m)^\s*File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)$')
# How much a word counts where it stands: id, title, symptom, story.
WEIGHTS = (6.0, 8.0, 8.0, 1.0)
# A hit with at least this score has its declared symptom in the text.
CERTAIN = 1000.0
# Too common in tracebacks of Keras to tell one from another.
EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at by call error file for from handler has in is it its keras last lib "
        "line most none not object of on packages python raised recent site src that the this "
        "to traceback typeerror valueerror was when with wrapper",
    )
)


@dataclass(frozen=True)
class Hit:
    """A repro that may be meant: the higher the score, the surer. ``why`` is for people."""

    repro: Repro
    score: float
    why: str


def by_symptom(repros: Sequence[Repro], text: str) -> list[Hit]:
    """Return the repros whose declared symptom is in a text, the longest symptom first.

    Args:
        repros: where to look.
        text: a traceback, its last lines, or only the message, in any wrapping.
    """
    raised = [(name.rpartition(".")[2], said) for name, said in RAISED.findall(text)]
    whole = " ".join(text.split())
    hits = []
    for repro in repros:
        found = [s for s in repro.symptoms if _shows(s, raised, whole)]
        if found:
            best = max(found, key=len)
            hits.append(Hit(repro, CERTAIN + len(best), f"its symptom is {best!r}"))
    # Others show it on the way to what they are about.
    return sorted(hits, key=lambda hit: (hit.repro.kind != "crash", -hit.score))


def _shows(symptom: str, raised: Iterable[tuple[str, str]], whole: str) -> bool:
    name, _, said = symptom.partition(":")
    for type_name, _ in raised:
        # Messages run over several lines, and are wrapped by what prints them.
        if type_name == name.strip() and matches(
            " ".join(symptom.split()), type_name, whole
        ):
            return True
    # A message without its type counts too, where it is more than a word or two.
    parts = [" ".join(part.split()) for part in said.split("...") if part.strip()]
    pattern = ".*".join(re.escape(part) for part in parts)
    return len("".join(parts)) > 15 and re.search(pattern, whole) is not None


def by_words(repros: Sequence[Repro], text: str) -> list[Hit]:
    """Return the repros that share words with a text, best first.

    Words are stemmed, those that are in few repros count most (SQLite's FTS5 with bm25).
    """
    words = [
        w for w in re.findall(r"[a-z0-9]+", text.lower().replace("_", " ")) if len(w) > 1
    ]
    words = [w for w in dict.fromkeys(words) if w not in EMPTY_WORDS]
    if not words:
        return []
    by_id = {repro.id: repro for repro in repros}
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(
            "create virtual table entry using fts5"
            "(id, name, title, symptom, story, tokenize='porter unicode61')"
        )
        database.executemany(
            "insert into entry values (?, ?, ?, ?, ?)",
            [
                (r.id, r.id.replace("_", " "), split_names(r.title), *_texts(r))
                for r in repros
            ],
        )
        weights = ", ".join(map(str, (0.0, *WEIGHTS)))
        query = " OR ".join(f'"{word}"' for word in words)
        rows = database.execute(
            f"select id, bm25(entry, {weights}) from entry where entry match ? "  # noqa: S608
            "order by 2",
            [query],
        ).fetchall()
    return [Hit(by_id[name], -score, "its story has these words") for name, score in rows]


def _texts(repro: Repro) -> tuple[str, str]:
    numbers = " ".join(
        f"{n} #{n}" for n in (*repro.issues, repro.introduced, repro.fixed) if n
    )
    symptoms = split_names(" ".join(repro.symptoms))
    return symptoms, split_names(f"{repro.docstring} {repro.area} {repro.kind} {numbers}")


def split_names(text: str) -> str:
    """Return a text with the words of names like ``CompileLoss`` and ``train_on_batch`` added."""
    parts = re.findall(r"[A-Z]+[a-z0-9]+|[a-z0-9]+", " ".join(re.findall(r"\w+", text)))
    return f"{text} {' '.join(parts)}"


def search(repros: Sequence[Repro], text: str, *, limit: int = 8) -> list[Hit]:
    """Return what may be meant by a description, a message or a traceback.

    A declared symptom that is in the text outweighs everything; then come shared words. Of
    a traceback the last line and the functions of Keras in it are looked at.
    """
    certain = by_symptom(repros, text)
    seen = {hit.repro.id for hit in certain}
    rest = [hit for hit in by_words(repros, essence(text)) if hit.repro.id not in seen]
    if rest:
        best = rest[0].score
        rest = [hit for hit in rest if hit.score > best / 5]
    return [*certain, *rest][:limit]


def essence(text: str) -> str:
    """Return what tells one traceback from another: what was raised, and where in Keras."""
    frames = FRAME.findall(text)
    if not frames:
        return text
    raised = RAISED.findall(text)
    functions = [function for file, function in frames if "keras" in file]
    return " ".join([*functions[-3:], *(" ".join(pair) for pair in raised[-1:])])
