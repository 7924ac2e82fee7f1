"""Symptoms: only what was named counts, and two failures are alike where they mean the same."""

from __future__ import annotations

import pytest

from krepro.hunt import symptom
from krepro.hunt.symptom import Failure, Sighting, Symptom, SymptomError, Where
from krepro.verdict import Verdict

RETURNED = Sighting(ending="returned", output="epoch 1\nloss: nan\nend")
HUNG = Sighting(verdict="untestable:timeout", message="no end after 60 s")
DIED = Sighting(verdict="untestable:crash", message="killed by signal 11")
NOT_INSTALLED = Sighting(verdict="untestable:install", message="no such wheel")
WHERE = Where("a.py", 3, "<module>", "assert x == 3")


def raised(kind: str = "ValueError", message: str = "", **fields: object) -> Sighting:
    failure = Failure(kind, message, **fields)  # type: ignore[arg-type]
    return Sighting(ending="raised", status=1, failure=failure)


def exited(status: int) -> Sighting:
    return Sighting(ending="exited", status=status)


ASSERTED = raised("AssertionError", "was 4", assertion=True, where=WHERE)
IN_KERAS = raised("AssertionError", "was 4", keras=("src/a.py: f",))

A, U, E = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.ERROR
SEEN = [RETURNED, exited(0), exited(3), raised(), ASSERTED, IN_KERAS, HUNG, DIED]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("exception", [U, U, E, A, A, A, Verdict.TIMEOUT, Verdict.CRASH]),
        ("exception:^ValueError", [U, U, E, A, E, E, Verdict.TIMEOUT, Verdict.CRASH]),
        ("exception:was [0-9]", [U, U, E, E, A, A, Verdict.TIMEOUT, Verdict.CRASH]),
        ("assertion", [U, U, E, E, A, E, Verdict.TIMEOUT, Verdict.CRASH]),
        ("output:^loss: nan$", [A, U, E, E, E, E, Verdict.TIMEOUT, Verdict.CRASH]),
        # An exception ends Python with 1 too; it is another symptom all the same.
        ("exit:1", [U, U, E, E, E, E, Verdict.TIMEOUT, Verdict.CRASH]),
        ("exit:3", [U, U, A, E, E, E, Verdict.TIMEOUT, Verdict.CRASH]),
        ("hang", [U, U, E, E, E, E, A, Verdict.CRASH]),
        ("crash", [U, U, E, E, E, E, Verdict.TIMEOUT, A]),
    ],
)
def test_only_the_named_symptom_is_affected(expect: str, said: list[Verdict]) -> None:
    wanted = symptom.parse(expect)
    assert [wanted.verdict(sighting)[0] for sighting in SEEN] == said
    assert wanted.verdict(NOT_INSTALLED) == (Verdict.INSTALL, "no such wheel")


def test_another_failure_says_which() -> None:
    verdict, message = symptom.parse("exception:^TypeError").verdict(raised(message="odd"))
    assert (verdict, message) == (E, "fails in another way: ValueError: odd")
    assert symptom.parse("exit:4").verdict(exited(3))[1] == (
        "fails in another way: exits with 3"
    )


def test_a_pattern_sees_the_whole_message_in_one_line_or_as_it_is() -> None:
    long = "Invalid shape\n  for layer" + " x" * 400 + " end"
    short = "… " + " ".join(long.split())[-300:]
    seen = raised(message=short, text=long)
    for pattern in ("^ValueError: Invalid", "shape for layer", "shape\n  for", "end$"):
        assert Symptom(symptom.EXCEPTION, pattern=pattern).seen_in(seen), pattern
    assert not Symptom(symptom.EXCEPTION, pattern="middle").seen_in(seen)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("", "use exception"),
        ("failure", "use exception"),
        ("exception:(", "not a regular expression"),
        ("output:", "needs a regular expression"),
        ("output", "needs a regular expression"),
        ("exit", "use exit:N"),
        ("exit:0", "from 1 to 255"),
        ("exit:256", "from 1 to 255"),
        ("exit:-1", "from 1 to 255"),
        ("assertion:x", "takes nothing behind it"),
        ("hang:5", "takes nothing behind it"),
        ("crash:11", "takes nothing behind it"),
    ],
)
def test_symptoms_that_mean_nothing(expect: str, message: str) -> None:
    with pytest.raises(SymptomError, match=message):
        symptom.parse(expect)


@pytest.mark.parametrize(
    "expect",
    [
        "exception",
        "exception:a|b",
        "assertion",
        "output:a: b",
        "exit:3",
        "hang",
        "crash",
    ],
)
def test_a_symptom_reads_as_it_is_written(expect: str) -> None:
    assert str(symptom.parse(expect)) == expect


def test_by_default_what_a_run_showed_is_the_symptom() -> None:
    for nothing in (RETURNED, exited(0), NOT_INSTALLED):
        assert symptom.of(nothing) is None
    for sighting in SEEN[2:]:
        found = symptom.of(sighting)
        assert found is not None
        assert [other for other in SEEN if found.seen_in(other)] == [sighting]
    assert str(symptom.of(ASSERTED)) == "assertion at a.py:3: assert x == 3"
    assert str(symptom.of(raised(message="odd"))) == "ValueError: odd"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 3.5 s", "took 12 s"),
        ("object at 0x7f01ab", "object at 0x55ff00"),
        ("no /tmp/run-1/repro-aaaaaaaa/x.csv", "no /home/u/x.csv"),
        ("in /tmp/run-1/repro-ab12cd_8", "in /tmp/run-2/repro-zz00aa99"),
        ("a  b", "a b"),
    ],
)
def test_alike_but_for_numbers_and_paths(one: str, other: str) -> None:
    assert symptom.like(Failure("E", one), Failure("E", other))


def test_not_alike() -> None:
    one = Failure("ValueError", "a message", where=WHERE)
    assert not symptom.like(one, Failure("TypeError", "a message"))
    assert not symptom.like(one, Failure("ValueError", "another message"))
    assertion = Failure("AssertionError", "3", assertion=True, where=WHERE)
    elsewhere = Where("a.py", 4, "<module>", "assert y == 3")
    assert not symptom.like(
        assertion, Failure("AssertionError", "3", assertion=True, where=elsewhere)
    )
    assert not symptom.like(assertion, Failure("AssertionError", "3"))
    moved = Where("a.py", 9, "f", "assert x == 3")
    assert symptom.like(
        assertion, Failure("AssertionError", "8", assertion=True, where=moved)
    )


def test_the_same_values_but_for_noise() -> None:
    def failed(**observed: str) -> Failure:
        return Failure("AssertionError", "m", assertion=True, observed=observed)

    one, again, other = (
        failed(x="1.0000", t="5"),
        failed(x="1.0001", t="9"),
        failed(x="2.0"),
    )
    assert symptom.noise(one, again) == {"t"}
    assert symptom.same(one, again, symptom.noise(one, again))
    assert not symptom.same(one, again)
    assert not symptom.same(one, other, frozenset({"t"}))
    assert symptom.same(failed(x="nan"), failed(x="nan"))
    assert not symptom.same(failed(x="nan"), failed(x="1"))


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (Failure("ModuleNotFoundError", "No module named 'pandas'"), "pandas"),
        (Failure("ModuleNotFoundError", "No module named 'pandas.core'"), "pandas"),
        (Failure("ModuleNotFoundError", "No module named 'tree'", keras=("a.py: f",)), ""),
        (Failure("ImportError", "cannot import name 'x' from 'keras'"), ""),
        (Failure("ValueError", "No module named 'pandas'"), ""),
    ],
)
def test_what_a_script_imports_and_is_not_there(failure: Failure, name: str) -> None:
    assert failure.missing_module == name
