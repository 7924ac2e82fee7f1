"""The engine on the fake Keras: every planted behaviour gets its verdict, in every isolation."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from krepro.cell.script import Script
from krepro.engine import ISOLATIONS, SCRIPT
from krepro.matrix import Cell
from krepro.verdict import Verdict
from tests.conftest import Fake

GOOD = ["9.0.0", "9.1.0", "9.2.0", "9.3.0"]
A, U, N, E = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.NOT_APPLICABLE, Verdict.ERROR
PLANTED = {
    "adds_wrongly": [U, A, U, U],
    "crashes_in_update": [U, A, A, U],
    "lacks_multiply": [N, N, U, U],
    "raises_undeclared": [E, E, E, E],
    "asserts_inside_keras": [U, E, U, U],
    "changes_surroundings": [U, U, U, U],
    "exits": [E, E, E, E],
    "exits_politely": [E, E, E, E],
    "fails_to_load": [E, E, E, E],
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_planted_behaviours(fake: Fake, isolation: str) -> None:
    found = fake.measure(list(PLANTED), GOOD, isolation=isolation)
    verdicts = {name: [found[name, r].verdict for r in GOOD] for name in PLANTED}
    assert verdicts == PLANTED


@pytest.mark.parametrize(
    ("name", "verdict", "message"),
    [
        ("hangs", Verdict.TIMEOUT, "no end after 1 s"),
        ("segfaults", Verdict.CRASH, "killed by signal 11"),
        ("eats_memory", Verdict.OOM, "passed 300 MiB"),
    ],
)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_limits(
    fake: Fake, name: str, verdict: Verdict, message: str, isolation: str
) -> None:
    (fake.project.folder / "matrix.toml").write_text(
        (fake.project.folder / "matrix.toml")
        .read_text()
        .replace("import_timeout_s = 20.0", "import_timeout_s = 3.0")
    )
    found = fake.measure([name], ["9.0.0"], isolation=isolation)[name, "9.0.0"]
    assert found.verdict is verdict
    assert message in found.message


def test_what_ends_a_batch_spoils_no_neighbour(fake: Fake) -> None:
    names = [
        "adds_wrongly",
        "exits",
        "hangs",
        "leaves_a_mark",
        "segfaults",
        "wants_a_sum",
        "wants_no_mark",
    ]
    found = fake.measure(names, ["9.0.0"])
    said = {
        name: (found[name, "9.0.0"].verdict, found[name, "9.0.0"].isolation)
        for name in names
    }
    assert said == {
        "adds_wrongly": (U, "batch"),
        "exits": (E, "fork"),
        "hangs": (Verdict.TIMEOUT, "process"),
        "leaves_a_mark": (U, "batch"),
        "segfaults": (Verdict.CRASH, "process"),
        "wants_a_sum": (U, "batch"),
        "wants_no_mark": (U, "batch"),
    }


def test_a_batch_is_believed_only_where_it_says_what_is_declared(fake: Fake) -> None:
    """A neighbour's mark makes it fail in their batch; in a fork of its own it is fine."""
    found = fake.measure(["leaves_a_mark", "wants_no_mark"], ["9.0.0"])
    assert found["leaves_a_mark", "9.0.0"].isolation == "batch"
    assert found["wants_no_mark", "9.0.0"].isolation == "fork"
    assert found["wants_no_mark", "9.0.0"].verdict is U


def test_a_repro_that_replaces_a_name_of_keras_ends_its_batch(fake: Fake) -> None:
    """Its successor runs, and runs with the Keras that was imported."""
    found = fake.measure(["adds_wrongly", "replaces_add", "wants_a_sum"], ["9.0.0"])
    assert {m.verdict for m in found.values()} == {U}
    assert found["replaces_add", "9.0.0"].isolation == "batch"
    assert found["wants_a_sum", "9.0.0"].isolation == "batch"


def test_each_repro_of_a_batch_has_its_own_output_and_folder(fake: Fake) -> None:
    names = ["adds_wrongly", "changes_surroundings", "prints_its_folder", "wants_a_sum"]
    found = fake.measure(names, ["9.0.0"])
    assert {m.isolation for m in found.values()} == {"batch"}
    printing = [n for n in names if "this is prints_its_folder" in found[n, "9.0.0"].output]
    assert printing == ["prints_its_folder"]
    assert "[]" in found["prints_its_folder", "9.0.0"].output


def test_workarounds_have_verdicts_of_their_own(fake: Fake) -> None:
    found = fake.measure(["adds_wrongly"], GOOD)
    plus = [found["adds_wrongly", r].workarounds["workaround_plus"].verdict for r in GOOD]
    twice = [found["adds_wrongly", r].workarounds["workaround_twice"].verdict for r in GOOD]
    assert plus == [U, U, U, U]
    assert twice == [U, A, U, U]


def test_a_gigabyte_of_output_is_cut_and_does_no_harm(fake: Fake) -> None:
    found = fake.measure(["prints_a_gigabyte"], ["9.0.0"])["prints_a_gigabyte", "9.0.0"]
    assert found.verdict is U
    assert found.output.startswith("the very beginning")
    assert "the very end" in found.output
    assert "bytes left out" in found.output
    assert len(found.output) < 20_000


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_no_child_of_a_repro_is_left(fake: Fake, isolation: str) -> None:
    assert not processes_with("krepro-planted-child")
    found = fake.measure(["leaves_children"], ["9.0.0"], isolation=isolation)
    assert found["leaves_children", "9.0.0"].verdict is U
    assert not processes_with("krepro-planted-child")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_no_temporary_file_of_a_repro_is_left(fake: Fake, isolation: str) -> None:
    found = fake.measure(["changes_surroundings"], ["9.0.0"], isolation=isolation)
    assert found["changes_surroundings", "9.0.0"].verdict is U
    assert not list(Path(tempfile.gettempdir()).glob("krepro-planted-*"))
    assert not list(fake.home.scratch.glob("*"))


def test_variables_of_a_script_are_those_of_a_fresh_process(
    fake: Fake, tmp_path: Path
) -> None:
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "a.py").write_text(
        "import os\nprint([os.environ[n] for n in ('XLA_FLAGS', 'KERAS_BACKEND')])\n"
    )
    engine = fake.engine()
    records = []
    with engine.room() as scratch:
        for variables in ({}, {"XLA_FLAGS": "mine"}):
            script = Script(kit, "a.py", variables=variables)
            said = engine.ask(Cell("fake", "9.0.0"), [], scratch, script=script)
            records.append(said[SCRIPT])
    assert [record["isolation"] for record in records] == ["fork", "process"]
    assert "mine" not in records[0]["output"]
    assert "['mine', 'torch']" in records[1]["output"]


def test_a_flaky_repro_is_flaky(fake: Fake) -> None:
    found = fake.measure(["flips_a_coin"], ["9.0.0"], repeat=4)["flips_a_coin", "9.0.0"]
    assert found.verdict is Verdict.FLAKY
    assert found.message == "2 times unaffected, 2 times affected"


def test_a_surprising_verdict_is_doubted(fake: Fake) -> None:
    """Without a wish for repeats: an undeclared verdict is measured again."""
    counter = fake.project.repros_folder / "flips_a_coin.count"
    counter.write_bytes(b".")  # So that the first run fails, which nothing declares.
    found = fake.measure(["flips_a_coin"], ["9.0.0"])["flips_a_coin", "9.0.0"]
    assert found.runs == 3
    assert found.verdict is Verdict.FLAKY


def test_measuring_again_compares(fake: Fake) -> None:
    first = fake.measure(["flips_a_coin"], ["9.0.0"])["flips_a_coin", "9.0.0"]
    assert first.verdict is U
    again = fake.measure(["flips_a_coin"], ["9.0.0"], rerun=True)["flips_a_coin", "9.0.0"]
    assert again.verdict is Verdict.FLAKY


@pytest.mark.parametrize(
    ("release", "verdict", "message"),
    [
        ("9.5.0", Verdict.IMPORT, "RuntimeError: planted: no import"),
        ("9.6.0", Verdict.IMPORT, "asked for keras 9.6.0, got 1.2.3"),
        ("9.7.0", Verdict.IMPORT, "killed by signal 11"),
        ("9.8.0", Verdict.INSTALL, "keras==9.8.0"),
    ],
)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_broken_releases(
    fake: Fake, release: str, verdict: Verdict, message: str, isolation: str
) -> None:
    found = fake.measure(["adds_wrongly", "exits"], [release, "9.0.0"], isolation=isolation)
    assert found["adds_wrongly", release].verdict is verdict
    assert message in found["adds_wrongly", release].message
    assert found["exits", release].verdict is verdict
    # A broken release says nothing about its neighbours.
    assert found["adds_wrongly", "9.0.0"].verdict is U


def test_a_cell_proves_what_it_ran(fake: Fake) -> None:
    fake.measure(["adds_wrongly"], ["9.2.0"])
    engine = fake.engine()
    known = engine.known(
        fake.project.matrix.cells(fake.project.matrix.versions, fake.project.matrix.stack)[
            2
        ]
    )
    assert known is not None
    assert known.identity["keras"] == "9.2.0"
    assert Path(known.identity["keras_file"]).is_relative_to(
        fake.home.overlays.resolve()
    ) or ("overlays/keras-9.2.0" in known.identity["keras_file"])
    assert known.identity["backend"] == "torch"
    assert known.identity["backend_version"] == "99.0"


def test_a_second_run_measures_nothing(fake: Fake) -> None:
    fake.measure(["adds_wrongly", "crashes_in_update"], GOOD)
    engine = fake.engine()
    repros = fake.project.repros(["adds_wrongly", "crashes_in_update"])
    cells = fake.project.matrix.cells(
        fake.project.matrix.tier("quick"), fake.project.matrix.stack
    )
    assert engine.plan(cells, repros).to_measure == 0


def test_an_edited_repro_is_measured_again_and_an_edited_story_is_not(fake: Fake) -> None:
    fake.measure(["adds_wrongly"], ["9.0.0"])
    path = fake.project.repros_folder / "adds_wrongly.py"
    text = path.read_text()
    cells = fake.project.matrix.cells(
        fake.project.matrix.tier("quick")[:1], fake.project.matrix.stack
    )

    path.write_text(text.replace('"""Affected by', '"""Told anew: affected by'))
    assert fake.engine().plan(cells, fake.project.repros(["adds_wrongly"])).to_measure == 0
    path.write_text(text.replace("== 3, f", "== 4, f"))
    assert fake.engine().plan(cells, fake.project.repros(["adds_wrongly"])).to_measure == 1


def processes_with(mark: str) -> list[str]:
    """Return the command lines of processes that hold a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if mark in line:
                found.append(line)
    return found
