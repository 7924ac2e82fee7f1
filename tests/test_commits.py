"""From releases to commits: a real git history, read and never touched."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from krepro.hunt.commits import Clone, Commit, CommitTurn
from krepro.project import SelectionError
from tests.conftest import Fake
from tests.fake import subject
from tests.test_target import contents

SOURCE = subject.RELEASES["9.0.0"]
ADDS = "import keras\nassert keras.add(1, 2) == 3\n"
WRONG = 'wrong = ("9.1.0", "9.2.0") if BACKEND == "jax" else ("9.1.0",)'
# Everything since the planted commit is wrong, whatever it says its version is.
PLANTED = (WRONG, "wrong = (VERSION,)")


@dataclass
class History:
    """A repository of the fake Keras, made commit by commit."""

    path: Path
    source: str = SOURCE
    day: int = 1

    def git(self, *arguments: str) -> str:
        date = f"2026-01-{self.day:02}T12:00:00Z"
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={
                **os.environ,
                "GIT_AUTHOR_DATE": date,
                "GIT_COMMITTER_DATE": date,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
            },
        )
        return done.stdout.strip()

    def start(self) -> None:
        self.path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "A")
        self.git("config", "user.email", "a@example.org")

    def commit(
        self,
        subject_: str,
        *,
        old: str = "",
        new: str = "",
        version: str = "",
        **files: str,
    ) -> str:
        """Commit a change of the source, a version, or files; return the hash."""
        self.day += 1
        keras = self.path / "keras"
        keras.mkdir(exist_ok=True)
        init = keras / "__init__.py"
        text = (
            init.read_text() if init.exists() else self.source.format(version="9.0.0.dev0")
        )
        if old:
            assert old in text
            text = text.replace(old, new)
        if version:
            text = "\n".join(
                f"{line.partition(' = ')[0]} = {version!r}"
                if line.startswith(("__version__ = ", "VERSION = "))
                else line
                for line in text.splitlines()
            )
        init.write_text(text)
        for name, content in files.items():
            (keras / f"{name}.py").write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject_)
        return self.git("rev-parse", "HEAD")

    def release(self, version: str) -> str:
        found = self.commit(f"Version {version}", version=version)
        self.git("tag", f"v{version}")
        return found


@dataclass
class Made:
    history: History
    hashes: dict[str, str]

    @property
    def path(self) -> Path:
        return self.history.path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four releases; the bug came on a side branch that was merged, and was mended on main.

    On the way are commits that do not import, that touch nothing of Keras, and that only
    change tests.
    """
    history = History(tmp_path_factory.mktemp("clone") / "keras")
    history.start()
    hashes = {"9.0.0": history.release("9.0.0")}
    for n in range(3):
        history.commit(f"A feature (#{n})", **{f"early{n}": "x = 1\n"})
    history.git("switch", "--quiet", "-c", "side")
    history.commit("Begin (#10)", side="x = 1\n")
    hashes["bug"] = history.commit("Add up anew (#11)", old=PLANTED[0], new=PLANTED[1])
    history.commit("End (#12)", side="x = 2\n")
    history.git("switch", "--quiet", "main")
    for n in range(3):
        history.commit(f"On main (#{20 + n})", **{f"main{n}": "x = 1\n"})
    history.day += 1
    history.git("merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    hashes["broken"] = history.commit(
        "Oops (#30)", old="import os", new="import krepro_oops, os"
    )
    hashes["again"] = history.commit("Sorry", old="import krepro_oops, os", new="import os")
    hashes["9.1.0"] = history.release("9.1.0")
    (history.path / "README.md").write_text("Keras")
    history.commit("Documentation (#40)")
    hashes["before"] = history.commit("A test (#41)", a_test="raise SystemError\n")
    hashes["hole"] = history.commit(
        "Oops again", old="import os", new="import krepro_oops, os"
    )
    hashes["fix"] = history.commit(
        "Sums (#42)", old="import krepro_oops, os", new="import os"
    )
    hashes["fixed"] = history.commit("Sums, really (#43)", old=PLANTED[1], new="wrong = ()")
    hashes["9.2.0"] = history.release("9.2.0")
    history.commit("Later (#50)", later="x = 1\n")
    hashes["9.3.0"] = history.release("9.3.0")
    return Made(history, hashes)


@pytest.fixture
def script(tmp_path: Path) -> str:
    folder = tmp_path / "user"
    folder.mkdir()
    path = folder / "a.py"
    path.write_text(ADDS)
    return str(path)


def turns_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["commits"]
    return found


def test_the_commit_on_the_side_branch_and_the_one_that_mends(
    four: Fake, made: Made, script: str
) -> None:
    # A work tree in the midst of something: another branch, edits, an index, what is not tracked.
    made.history.git("switch", "--quiet", "side")
    (made.path / "keras" / "side.py").write_text("edited")
    (made.path / "keras" / "new.py").write_text("staged")
    made.history.git("add", "keras/new.py")
    (made.path / "untracked.txt").write_text("mine")
    before = contents(made.path)
    done = four.run("bisect", script, "--git", str(made.path), "-f", "json")
    assert done.returncode == 1, done.stderr
    assert contents(made.path) == before
    bug, fix = turns_of(done)
    assert (bug["direction"], bug["between"]) == ("introduced", ["9.0.0", "9.1.0"])
    assert (bug["commit"], bug["pull_request"]) == (made.hashes["bug"], 11)
    assert bug["open"] == []
    assert 3 <= bug["asked"] <= 8
    assert (fix["direction"], fix["between"]) == ("fixed", ["9.1.0", "9.2.0"])
    assert (fix["commit"], fix["subject"]) == (made.hashes["fixed"], "Sums, really (#43)")
    assert "commits left, about" in done.stderr

    kept = contents(four.home.sightings)
    again = four.run("bisect", script, "--git", str(made.path))
    assert again.returncode == 1
    assert contents(four.home.sightings) == kept
    line = f"introduced between 9.0.0 and 9.1.0 on torch: {made.hashes['bug'][:10]}"
    assert line in again.stdout
    assert "Add up anew (#11) https://github.com/keras-team/keras/pull/11" in again.stdout


def test_a_bare_clone_will_do_and_two_backends_share_a_find(
    fake: Fake, made: Made, script: str, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.git"
    made.history.git("clone", "--quiet", "--bare", ".", str(bare))
    subject.make_project(fake.project.folder, list(subject.RELEASES), [subject.JAX_STACK])
    before = contents(bare)
    done = fake.run("bisect", script, "--git", str(bare), "-r", "<9.2", "-f", "json")
    assert done.returncode == 1, done.stderr
    torch, jax = turns_of(done)
    assert torch["commit"] == jax["commit"] == made.hashes["bug"]
    assert contents(bare) == before
    # What was found on one backend is asked first on the other.
    first = next(
        line
        for line in done.stderr.splitlines()
        if line.startswith("jax ") and "commit" in line
    )
    assert made.hashes["bug"][:10] in first


def test_commits_that_say_nothing_stay_open(
    four: Fake, tmp_path: Path, script: str
) -> None:
    history = History(tmp_path / "keras")
    history.start()
    history.release("9.0.0")
    history.commit("Fine", fine="x = 1\n")
    holes = [
        history.commit("Oops", old="import os", new="import krepro_oops, os"),
        history.commit("The bug, unseen", old=PLANTED[0], new=PLANTED[1]),
    ]
    first = history.commit("Seen (#7)", old="import krepro_oops, os", new="import os")
    history.commit("Later", later="x = 1\n")
    history.release("9.1.0")
    done = four.run("bisect", script, "--git", str(history.path), "-r", "<9.2")
    assert done.returncode == 1, done.stderr
    assert f"{first[:10]} 2026-01-" in done.stdout
    assert "(or one of 2 commits before it that say nothing)" in done.stdout
    data = four.run(
        "bisect", script, "--git", str(history.path), "-r", "<9.2", "-f", "json"
    )
    (turn,) = turns_of(data)
    assert turn["commit"] == first
    assert sorted(turn["open"]) == sorted(holes)
    # What they lack can be given to them: it is there before Keras is imported.
    wheels = tmp_path / "wheels"
    subject.make_wheel(wheels, "krepro_oops", "1.0", "")
    links = f"{four.wheels},{wheels}"
    given = Fake(four.project, four.home, links)  # type: ignore[arg-type]
    options = (
        "--git",
        str(history.path),
        "-r",
        "<9.2",
        "-f",
        "json",
        "--with",
        "krepro_oops",
    )
    (turn,) = turns_of(given.run("bisect", script, *options))
    assert turn["commit"] == holes[1]
    assert turn["open"] == []


def test_a_release_from_a_branch_of_its_own(
    four: Fake, tmp_path: Path, script: str
) -> None:
    """9.0.0 was tagged on a branch: the search begins where the branches part."""
    history = History(tmp_path / "keras")
    history.start()
    history.commit("Begin")
    history.git("switch", "--quiet", "-c", "r9.0")
    history.release("9.0.0")
    history.git("switch", "--quiet", "main")
    history.commit("Fine", fine="x = 1\n")
    bug = history.commit("The bug (#7)", old=PLANTED[0], new=PLANTED[1])
    history.commit("Later", later="x = 1\n")
    history.release("9.1.0")
    options = ["--git", str(history.path), "-r", "<9.2", "-f", "json"]
    (turn,) = turns_of(four.run("bisect", script, *options))
    assert turn["commit"] == bug

    # Where they part it is bad already, and was mended on the branch alone.
    other = History(tmp_path / "other")
    other.start()
    base = other.commit("The bug", old=PLANTED[0], new=PLANTED[1])
    other.git("switch", "--quiet", "-c", "r9.0")
    other.commit("Mended", old=PLANTED[1], new=PLANTED[0])
    other.release("9.0.0")
    other.git("switch", "--quiet", "main")
    other.release("9.1.0")
    done = four.run("bisect", script, "--git", str(other.path), "-r", "<9.2")
    assert done.returncode == 3
    assert f"the branches part at {base[:10]}, which is not like 9.0.0" in done.stdout


def test_of_a_bug_that_came_and_went_the_last_turn_is_told(
    four: Fake, tmp_path: Path, script: str
) -> None:
    history = History(tmp_path / "keras")
    history.start()
    history.release("9.0.0")
    history.commit("Fine", n0="")
    history.commit("The bug, at first", old=PLANTED[0], new=PLANTED[1])
    for n in range(3):
        history.commit(f"Still there {n}", **{f"bad{n}": ""})
    history.commit("Gone", old=PLANTED[1], new=PLANTED[0])
    for n in range(3):
        history.commit(f"Fine {n}", **{f"good{n}": ""})
    last = history.commit("The bug, for good", old=PLANTED[0], new=PLANTED[1])
    history.release("9.1.0")
    options = ["--git", str(history.path), "-r", "<9.2", "-f", "json", "-j", "2"]
    (turn,) = turns_of(four.run("bisect", script, *options))
    assert turn["commit"] == last


def test_a_missing_tag_leaves_what_the_releases_said(
    four: Fake, made: Made, script: str, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    made.history.git("clone", "--quiet", ".", str(clone))
    History(clone).git("tag", "-d", "v9.2.0")
    done = four.run("bisect", script, "--git", str(clone))
    assert done.returncode == 3
    assert "last bad 9.1.0, first fixed 9.2.0" in done.stdout
    assert made.hashes["bug"][:10] in done.stdout
    said = "has no tag v9.2.0: git fetch --tags first"
    assert said in done.stdout
    assert len([line for line in done.stderr.splitlines() if said in line]) == 1


def test_a_shallow_clone_is_refused_before_any_work(
    four: Fake, made: Made, script: str, tmp_path: Path
) -> None:
    shallow = tmp_path / "shallow"
    made.history.git("clone", "--quiet", "--depth=1", made.path.as_uri(), str(shallow))
    done = four.run("bisect", script, "--git", str(shallow))
    assert done.returncode == 2
    assert done.stderr == (
        f"krepro: --git {shallow}: is shallow: git fetch --unshallow --tags first\n"
    )
    assert not four.home.sightings.exists()


def test_what_git_says(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Clone(made.path)
    clone.check()
    assert clone.tag(Version("9.1.0")) == made.hashes["9.1.0"]
    commit = clone.commit(made.hashes["bug"][:12])
    assert (commit.hash, commit.subject) == (made.hashes["bug"], "Add up anew (#11)")
    assert commit.date.startswith("2026-01-")
    for name in ("no-such-branch", "--help", ""):
        with pytest.raises(SelectionError, match="has no commit"):
            clone.commit(name)
    # As in a hook of another repository, and with settings that print more.
    other = History(tmp_path / "other")
    other.start()
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[log]\n showSignature = true\n decorate = full\n[color]\n ui = always\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert clone.commit("v9.1.0").hash == made.hashes["9.1.0"]
    found = clone.candidates(commit, [Commit(made.hashes["9.0.0"])])
    assert [c.number for c, _ in found if c.hash == made.hashes["bug"]] == [11]
    assert {c.subject for c, _ in found} == {
        "A feature (#0)",
        "A feature (#1)",
        "A feature (#2)",
        "Begin (#10)",
        "Add up anew (#11)",
    }
    # What touches nothing of Keras is no candidate.
    found = clone.candidates(Commit(made.hashes["before"]), [Commit(made.hashes["9.1.0"])])
    assert [c.subject for c, _ in found] == ["A test (#41)"]


def test_an_export_is_the_commit_without_its_tests(four: Fake, made: Made) -> None:
    clone = Clone(made.path)
    path = clone.export(Commit(made.hashes["before"]), four.home)
    names = {p.name for p in (path / "keras").iterdir()}
    assert "__init__.py" in names
    assert not names & {"a_test.py", "new.py"}
    assert clone.export(Commit(made.hashes["before"]), four.home) == path


def test_a_turn_in_words() -> None:
    turn = CommitTurn(
        "jax", "fixed", Version("9.1"), Version("9.2"), Commit("a" * 40, "Mend")
    )
    assert str(turn) == f"fixed between 9.1 and 9.2 on jax: {'a' * 10}  Mend"
    assert Commit("b" * 40, "Mend (#12) again").number is None
