"""Shards: disjoint, together everything, the same everywhere, and as even as they can be."""

from __future__ import annotations

import itertools
import json
import random
import shutil

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krepro import timing
from krepro.cli.common import build_report
from krepro.matrix import Cell
from krepro.project import Project, SelectionError
from krepro.shard import Item, Shard, cut, divide, load_ms
from krepro.timing import StackTimes, Timings
from tests.conftest import ROOT, Fake
from tests.fake import subject

REAL = Project(ROOT)
REPROS = REAL.repros()
CELLS = REAL.matrix.cells(REAL.matrix.versions, list(REAL.matrix.stack))


@st.composite
def lines(draw: st.DrawFn, most: int = 30) -> list[Item]:
    """Cells of up to four stacks in a line, those of a stack beside each other."""
    costs = draw(st.lists(st.lists(st.integers(1, 60), max_size=most), max_size=4))
    return [
        Item(Cell(f"stack-{n}", f"3.0.{m}"), f"stack-{n}", cost)
        for n, own in enumerate(costs)
        for m, cost in enumerate(own[: most // 4 + 1])
    ]


@given(lines(), st.integers(0, 90), st.integers(1, 40))
def test_pieces_are_disjoint_and_together_everything(
    line: list[Item], make_ms: int, of: int
) -> None:
    pieces = divide(line, make_ms, of)
    assert len(pieces) == of
    assert [item for piece in pieces for item in piece] == line
    assert sum(1 for piece in pieces if piece) == min(of, len(line)), (
        "a machine stands idle"
    )


@given(lines(most=8), st.integers(0, 90), st.integers(1, 5))
def test_no_division_of_the_line_has_a_shorter_longest_piece(
    line: list[Item], make_ms: int, of: int
) -> None:
    found = max((load_ms(piece, make_ms) for piece in divide(line, make_ms, of)), default=0)
    best = min(
        max(
            load_ms(line[start:end], make_ms)
            for start, end in itertools.pairwise((0, *cuts, len(line)))
        )
        for cuts in itertools.combinations_with_replacement(range(len(line) + 1), of - 1)
    )
    assert found == best


@given(lines(), st.integers(0, 90), st.integers(1, 40))
def test_the_longest_piece_is_within_a_cell_and_a_stack_of_the_mean(
    line: list[Item], make_ms: int, of: int
) -> None:
    longest = max(load_ms(piece, make_ms) for piece in divide(line, make_ms, of))
    largest = max((item.cost_ms for item in line), default=0)
    assert longest <= load_ms(line, make_ms) / of + largest + make_ms


@settings(max_examples=20)
@given(st.integers(1, 130), st.randoms(use_true_random=False))
def test_the_cut_does_not_depend_on_the_order_of_what_is_asked(
    of: int, shuffled: random.Random
) -> None:
    cells, repros = list(CELLS), list(REPROS)
    shuffled.shuffle(cells)
    shuffled.shuffle(repros)
    timings = Timings({"jax-0.4": StackTimes(1.5, {REPROS[0].id: 9.0})})
    one = cut(REAL.matrix, CELLS, REPROS, timings, of)
    assert cut(REAL.matrix, cells, repros, timings, of) == one
    assert sorted(cell for part in one.parts for cell in part.cells) == sorted(CELLS)


def test_another_plan_has_another_name() -> None:
    plans = {
        cut(REAL.matrix, cells, repros, Timings(), of).plan
        for cells in (CELLS, CELLS[1:])
        for repros in (REPROS, REPROS[1:])
        for of in (2, 3)
    }
    assert len(plans) == 8


def test_few_shards_of_the_real_matrix_are_even_and_need_few_stacks() -> None:
    timings = timing.read(REAL)
    for of in range(1, 13):
        found = cut(REAL.matrix, CELLS, REPROS, timings, of)
        stacks = len(
            {REAL.matrix.base(REAL.matrix.find_stack(c.stack)).name for c in CELLS}
        )
        assert sum(len(part.stacks) for part in found.parts) <= stacks + of - 1
        assert found.unevenness < 0.12, of


def test_the_published_timings_are_small_and_of_this_catalogue() -> None:
    path = ROOT / timing.FILE
    assert path.stat().st_size < 100_000
    known = {repro.id for repro in REPROS}
    stacks = timing.read(REAL).stacks
    for name in ("jax-0.4", "keras-2", "tensorflow-2.16", "torch-2.13"):
        assert stacks[name].import_s > 0
        assert set(stacks[name].repros) <= known
        assert len(stacks[name].repros) > 50


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "x", "1/0", "", "1/2/3", "-1/2", "1.5/2", "²/3"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="is no shard: say K/N"):
        Shard.parse(text)


def test_a_repro_without_a_time_takes_what_the_others_take() -> None:
    stack = REAL.matrix.find_stack("jax-0.4")
    timings = Timings({"jax-0.4": StackTimes(2.0, {REPROS[0].id: 5.0})})
    assert timings.cell_s(stack, REPROS[:2]) == timing.OVERLAY_S + 2.0 + 10.0
    keras_2 = REAL.matrix.find_stack("keras-2")
    asked = [repro for repro in REPROS if repro.keras2]
    unmeasured = timing.OVERLAY_S + timing.IMPORT_S
    assert timings.cell_s(keras_2, REPROS) == pytest.approx(
        unmeasured + timing.REPRO_S * len(asked)
    )


def test_a_run_in_shards_is_the_whole_run(fake: Fake) -> None:
    names = ["adds_wrongly", "lacks_multiply"]
    listed = [
        json.loads(fake.run("matrix", "--list", "--json", "--shard", f"{k}/3").stdout)
        for k in (1, 2, 3)
    ]
    releases = [[cell["release"] for cell in each["cells"]] for each in listed]
    assert sorted(itertools.chain(*releases)) == ["9.0.0", "9.1.0", "9.2.0", "9.3.0"]
    assert all(releases)
    assert len({each["shard"]["plan"] for each in listed}) == 1
    assert [each["shard"]["number"] for each in listed] == [1, 2, 3]
    assert [part["cells"] for part in listed[0]["shard"]["parts"]] == [
        len(own) for own in releases
    ]
    done = fake.run("matrix", *names, "--shard", "2/3")
    assert done.returncode == 0, done.stderr
    assert "shard 2 of 3: " in done.stderr
    # Measured cells are no reason to cut otherwise.
    again = json.loads(fake.run("matrix", "--list", "--json", "--shard", "2/3").stdout)
    assert again == listed[1]
    assert (
        sorted(path.stem for path in fake.home.results.glob("v1/*/*/*.json")) == releases[1]
    )
    told = fake.run("matrix", "--list", "--shard", "2/3").stdout.splitlines()[-1]
    assert told.startswith("shard 2 of 3: ")
    assert "more than the mean" in told


def test_more_shards_than_cells(fake: Fake) -> None:
    done = fake.run("matrix", "adds_wrongly", "--shard", "5/5")
    assert done.returncode == 0, done.stderr
    assert "shard 5 of 5 is empty" in done.stderr


@pytest.mark.parametrize("text", ["0/3", "4/3", "x"])
def test_bad_shards_are_one_line_and_exit_2(fake: Fake, text: str) -> None:
    done = fake.run("matrix", "--shard", text)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"{text!r} is no shard" in line


@pytest.mark.parametrize("content", ["{", '{"schema": 99}', '{"stacks": 1}'])
def test_broken_timings_are_one_line_and_exit_2(fake: Fake, content: str) -> None:
    path = fake.project.folder / timing.FILE
    path.parent.mkdir()
    path.write_text(content)
    done = fake.run("matrix", "--shard", "1/2")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert str(path) in line
    assert "krepro publish" in line


def test_timings_are_medians_and_old_ones_stay(fake: Fake) -> None:
    found = fake.measure(["adds_wrongly"], ["9.0.0", "9.1.0", "9.2.0"])
    cells = [Cell("fake", release) for release in ("9.0.0", "9.1.0", "9.2.0")]
    repros = fake.project.repros(["adds_wrongly", "exits"])
    report = build_report(fake.engine(), cells, repros)
    before = Timings(
        {"other": StackTimes(1.0, {}), "fake": StackTimes(9.0, {"exits": 4.0, "gone": 1})}
    )
    stacks = timing.measured(report, before).stacks
    assert stacks["other"] == before.stacks["other"]
    middle = sorted(measurement.seconds for measurement in found.values())[1]
    assert stacks["fake"].repros == {"adds_wrongly": float(f"{middle:.2g}"), "exits": 4.0}
    assert 0 < stacks["fake"].import_s < 9
    shutil.rmtree(fake.project.folder / "results", ignore_errors=True)
    path = timing.write(fake.project, report)
    assert msgspec.json.decode(path.read_bytes(), type=Timings) == timing.read(fake.project)


def test_a_slow_stack_weighs_more(fake: Fake) -> None:
    subject.make_project(fake.project.folder, list(subject.RELEASES), [subject.JAX_STACK])
    project = Project(fake.project.folder)
    matrix, repros = project.matrix, project.repros()
    cells = matrix.cells(matrix.versions, list(matrix.stack))
    slow = Timings({"fake-jax": StackTimes(500.0, {}), "fake": StackTimes(1.0, {})})
    parts = cut(matrix, cells, repros, slow, 3).parts
    assert [len(part.cells) for part in parts] == [5, 2, 1]
