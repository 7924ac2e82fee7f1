"""Bisection: from a script to first bad and first fixed; nothing is claimed that was not seen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from packaging.version import Version

from krepro import ranges
from krepro import release as release_module
from krepro.hunt.bisect import Asked, Bisector, ClaimError, Track, Watcher, flaky
from krepro.hunt.commands import answered
from krepro.hunt.prober import Place
from krepro.hunt.symptom import Sighting, Symptom, untestable
from krepro.hunt.target import Target
from krepro.installer import InstallError
from krepro.matrix import Cell, Stack, read_matrix
from krepro.render import bisection
from krepro.render.bisection import Bisection
from krepro.verdict import Verdict
from tests.conftest import ROOT, Fake
from tests.fake import subject
from tests.test_engine import processes_with
from tests.test_target import contents

REAL = read_matrix(ROOT / "matrix.toml")
JAX = msgspec.structs.replace(REAL.primary("jax"), name="jax")
ADDS = "import keras\nprint('sum', keras.add(1, 2))\nassert keras.add(1, 2) == 3\n"


def v(text: str) -> list[Version]:
    return [Version(word) for word in text.split()]


# --- without processes: the real release numbers, and answers that are made up ----------------


@dataclass
class Options:
    jobs: int = 1


@dataclass
class Machine:
    matrix: Any = REAL
    options: Options = field(default_factory=Options)


@dataclass
class FakeProber:
    """Says what it is told to, and counts."""

    shows: Any
    target: Target = field(default_factory=lambda: Target("a.py", "digest"))
    cost_s: float = 0.1
    lacking: str = ""
    asked: list[str] = field(default_factory=list)
    found: dict[str, list[Sighting]] = field(default_factory=dict)

    def prepare(self, _: Cell) -> None:
        if self.lacking:
            raise InstallError(Verdict.NETWORK, self.lacking)

    def see_all(
        self, places: Sequence[Place], *, repeat: int = 1, again: bool = False
    ) -> Iterable[tuple[Place, list[Sighting]]]:
        for place in places:
            release = place.cell.release
            found = self.found.setdefault(release, [])
            wanted = max(repeat, len(found) + 1 if again else 0)
            while len(found) < wanted:
                self.asked.append(release)
                found.append(self.shows(Version(release), len(found)))
            yield place, found


def good(cost_s: float = 0.1) -> Sighting:
    return Sighting(ending="returned", cost_s=cost_s)


def bad(status: int = 3, cost_s: float = 0.1) -> Sighting:
    return Sighting(ending="exited", status=status, cost_s=cost_s)


def chosen(specifier: str) -> list[Version]:
    return release_module.select(specifier, REAL.versions)


def within(specifier: str, **special: Sighting) -> Any:
    """Bad in a range, but for some releases."""
    affected = set(chosen(specifier))

    def shows(release: Version, _: int) -> Sighting:
        name = "r" + str(release).replace(".", "_")
        return special.get(name) or (bad() if release in affected else good())

    return shows


def search(
    shows: Any, *, jobs: int = 1, stack: Stack = JAX, **asked: Any
) -> tuple[Track, FakeProber]:
    prober = FakeProber(shows)
    options = {"releases": tuple(REAL.versions), "sweep": False, **asked}
    machine = Machine(options=Options(jobs))
    bisector = Bisector(machine, prober, Asked(**options))  # type: ignore[arg-type]
    return bisector.run(stack), prober


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize(
    ("specifier", "runs"),
    [
        (">=3.6.0", 13),
        (">=3.15.1", 13),
        (">=3.0.1", 13),
        (">=3.12.0", 15),
        ("<3.6.0", 13),
        ("<3.12.4", 15),
        ("<3.11.2", 15),
    ],
)
def test_a_search_says_what_a_sweep_says_with_fewer_runs(
    specifier: str, runs: int, jobs: int
) -> None:
    found, searched = search(within(specifier), jobs=jobs)
    whole, swept = search(within(specifier), sweep=True)
    assert found.intervals == whole.intervals
    assert found.range == whole.range
    assert not found.swept
    assert whole.swept
    assert len(swept.found) == len(REAL.versions)
    assert len(searched.found) <= runs + 2 * (jobs - 1)


def test_patch_lines_are_searched_apart() -> None:
    """A fix that was carried back to 3.12.4 is in no other release before 3.13.1."""
    affected = ">=3.6.0,<3.12.4,!=3.13.0"
    found, _ = search(within(affected))
    assert [str(i) for i in found.intervals] == ["3.6.0–3.12.3"]


def test_what_cannot_be_tested_is_skipped_and_stays_open() -> None:
    dead = untestable(Verdict.IMPORT, "import keras: no")
    found, prober = search(within(">=3.7.0", r3_6_0=dead, r3_5_0=dead))
    (interval,) = found.intervals
    assert (interval.first_bad, interval.before) == (
        Version("3.7.0"),
        tuple(v("3.5.0 3.6.0")),
    )
    assert bisection.described(interval).startswith(
        "3.5.0 <= first bad <= 3.7.0; not fixed"
    )
    assert bisection.ends(interval)[0] == "?3.7.0"
    assert set(found.unknown) == set(v("3.5.0 3.6.0"))
    assert len(prober.found) < 20
    # Between two good releases nothing is in doubt but what was tried and said nothing.
    found, _ = search(within(">=3.13.0", r3_7_0=dead))
    assert found.intervals[0].before == ()
    assert Version("3.6.0") in {**found.presumed, **found.sightings}


def test_an_open_fix_in_words() -> None:
    dead = untestable(Verdict.INSTALL, "no")
    found, _ = search(within(">=3.6.0,<3.8.0", r3_8_0=dead), sweep=True)
    (interval,) = found.intervals
    assert bisection.described(interval) == (
        "first bad 3.6.0; 3.8.0 <= first fixed <= 3.9.0"
    )
    found, _ = search(within(">=3.6.0", r3_15_1=dead), sweep=True)
    assert "last seen in 3.15.0, later releases are not known" in bisection.described(
        found.intervals[0]
    )


def test_a_bug_between_two_good_ends_is_seen_by_a_sweep_only() -> None:
    found, prober = search(within("3.14.0..3.14.0"), sweep=None)
    assert found.swept
    assert found.range == "3.14.0"
    assert str(found.symptom) == "exit:3"
    # Slow: a search, which says what it did not look at.
    slow = FakeProber(lambda r, _: bad(cost_s=9) if r >= Version("3.6") else good(9))
    asked = Asked(tuple(REAL.versions))
    track = Bisector(Machine(), slow, asked).run(JAX)  # type: ignore[arg-type]
    assert not track.swept
    # The same command again, served from what is kept, decides the same way.
    slow.asked.clear()
    again = Bisector(Machine(), slow, asked).run(JAX)  # type: ignore[arg-type]
    assert not again.swept
    assert slow.asked == []
    assert again.intervals == track.intervals
    assert prober.asked.count("3.14.0") == 2


def test_several_intervals_are_all_told() -> None:
    both = {*chosen("3.2.0..3.3.1"), *chosen("3.9.0..3.9.2")}
    found, _ = search(lambda r, _: bad() if r in both else good(), sweep=True)
    assert found.range == "3.2.0–3.3.1, 3.9.0–3.9.2"
    data = [bisection.interval_data(interval) for interval in found.intervals]
    assert [(d["first_bad"], d["last_bad"], d["first_fixed"]) for d in data] == [
        ("3.2.0", "3.3.1", "3.3.2"),
        ("3.9.0", "3.9.2", "3.10.0"),
    ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"bad": "3.6.0"}, "3.6.0–3.7.0"),
        ({"good": "3.2.0", "bad": "3.7.0"}, "3.6.0–3.7.0"),
        ({"good": "3.8.0", "bad": "3.7.0"}, "3.6.0–3.7.0"),
        ({"good": "3.8.0", "bad": "3.6.0", "find_fix": True}, "?3.6.0–3.7.0"),
        ({"good": "3.0.0"}, "3.6.0–3.7.0"),
    ],
)
def test_ends_that_are_named_and_ends_that_are_found(
    asked: dict[str, Any], found: str
) -> None:
    named = {k: tuple(v(x)) if isinstance(x, str) else x for k, x in asked.items()}
    track, prober = search(within(">=3.6.0,<3.8.0"), **named)
    assert track.range == found
    if "bad" in named:
        assert prober.asked[0] == asked["bad"]


def test_only_the_fix_is_looked_for() -> None:
    track, prober = search(within(">=3.2.0,<3.8.0"), bad=tuple(v("3.4.0")), find_fix=True)
    assert bisection.described(track.intervals[0]).endswith("first fixed 3.8.0")
    assert not {"3.1.1", "3.2.0", "3.2.1"} & set(prober.asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bad": "3.2.0"}, "3.2.0@jax was said to be bad, but is unaffected"),
        ({"bad": "3.6.0 3.9.0"}, "3.6.0@jax was said to be bad, but fails in another way"),
        ({"good": "3.6.0", "bad": "3.7.0"}, "good, but fails in another way: exits with 4"),
        ({"good": "3.6.0"}, "3.6.0@jax was said to be good, but fails: exits with 4"),
        ({"good": "3.8.0", "bad": "3.7.0"}, "good, but is untestable:import no"),
        ({"good": "2.0"}, "2.0: not among the releases asked for that"),
    ],
)
def test_ends_that_are_not_as_claimed(asked: dict[str, str], message: str) -> None:
    dead = untestable(Verdict.IMPORT, "no")
    shows = within(">=3.6.0", r3_6_0=bad(4), r3_8_0=dead)
    with pytest.raises(Exception, match=re.escape(message)) as error:
        search(shows, **{k: tuple(v(x)) for k, x in asked.items()})
    assert isinstance(error.value, ClaimError) is ("untestable" not in message)


def test_a_verdict_that_flips_is_no_end() -> None:
    def flips(release: Version, run: int) -> Sighting:
        if release == Version("3.6.0"):
            return bad() if run % 2 else good()
        return bad() if release > Version("3.6.0") else good()

    found, _ = search(flips)
    assert flaky([found]) == ["3.6.0@jax: 1 of 2 unaffected, 1 of 2 affected"]
    assert found.intervals[0].before[-1] == Version("3.6.0")
    voted, prober = search(flips, repeat=3)
    assert flaky([voted]) == []
    assert voted.intervals[0].first_bad == Version("3.7.0")
    assert set(map(prober.asked.count, prober.found)) == {3}
    even, _ = search(flips, repeat=4)
    assert flaky([even]) == ["3.6.0@jax: 2 of 4 unaffected, 2 of 4 affected"]


def test_an_end_is_run_twice_and_nothing_else() -> None:
    dead = untestable(Verdict.INSTALL, "no")
    _, prober = search(within(">=3.6.0,<3.9.0", r3_5_0=dead), sweep=True)
    twice = {name for name in prober.found if prober.asked.count(name) == 2}
    assert twice == {"3.4.1", "3.6.0", "3.8.0", "3.9.0"}


def test_the_newest_failure_names_the_symptom() -> None:
    def shows(release: Version, _: int) -> Sighting:
        if release < Version("3.2"):
            return bad(4)
        return bad(5) if release >= Version("3.12") else good()

    found, _ = search(shows, sweep=True)
    assert str(found.symptom) == "exit:5"
    assert found.range.startswith("since 3.12.0 (3.0.0?")
    asked, _ = search(shows, sweep=True, expect=Symptom("exit", status=4))
    assert asked.range.startswith("3.0.0–3.1.1 (3.12.0?")


def test_a_stack_that_cannot_be_had() -> None:
    prober = FakeProber(within(">=3.6"), lacking="the index is out of reach")
    asked = Asked(tuple(REAL.versions))
    track = Bisector(Machine(), prober, asked).run(JAX)  # type: ignore[arg-type]
    assert track.trouble == "jax cannot be had: the index is out of reach"
    assert prober.asked == []
    assert not answered(track)
    assert track.range == "?"


def test_never_seen_is_said_only_where_all_is_known() -> None:
    track, _ = search(lambda *_: good(), sweep=True)
    assert answered(track)
    assert bisection.sentences(track) == ["never seen (40 of 40 releases measured)"]
    dead = untestable(Verdict.INSTALL, "no")
    track, _ = search(within("3.0.0", r3_0_0=dead), sweep=True)
    assert not answered(track)
    assert bisection.sentences(track) == [
        "never seen (39 of 40 releases measured)",
        "3.0.0: untestable:install: no",
    ]


@dataclass
class Notes(Watcher):
    lines: list[str] = field(default_factory=list)

    def seen(self, *told: Any) -> None:
        _, release, _, left = told
        self.lines.append(f"{release} {left}")


def test_progress_is_in_releases_and_runs() -> None:
    notes = Notes()
    asked = Asked(tuple(REAL.versions), sweep=False)
    prober = FakeProber(within(">=3.6.0"))
    Bisector(Machine(), prober, asked, notes).run(JAX)  # type: ignore[arg-type]
    assert notes.lines[:3] == [
        "3.15.1 39 releases left",
        "3.0.0 38 releases left",
        "3.8.0 38 releases left, about 5 runs",
    ]
    assert "once more, to be sure" in notes.lines[-1]
    left = [
        int(n) for line in notes.lines for n in re.findall(r"(\d+) releases? left", line)
    ]
    assert left == sorted(left, reverse=True)


def test_a_drawing_wraps_between_release_lines() -> None:
    track, _ = search(within(">=3.6.0,<3.9.0"), sweep=True)
    lines = bisection.drawing(track).plain.split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert all(line.startswith(" " * 11) for line in lines[1:])
    marks = re.findall(r"(3\.\d+) (\S+)", "  ".join(lines))
    assert [name for name, _ in marks] == [f"3.{n}" for n in range(16)]
    assert "".join(m for _, m in marks) == "".join(
        "X" if r in chosen(">=3.6.0,<3.9.0") else "." for r in REAL.versions
    )
    searched, _ = search(within(">=3.6.0"))
    drawn = bisection.drawing(searched).plain
    assert "x" in drawn
    assert "·" in drawn


def test_a_block_to_paste() -> None:
    track, _ = search(within(">=3.6.0,<3.9.0"), sweep=True)
    found = Bisection(
        track_target(), "krepro bisect a.py", (track,), {"jax": {"python": "3.11.9"}}
    )
    lines = bisection.paste(found).split("\n")
    assert lines[0] == "Symptom: exit:3"
    assert "| jax | 3.6.0–3.8.0 | 3.6.0 | 3.8.0 | 3.9.0 |" in lines
    assert any(line.startswith("Command: `krepro bisect a.py` (krepro ") for line in lines)
    assert any(line.startswith("Environment: jax: python 3.11.9, ") for line in lines)
    data = bisection.to_data(found)["backends"][0]
    assert data["mode"] == "sweep"
    assert len(data["verdicts"]) == 40
    assert ranges.describe({}, REAL.versions) == "?"


def track_target() -> Target:
    return Target("a.py", "digest")


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def script(user: Path, source: str, name: str = "a.py") -> str:
    path = user / name
    path.write_text(textwrap.dedent(source))
    return str(path)


def data_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_script_from_end_to_end_and_again(four: Fake, user: Path) -> None:
    path = script(user, ADDS)
    (user / "notes.txt").write_text("mine")
    before = contents(user)
    done = four.run("bisect", path)
    assert done.returncode == 1, done.stderr
    assert "torch      9.0 .  9.1 X  9.2 .  9.3 .\n" in done.stdout
    assert "first bad 9.1.0; last bad 9.1.0, first fixed 9.2.0" in done.stdout
    assert "Symptom: assertion at a.py:3: assert keras.add(1, 2) == 3" in done.stdout
    assert f"Command: `krepro bisect {path}`" in done.stdout
    assert "Environment: fake: python 3." in done.stdout
    lines = done.stderr.splitlines()
    # Before it is known what is looked for, a failure is only that.
    named = next(n for n, line in enumerate(lines) if "looking for what 9.1.0" in line)
    assert any("9.1.0: fails: AssertionError [" in line for line in lines[:named])
    assert any("9.1.0: affected AssertionError [" in line for line in lines[named:])
    assert max(len(line) for line in done.stdout.splitlines() if path not in line) <= 80
    assert contents(user) == before

    kept = contents(four.home.sightings)
    report = user / "report.json"
    for _ in range(2):  # The report lies beside the script, and is no part of it.
        again = four.run("bisect", path, "-f", "json", "-o", str(report))
        assert again.returncode == 1
        assert again.stdout == ""
    assert contents(four.home.sightings) == kept
    found = json.loads(report.read_text())
    (backend,) = found["backends"]
    assert backend["intervals"] == [
        {
            "first_bad": "9.1.0",
            "last_bad": "9.1.0",
            "first_fixed": "9.2.0",
            "unknown_before": [],
            "unknown_inside": [],
            "unknown_after": [],
        }
    ]
    assert backend["unknown"] == {}
    verdicts = {r: s["verdict"] for r, s in backend["verdicts"].items()}
    assert verdicts["9.1.0"] == "affected"
    assert list(verdicts) == ["9.0.0", "9.1.0", "9.2.0", "9.3.0"]


WANTS_ARGUMENTS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("x")
parser.parse_args()
"""
TWO_WAYS = """
import keras
if keras.VERSION < "9.1":
    1 / 0
if keras.VERSION > "9.1.0":
    raise ValueError("new")
"""
BAD_INPUT = [
    (["gone.py"], "gone.py: no such file"),
    (["USER"], "is a folder: name a script in it"),
    (["SCRIPT", "--expect", "failure"], "use exception[:REGEX]"),
    (["SCRIPT", "--good", "9.1.0", "--bad", "9.1.0"], "9.1.0: said to be good and bad"),
    (["SCRIPT", "--good", "3.99"], "'3.99' is no known Keras release"),
    (["SCRIPT", "-r", "3.99"], "'3.99' is no known Keras release"),
    (["SCRIPT", "-r", ">=9.0", "-s", "caffe"], "no stack 'caffe'"),
    (["SCRIPT", "-o", "no/such/report.txt"], "its folder cannot be written to"),
    (["SCRIPT", "--git", "USER"], "is not a git repository"),
    (["SCRIPT", "--git", "no/such"], "is not a git repository"),
    (["SCRIPT", "--data", "no.csv"], "--data no.csv: no such file"),
    (["SCRIPT", "--with", "!"], "'!' is not a requirement"),
    (["adds_wrongly", "--expect", "crash"], "is a repro, which declares what counts"),
    (["adds_wrongly", "--", "x"], "takes no arguments"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT)
def test_bad_input_is_one_line_before_any_work(
    four: Fake, user: Path, arguments: list[str], message: str
) -> None:
    places = {"SCRIPT": script(user, ADDS), "USER": str(user)}
    done = in_process(four, *(places.get(each, each) for each in arguments))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("krepro: ")
    assert message in done.stderr
    assert not four.home.sightings.exists()


def in_process(four: Fake, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``krepro bisect`` in this process, which saves the start of another."""
    from click.testing import CliRunner

    from krepro.cli import main

    here = Path.cwd()
    os.chdir(four.project.folder)
    try:
        done = CliRunner().invoke(main, ["bisect", *arguments])
    finally:
        os.chdir(here)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("source", "arguments", "code", "said"),
    [
        # Never fails; fails everywhere.
        ("import keras", [], 0, "never seen (4 of 4 releases measured)"),
        ("raise ValueError('a')", [], 1, "first bad 9.0.0; not fixed"),
        ("raise ValueError('a')", [], 1, "nothing tells which one is to blame"),
        ("open('no.csv')", [], 1, "does it read a file? name it with --data"),
        ("import sys; sys.argv[1]", [], 1, "does it need arguments? put them behind --"),
        ("import sys; assert sys.argv[1:] == ['-x', 'y']", ["--", "-x", "y"], 0, "never"),
        (WANTS_ARGUMENTS, [], 1, "does it need arguments? put them behind --"),
        ("input()", [], 1, "does it read standard input? that is empty here"),
        # Another failure at each end.
        (TWO_WAYS, [], 1, "9.0.0: error: fails in another way: ZeroDivisionError"),
        ("print('loss: nan')", ["--expect", "output:loss: nan"], 1, "first bad 9.0.0"),
        ("1 / 0", ["--expect", "output:loss: nan"], 3, "nothing could be measured"),
        ("import os; os._exit(3)", ["--expect", "exit:3"], 1, "first bad 9.0.0"),
        ("import sys; sys.exit('x')", ["--expect", "exit:1"], 1, "first bad 9.0.0"),
        ("import keras, os\nif keras.VERSION == '9.2.0': os.abort()", [], 1, "9.2.0"),
        (ADDS, ["--expect", "exception:TypeError"], 3, "9.1.0: error: fails in another"),
        (ADDS, ["--good", "9.2.0", "--bad", "9.1.0", "--find-fix"], 1, "first fixed 9.2.0"),
        (ADDS, ["--good", "9.2.0..9.3.0", "--bad", ">=9.1,<9.2"], 1, "first bad 9.1.0"),
        (ADDS, ["--no-sweep", "--bad", "9.1.0", "-j", "1"], 1, "last bad 9.1.0, first fixed"),
    ],
)  # fmt: skip
def test_scripts_and_their_exit_codes(  # noqa: PLR0917
    four: Fake, user: Path, source: str, arguments: list[str], code: int, said: str
) -> None:
    done = in_process(four, script(user, source), *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        (
            "import no_such.part",
            [],
            "a.py imports no_such, which fake lacks: add --with no_s",
        ),
        ("import jax", [], "a.py imports jax, which fake lacks\n"),
        (ADDS, ["--bad", "9.0.0"], "9.0.0@fake was said to be bad, but is unaffected"),
        (ADDS, ["--good", "9.1.0"], "9.1.0@fake was said to be good, but fails: Asser"),
    ],
)
def test_what_cannot_be_searched_is_one_line_at_the_end(
    four: Fake, user: Path, source: str, arguments: list[str], said: str
) -> None:
    done = in_process(four, script(user, source), *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr.splitlines(keepends=True)[-1]


def test_a_flaky_script_ends_as_such_and_votes(four: Fake, user: Path) -> None:
    counter = user.parent / "counter"
    source = f"""
        import keras
        with open({str(counter)!r} + keras.VERSION, "a+") as file:
            file.write("x")
            file.seek(0)
            runs = len(file.read())
        if keras.VERSION >= "9.2.0":
            raise ValueError("steady")
        if keras.VERSION == "9.1.0" and runs != 2:
            raise ValueError("steady")
    """
    path = script(user, source)
    done = in_process(four, path)
    assert done.returncode == 3
    assert "krepro: flaky: 9.1.0@fake: 1 of 2 affected, 1 of 2 unaffected" in done.stderr
    assert "vote with --repeat 5" in done.stderr
    voted = in_process(four, path, "--repeat", "5")
    assert voted.returncode == 1, voted.stderr
    assert "first bad 9.1.0; not fixed" in voted.stdout


def test_a_hang_is_a_symptom(four: Fake, user: Path) -> None:
    matrix = four.project.folder / "matrix.toml"
    matrix.write_text(
        matrix.read_text().replace("import_timeout_s = 20", "import_timeout_s = 1")
    )
    source = "import keras\nwhile keras.VERSION == '9.2.0': pass"
    done = in_process(four, script(user, source), "--expect", "hang", "--timeout", "1")
    assert done.returncode == 1
    assert "first bad 9.2.0; last bad 9.2.0, first fixed 9.3.0" in done.stdout


def test_a_release_that_cannot_be_tested_leaves_ends_open(fake: Fake, user: Path) -> None:
    subject.make_project(fake.project.folder, ["9.2.0", "9.3.0", "9.5.0", "9.7.0"])
    path = script(user, "import keras\nkeras.multiply(2, 2) == 4 or 1 / 0\n1 / 0")
    done = fake.run("bisect", path, "-f", "json")
    assert done.returncode == 1
    (backend,) = data_of(done)["backends"]
    (interval,) = backend["intervals"]
    assert interval["first_fixed"] is None
    assert interval["unknown_after"] == ["9.5.0", "9.7.0"]
    assert backend["unknown"]["9.5.0"]["verdict"] == "untestable:import"
    assert "planted: no import" in backend["unknown"]["9.5.0"]["message"]
    assert backend["unknown"]["9.7.0"]["verdict"].startswith("untestable:")
    fine = fake.run("bisect", script(user, "import keras"))
    assert fine.returncode == 3
    assert "never seen (2 of 4 releases measured)" in fine.stdout


def test_backends_differ_and_one_may_be_missing(fake: Fake, user: Path) -> None:
    subject.make_project(
        fake.project.folder, list(subject.RELEASES), [subject.JAX_STACK, subject.LOST_STACK]
    )
    path = script(user, ADDS)
    done = fake.run("bisect", path, "-b", "torch", "-b", "jax", "-f", "json")
    assert done.returncode == 1, done.stderr
    ranges_ = {b["backend"]: b["range"] for b in data_of(done)["backends"]}
    assert ranges_ == {"torch": "9.1.0", "jax": "9.1.0–9.2.0"}

    done = fake.run("bisect", path)
    assert done.returncode == 3
    assert "tensorflow 9.0 ·  9.1 ·  9.2 ·  9.3 ·\n  lost cannot be had: " in done.stdout
    assert "| jax | 9.1.0–9.2.0 | 9.1.0 | 9.2.0 | 9.3.0 |" in done.stdout
    assert "| tensorflow | ? |" in done.stdout
    trouble = [line for line in done.stderr.splitlines() if "cannot be had" in line]
    assert len(trouble) == 1

    # An end that holds on one backend only.
    done = fake.run("bisect", path, "--bad", "9.2.0", "-b", "torch", "-b", "jax")
    assert done.returncode == 3
    assert "9.2.0@fake was said to be bad, but is unaffected" in done.stdout
    assert "| jax | 9.1.0–9.2.0 |" in done.stdout


def test_a_package_for_the_script(four: Fake, user: Path, tmp_path: Path) -> None:
    name = "krepro_tiny_bisect"
    wheels = tmp_path / "more"
    subject.make_wheel(wheels, name, "1.0", "value = 4")
    both = Fake(four.project, four.home, f"{four.wheels},{wheels}")  # type: ignore[arg-type]
    path = script(user, f"import keras, {name}\nassert keras.add(1, 2) < {name}.value")
    done = both.run("bisect", path, "--with", f"{name}==1.0")
    assert done.returncode == 1, done.stderr
    assert "first bad 9.1.0; last bad 9.1.0, first fixed 9.2.0" in done.stdout
    lost = both.run("bisect", path, "--with", f"{name}==2.0")
    assert lost.returncode == 3
    assert "fake cannot be had: " in lost.stderr.splitlines()[-1]
    assert "nothing could be measured" in lost.stdout


def test_a_repro_of_the_catalogue(four: Fake) -> None:
    done = in_process(four, "crashes_in_update")
    assert done.returncode == 0, done.stderr
    assert "first bad 9.1.0; last bad 9.2.0, first fixed 9.3.0" in done.stdout
    path = four.project.repros_folder / "adds_wrongly.py"
    path.write_text(
        path.read_text().replace(">=9.1.0,<9.2.0'\n# works", "<9.1.0'\n# works")
    )
    assert in_process(four, "adds_wrongly").returncode == 1


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(
    four: Fake, user: Path
) -> None:
    gate = user.parent / "gate"
    source = f"""
        import keras, os, time
        while keras.VERSION in ("9.1.0", "9.2.0") and not os.path.exists({str(gate)!r}):
            time.sleep(0.05)
        assert keras.add(1, 2) == 3
    """
    path = script(user, source)
    arguments = ["bisect", path, "--timeout", "60", "-f", "json"]
    process = four.start(*arguments)
    assert process.stderr is not None
    told = [process.stderr.readline() for _ in range(2)]
    assert all("unaffected" in line for line in told)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert out == ""
    assert err.strip() == (
        "krepro: stopped; what was seen is kept: run the same command to go on"
    )
    assert not processes_with(str(four.home.path))
    kept = contents(four.home.sightings)
    assert len([name for name in kept if name.endswith(".json")]) == 2
    gate.touch()
    # A kill that nothing can catch, later: the same.
    process = four.start(*arguments)
    time.sleep(0.9)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = four.run(*arguments)
    assert done.returncode == 1
    assert data_of(done)["backends"][0]["range"] == "9.1.0"
    now = contents(four.home.sightings)
    assert all(now[name] == kept[name] for name in kept if "9.3.0" in name)


def test_ctrl_c_while_a_stack_is_made(fake: Fake, user: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Fake(fake.project, type(fake.home)(tmp_path / "empty"), fake.wheels)
    process = empty.start("bisect", script(user, ADDS))
    deadline = time.monotonic() + 30
    while not list(empty.home.stacks.glob(".fake-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "what was seen is kept" in err
    assert not processes_with(str(empty.home.path))


def test_killed_at_any_moment_then_resumed(four: Fake, user: Path) -> None:
    path = script(user, ADDS)
    for moment in (0.4, 0.6, 0.8, 1.0):
        process = four.start("bisect", path)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = four.run("bisect", path)
    assert done.returncode == 1
    assert "first bad 9.1.0; last bad 9.1.0, first fixed 9.2.0" in done.stdout
    assert not list(four.home.sightings.rglob(".*.new"))
