"""Merging: nothing is overwritten, what disagrees or is missing is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from krepro.merge import fate
from krepro.result import Measurement, Outcome, Store, read_result
from krepro.shard import Manifest
from krepro.verdict import Verdict
from tests.conftest import Fake, on_small_disk

REPROS = ["adds_wrongly", "lacks_multiply"]
A, U, C, I = Verdict.AFFECTED, Verdict.UNAFFECTED, Verdict.CRASH, Verdict.INSTALL  # noqa: E741


def made(verdict: Verdict, source: str = "s", works: Verdict | None = None) -> Measurement:
    workarounds = {"workaround_it": Outcome(works)} if works else {}
    return Measurement(source, verdict, workarounds=workarounds)


@pytest.mark.parametrize(
    ("old", "new", "current", "expected"),
    [
        (None, made(A), "s", "new"),
        (made(A), made(A), "s", "same"),
        (made(A), made(U), "s", "conflict"),
        (made(Verdict.ERROR), made(U), "s", "conflict"),
        (made(Verdict.FLAKY), made(U), "s", "conflict"),
        (made(U, works=U), made(U, works=A), "s", "conflict"),
        (made(U, works=U), made(U), "s", "conflict"),
        # An environment that failed is no fact.
        (made(I), made(U), "s", "new"),
        (made(C), made(A), "s", "new"),
        (made(A), made(I), "s", "same"),
        (made(I), made(C), "s", "same"),
        # Another version of the repro: the one that is current counts.
        (made(A, "old"), made(U, "s"), "s", "new"),
        (made(A, "s"), made(U, "old"), "s", "other source"),
        (made(A, "s"), made(U, "old"), None, "other source"),
    ],
)
def test_what_becomes_of_a_measurement(
    old: Measurement | None, new: Measurement, current: str | None, expected: str
) -> None:
    assert fate(old, new, current) == expected


class Machines:
    """Several machines that measured shards of one run."""

    def __init__(self, fake: Fake, folder: Path) -> None:
        self.fake = fake
        self.folder = folder
        self.of = 2

    def measure(self, number: int, name: str = "") -> Path:
        home = self.folder / (name or f"machine-{number}")
        other = self.fake.with_home(home)
        done = other.run("matrix", *REPROS, "--shard", f"{number}/{self.of}")
        assert done.returncode == 0, done.stderr
        return home

    def merge(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.fake.run("merge", *map(str, arguments))


@pytest.fixture
def machines(fake: Fake, tmp_path: Path) -> Machines:
    return Machines(fake, tmp_path / "machines")


def verdicts(fake: Fake) -> dict[str, str]:
    shown = json.loads(fake.run("show", *REPROS, "-f", "json").stdout)
    return {f"{e['repro']}@{e['release']}": e["verdict"] for e in shown["results"]}


def edit(home: Path, release: str, **changes: object) -> Path:
    """Change what a machine measured of adds_wrongly."""
    (path,) = home.glob(f"results/v1/*/*/{release}.json")
    result = read_result(path)
    assert result is not None
    told = msgspec.structs.replace(result.repros["adds_wrongly"], **changes)
    result.repros["adds_wrongly"] = told
    path.write_bytes(msgspec.json.encode(result))
    return path


def test_shards_merged_are_the_whole_run(machines: Machines, tmp_path: Path) -> None:
    one, two = machines.measure(1), machines.measure(2)
    done = machines.merge(one, two / "results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 verdicts merged into" in done.stdout
    merged = verdicts(machines.fake)
    whole = machines.fake.with_home(tmp_path / "whole")
    whole.run("matrix", *REPROS)
    assert merged == verdicts(whole)
    assert len(merged) == 8
    # As it came, the machine that measured it included.
    for path in (*one.glob("results/v1/*/*/*.json"), *two.glob("results/v1/*/*/*.json")):
        assert read_result(
            machines.fake.home.results / Path(*path.parts[-4:])
        ) == read_result(path)


def test_a_folder_of_artifacts(machines: Machines, tmp_path: Path) -> None:
    for number in (1, 2):
        home = machines.measure(number)
        shutil.copytree(home / "results", tmp_path / "artifacts" / f"results-{number}")
    into = tmp_path / "into"
    done = machines.merge(tmp_path / "artifacts", "--into", into, "-f", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["new"], told["conflicts"], told["incomplete"]) == (8, [], [])
    assert len(Store(type(machines.fake.home)(into)).files()) == 4
    assert not machines.fake.home.results.exists(), "not where it was told to go"


def test_conflicts_are_told_and_nothing_is_overwritten(machines: Machines) -> None:
    home = machines.measure(1)
    assert machines.merge(home).returncode == 3
    before = verdicts(machines.fake)
    other = edit(home, "9.0.0", verdict=A)
    done = machines.merge(home)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("conflict: ")]
    assert lines == [
        f"conflict: adds_wrongly on 9.0.0@fake: verdict unaffected (kept), affected in {other}"
    ]
    assert verdicts(machines.fake) == before
    told = json.loads(machines.merge(home, "-f", "json").stdout)
    assert told["exit_code"] == 1
    assert told["conflicts"][0]["kept"]["verdict"] == "unaffected"
    assert told["conflicts"][0]["other"]["verdict"] == "affected"


def test_a_shard_twice_is_fine_and_said(machines: Machines) -> None:
    one, two, again = machines.measure(1), machines.measure(2), machines.measure(1, "again")
    done = machines.merge(one, two, again)
    assert done.returncode == 0, done.stdout
    assert "shard 1 of 2 came 2 times: " in done.stdout
    assert "8 verdicts merged" in done.stdout
    assert "4 were there, 0 conflicts" in done.stdout


def test_a_missing_shard_is_told_by_its_cells(machines: Machines) -> None:
    done = machines.merge(machines.measure(1))
    assert done.returncode == 3
    assert (
        "incomplete: shard 2 of 2 is missing: 2 of its 2 cells lack verdicts "
        in done.stdout
    )
    assert "(9.2.0@fake, 9.3.0@fake): run it (--shard 2/2) and merge again" in done.stdout
    done = machines.merge(machines.measure(2))
    assert done.returncode == 0, "what was merged before counts too"


def test_a_shard_that_was_stopped_is_not_complete(machines: Machines) -> None:
    one, two = machines.measure(1), machines.measure(2)
    (path,) = two.glob("results/v1/*/*/9.3.0.json")
    path.unlink()
    done = machines.merge(one, two)
    assert done.returncode == 3
    assert "shard 2 of 2 is not complete: 1 of its 2 cells lack verdicts (9.3.0@fake)" in (
        done.stdout
    )


def test_a_file_cut_short_is_told_and_the_rest_merged(machines: Machines) -> None:
    one, two = machines.measure(1), machines.measure(2)
    (path,) = two.glob("results/v1/*/*/9.2.0.json")
    path.write_bytes(path.read_bytes()[:100])
    done = machines.merge(one, two)
    assert done.returncode == 3
    assert f"incomplete: {path}: cut short, or no result" in done.stdout
    assert "6 verdicts merged" in done.stdout
    assert len(verdicts(machines.fake)) == 6


def test_a_file_in_the_wrong_place_is_left_out(machines: Machines) -> None:
    home = machines.measure(1)
    (path,) = home.glob("results/v1/*/*/9.0.0.json")
    shutil.copy(path, path.with_name("9.3.0.json"))
    done = machines.merge(home)
    assert done.returncode == 3
    assert "9.3.0.json: holds results of fake/" in done.stdout
    assert "adds_wrongly@9.3.0" not in verdicts(machines.fake)


def test_results_of_another_schema_are_refused(machines: Machines) -> None:
    home = machines.measure(1)
    shutil.copytree(home / "results" / "v1", home / "results" / "v0")
    done = machines.merge(home)
    assert done.returncode == 3
    assert (
        "v0: results of schema 0, this krepro reads 1: merge them with the krepro that"
        in (done.stdout)
    )
    assert "4 verdicts merged" in done.stdout
    shutil.rmtree(home / "results" / "v1")
    done = machines.merge(home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "results of schema 0" in done.stderr
    shutil.move(home / "results" / "v0", home / "results" / "v1")
    (path,) = home.glob("results/v1/*/*/9.0.0.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "schema": 7}))
    done = machines.merge(home)
    assert f"{path}: of schema 7, this krepro reads 1; left out" in done.stdout


def test_results_of_another_lock_are_kept_apart(machines: Machines) -> None:
    one, two = machines.measure(1), machines.measure(2)
    (folder,) = two.glob("results/v1/fake/*")
    other = folder.rename(folder.with_name("0123456789ab"))
    for path in other.iterdir():
        result = read_result(path)
        assert result is not None
        path.write_bytes(
            msgspec.json.encode(msgspec.structs.replace(result, lock=other.name))
        )
    done = machines.merge(one, two)
    assert done.returncode == 3
    assert (
        f"fake: 2 cells were measured with lock 0123456789ab, this project has {folder.name}: "
        "they are kept apart and not counted; measure with the same locks/fake.txt"
    ) in done.stdout
    assert len(verdicts(machines.fake)) == 4
    assert len(list(machines.fake.home.results.glob("v1/fake/0123456789ab/*.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/folder"], "no/such/folder: no such folder"),
        (["repros"], "repros: no results in it"),
        (["{results}"], "cannot be merged into itself"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    fake: Fake, arguments: list[str], message: str
) -> None:
    (fake.home.results / "v1").mkdir(parents=True)
    done = fake.run("merge", *[a.format(results=fake.home.results) for a in arguments])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


def test_a_target_that_cannot_be_written_to(machines: Machines, tmp_path: Path) -> None:
    home = machines.measure(1)
    target = tmp_path / "file"
    target.write_text("")
    done = machines.merge(home, "--into", target / "below")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "cannot be written to" in line


def test_a_read_only_file_system(machines: Machines, tmp_path: Path) -> None:
    home, target = machines.measure(1), tmp_path / "target"
    script = (
        f"mkdir {target}/results && mount -o remount,ro {target} && "
        f"{sys.executable} -m krepro merge {home} --into {target}"
    )
    done = on_small_disk(
        target,
        "1m",
        script,
        cwd=machines.fake.project.folder,
        env=machines.fake.variables(),
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "cannot be written to: choose another --into" in line


def test_a_full_disk_keeps_what_is_merged(machines: Machines, tmp_path: Path) -> None:
    home, target = machines.measure(1), tmp_path / "target"
    script = (
        f"mkdir -p {target}/results {target}/locks && "
        f"head -c 2000000 /dev/zero > {target}/filler; "
        f"{sys.executable} -m krepro merge {home} --into {target}"
    )
    done = on_small_disk(
        target,
        "64k",
        script,
        cwd=machines.fake.project.folder,
        env=machines.fake.variables(),
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_manifest_says_what_a_run_asks(machines: Machines) -> None:
    home = machines.measure(2)
    (path,) = home.glob("results/shards/*/2-of-2.json")
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    assert manifest.place == str(path.relative_to(home / "results"))
    assert [[str(c) for c in part] for part in manifest.parts] == [
        ["9.0.0@fake", "9.1.0@fake"],
        ["9.2.0@fake", "9.3.0@fake"],
    ]
    assert sorted(manifest.sources) == REPROS
    assert "4 cells" not in machines.fake.run("doctor").stdout
    path.write_text("{")
    done = machines.merge(home)
    assert "cut short, or no manifest" in done.stdout
    assert done.returncode == 3


def test_two_merges_at_once_lose_nothing(machines: Machines) -> None:
    one, two = machines.measure(1), machines.measure(2)
    both = [machines.fake.start("merge", str(home)) for home in (one, two)]
    for process in both:
        process.communicate(timeout=60)
    assert len(verdicts(machines.fake)) == 8
