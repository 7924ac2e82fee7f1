"""Search: a pasted traceback, a message or a description finds its entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from krepro import finder
from krepro.project import Project
from krepro.repro import Repro, read_repro
from tests.conftest import ROOT
from tests.fake.subject import header

CATALOGUE = Project(ROOT).repros()
TRACEBACK = """\
Traceback (most recent call last):
  File "/home/someone/train.py", line 31, in <module>
    history = model.fit(x, y)
  File "/venv/lib/python3.11/site-packages/keras/src/utils/traceback_utils.py", line 122, in \
error_handler
    raise e.with_traceback(filtered_tb) from None
  File "/venv/lib/python3.11/site-packages/keras/src/trainers/compile_utils.py", line 51, in \
update_state
    x
{raised}
"""


def made(tmp_path: Path, name: str, story: str = "", **fields: str) -> Repro:
    path = tmp_path / f"{name}.py"
    body = f'"""{story}"""\ndef test_it():\n    pass\n'
    path.write_text(header(**fields) + body, encoding="utf-8")
    return read_repro(path)


def ids(hits: list[finder.Hit]) -> list[str]:
    return [hit.repro.id for hit in hits]


@pytest.mark.parametrize(
    ("raised", "found"),
    [
        ("AttributeError: 'Foo' object has no attribute 'bar'", True),
        ("keras.errors.AttributeError: 'Foo' object\nhas no attribute 'bar'", True),
        ("ValueError: 'Foo' object has no attribute 'baz'", False),
        ("AttributeError: 'Foo' has a bar", False),
    ],
)
def test_a_symptom_in_a_traceback(tmp_path: Path, raised: str, found: bool) -> None:
    symptom = "\"AttributeError: 'Foo' object has no attribute 'bar'\""
    entry = made(tmp_path, "one", symptom=symptom)
    hits = finder.by_symptom([entry], TRACEBACK.format(raised=raised))
    assert ids(hits) == (["one"] if found else [])


def test_anything_between_the_parts_of_a_symptom(tmp_path: Path) -> None:
    entry = made(tmp_path, "one", symptom="'ValueError: shape ... is not ... wanted'")
    text = TRACEBACK.format(raised="ValueError: shape (3, 4) is not (4,), as wanted")
    assert ids(finder.by_symptom([entry], text)) == ["one"]


def test_a_message_without_its_type(tmp_path: Path) -> None:
    entry = made(tmp_path, "one", symptom="'KeyError: no such output in the model'")
    short = made(tmp_path, "two", symptom="'KeyError: 0'")
    found = finder.by_symptom([entry, short], "it says no such output in the model, help")
    assert ids(found) == ["one"]


def test_the_longer_symptom_first(tmp_path: Path) -> None:
    short = made(tmp_path, "short", kind="'crash'", symptom="'KeyError: price'")
    long_ = made(tmp_path, "long", kind="'crash'", symptom="'KeyError: price of area'")
    text = TRACEBACK.format(raised="KeyError: price of area")
    assert ids(finder.by_symptom([short, long_], text)) == ["long", "short"]


def test_words_of_names_and_their_stems_count(tmp_path: Path) -> None:
    wanted = made(tmp_path, "loss_order", "CompileLoss sorts its losses by name.")
    other = made(tmp_path, "optimizer_state", "Adam forgets its momentum.")
    assert (
        ids(finder.by_words([wanted, other], "compile losses sorting"))[0] == "loss_order"
    )
    assert ids(finder.by_words([wanted, other], "forgetting momentums")) == [
        "optimizer_state"
    ]
    assert finder.by_words([wanted, other], "zebra") == []
    assert finder.by_words([wanted, other], "the of a") == []
    assert finder.by_words([wanted, other], 'quotes " and * stars') == []


def test_an_issue_number_finds_its_entry() -> None:
    for entry in CATALOGUE:
        if entry.issues:
            found = ids(finder.search(CATALOGUE, f"#{entry.issues[0]}", limit=30))
            assert entry.id in found, entry.issues


def test_every_entry_is_found_by_its_own_crash() -> None:
    for entry in CATALOGUE:
        for symptom in entry.symptoms:
            text = TRACEBACK.format(raised=symptom.replace("...", "x"))
            hits = finder.search(CATALOGUE, text, limit=30)
            sure = [hit.repro.id for hit in hits if hit.score >= finder.CERTAIN]
            assert entry.id in sure, symptom


def test_every_entry_is_among_the_first_for_its_title() -> None:
    for entry in CATALOGUE:
        assert entry.id in ids(finder.search(CATALOGUE, entry.title, limit=3)), entry.title
