"""The first layer of the pre-upgrade check: what stored verdicts say."""

from __future__ import annotations

import itertools
import json

import pytest
from click.testing import CliRunner
from packaging.version import Version

from krepro import published
from krepro.cli import main
from krepro.matrix import Cell
from krepro.project import Project
from krepro.report import Report
from krepro.result import Measurement, Outcome
from krepro.upgrade import known
from krepro.upgrade.known import Effect, End
from krepro.verdict import Verdict
from tests.conftest import ROOT

BAD, GOOD, NOT = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE
PROJECT = Project.find(ROOT)
REPORT = published.for_people(PROJECT)
STACK = PROJECT.matrix.primary("jax")


def end(version: str) -> End:
    return End(Version(version), STACK)


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (GOOD, BAD, Effect.GAINED),
        (NOT, BAD, Effect.GAINED),
        (BAD, GOOD, Effect.LOST),
        (BAD, NOT, Effect.LOST),
        (BAD, BAD, Effect.KEPT),
        (GOOD, GOOD, None),
        (GOOD, NOT, None),
        (None, BAD, Effect.UNKNOWN),
        (GOOD, None, Effect.UNKNOWN),
        (Verdict.IMPORT, GOOD, Effect.UNKNOWN),
        (GOOD, Verdict.FLAKY, Effect.UNKNOWN),
        (BAD, Verdict.ERROR, Effect.UNKNOWN),
    ],
)
def test_what_a_pair_of_verdicts_means(
    before: Verdict | None, after: Verdict | None, effect: Effect | None
) -> None:
    assert known.effect_of(before, after) is effect


def small(verdicts: dict[str, list[Verdict]]) -> Report:
    """A report on 3.4.1, 3.5.0, 3.6.0 and 3.7.0 of the first entries, verdicts as given."""
    repros = tuple(itertools.islice(PROJECT.repros(), len(verdicts)))
    found = {}
    for number, release in enumerate(["3.4.1", "3.5.0", "3.6.0", "3.7.0"]):
        found[Cell(STACK.name, release)] = {
            repro.id: Measurement(
                repro.source_hash,
                row[number],
                workarounds={"workaround_a": Outcome(GOOD), "workaround_b": Outcome(BAD)},
            )
            for repro, row in zip(repros, verdicts.values(), strict=True)
        }
    return Report(PROJECT.matrix, tuple(found), repros, found)


def test_consequences_and_their_workarounds() -> None:
    report = small(
        {
            "gained": [GOOD, GOOD, BAD, BAD],
            "lost": [BAD, BAD, GOOD, GOOD],
            "kept": [BAD, BAD, BAD, BAD],
            "never": [GOOD, GOOD, GOOD, GOOD],
        }
    )
    found = known.consequences(report, end("3.5.0"), end("3.6.0"))
    names = [repro.id for repro in report.repros]
    assert [(c.repro.id, c.effect) for c in found] == [
        (names[0], Effect.GAINED),
        (names[1], Effect.LOST),
        (names[2], Effect.KEPT),
    ]
    assert found[0].workarounds == ("workaround_a",)
    assert not [
        c
        for c in known.consequences(report, end("3.6.0"), end("3.6.0"))
        if c.effect is not Effect.KEPT
    ], "from a release to itself nothing changes"


def test_the_nearest_release_without_a_bug() -> None:
    report = small({"a": [GOOD, GOOD, BAD, GOOD], "b": [GOOD, BAD, BAD, GOOD]})
    below, above = known.nearest_without(report, end("3.6.0"), report.repros)
    assert (below, above) == (end("3.4.1"), end("3.7.0"))
    below, above = known.nearest_without(report, end("3.6.0"), report.repros[:1])
    assert (below, above) == (end("3.5.0"), end("3.7.0"))
    unknown = small({"a": [GOOD, Verdict.IMPORT, BAD, Verdict.FLAKY]})
    below, above = known.nearest_without(unknown, end("3.6.0"), unknown.repros)
    assert (below, above) == (end("3.4.1"), None), "what is unknown is not free of it"


def test_releases_ranked_as_goals() -> None:
    report = small({"a": [BAD, BAD, GOOD, GOOD], "b": [GOOD, GOOD, GOOD, BAD]})
    ranked = known.ranking(report, end("3.4.1"))
    assert str(ranked[0].end.release) == "3.6.0"
    assert [len(ranked[0].gained), len(ranked[0].lost), len(ranked[0].kept)] == [0, 1, 0]


def test_every_pair_of_neighbours_adds_up() -> None:
    """Between releases, gained and lost are what the verdicts differ by."""
    cells = [cell for cell in REPORT.cells if cell.stack == STACK.name]
    affected = {
        cell: {r.id for r in REPORT.repros if REPORT.verdict(cell, r) is BAD}
        for cell in cells
    }
    assert len(cells) == 40
    for before, after in itertools.pairwise(cells):
        found = known.consequences(REPORT, end(before.release), end(after.release))
        by_effect = {
            effect: {c.repro.id for c in found if c.effect is effect} for effect in Effect
        }
        assert by_effect[Effect.GAINED] == affected[after] - affected[before]
        assert by_effect[Effect.LOST] == affected[before] - affected[after]
        assert by_effect[Effect.KEPT] == affected[before] & affected[after]
        assert not by_effect[Effect.UNKNOWN]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["upgrade", *arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_seed_bug_is_named_before_the_upgrade() -> None:
    code, out, _ = run("--from", "3.5.0", "--to", "3.6.0@jax")
    assert code == 1
    gained, _, rest = out.partition("What you would be rid of")
    assert "Keras 3.5.0@jax -> 3.6.0@jax" in gained
    assert "outer_compile_drops_inner_loss_tracker (crash)" in gained
    assert "way around it, seen to work on 3.6.0" in gained
    assert "krepro run outer_compile_drops_inner_loss_tracker -r 3.6.0 -b jax" in gained
    assert "outer_compile_drops_inner_loss_tracker" not in rest


def test_formats() -> None:
    code, out, _ = run("--from", "3.5.0", "--to", "3.6.0", "-f", "json")
    table = json.loads(out)
    assert (code, table["schema"], table["from"]) == (1, 2, "3.5.0@tensorflow")
    effects = {entry["repro"]: entry["effect"] for entry in table["consequences"]}
    assert effects["outer_compile_drops_inner_loss_tracker"] == "gained"
    assert effects["dict_losses_applied_alphabetically"] == "kept"
    _, out, _ = run("--from", "3.5.0", "--to", "3.6.0", "-f", "markdown")
    assert "| `outer_compile_drops_inner_loss_tracker` | crash |" in out


def test_nothing_changes_from_a_release_to_itself() -> None:
    code, out, _ = run("--from", "3.6.0", "--to", "3.6.0", "-k", "loss_tracker")
    assert code == 0
    assert "0 bugs gained, 0 lost, 1 kept" in out


def test_backends_can_be_compared() -> None:
    code, out, _ = run("--from", "3.15.1@torch", "--to", "3.15.1@jax")
    assert code == 1
    assert "Keras 3.15.1@torch -> 3.15.1@jax" in out


def test_any() -> None:
    code, out, _ = run("--from", "3.5.0", "--any")
    assert code == 0
    assert len([line for line in out.splitlines() if line.startswith("3.")]) == 40
    assert "(where you are)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "3.5.0"], "upgrade needs --to RELEASE, or --any"),
        (["--from", "3.5.0", "--to", "3.6.0", "--any"], "upgrade needs --to"),
        (["--from", "3.99", "--to", "3.6.0"], "'3.99' is no known Keras release"),
        (["--from", "3.5.0", "--to", "3.6.0@caffe"], "no backend 'caffe'"),
        (["--from", ">=3.5", "--to", "3.6.0"], "means 24 releases: name one"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
