"""Targets: any script runs as it is, from a copy, with what it needs; what cannot is one line."""

from __future__ import annotations

import ast
import hashlib
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from krepro.cell.supervise import processes
from krepro.hunt import symptom
from krepro.hunt import target as targets
from krepro.hunt.prober import Place, Prober
from krepro.hunt.symptom import Sighting
from krepro.hunt.target import Target
from krepro.installer import InstallError
from krepro.matrix import Cell
from krepro.project import Project, SelectionError
from krepro.verdict import Verdict
from tests.conftest import Fake
from tests.fake import subject

Find = Callable[..., Target]


def contents(folder: Path) -> dict[str, str]:
    """What a folder holds: everything's path, mode, time and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(data).hexdigest()
        found[str(path)] = f"{status.st_mode} {status.st_mtime_ns} {digest}"
    return found


@pytest.fixture
def find(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """``target.find`` from a folder of the user's."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rooms = iter(range(100))

    def run(name: str | Path, **options: object) -> Target:
        room = tmp_path / f"room{next(rooms)}"
        room.mkdir()
        return targets.find(fake.project, str(name), room, **options)  # type: ignore[arg-type]

    return run


def kit(target: Target) -> dict[str, str]:
    assert target.script is not None
    return {
        str(path.relative_to(target.script.kit)): path.read_text()
        for path in sorted(target.script.kit.rglob("*"))
        if path.is_file()
    }


# --- what is meant, and what is copied --------------------------------------------------------


def test_an_id_a_repro_file_and_a_script(find: Find, fake: Fake) -> None:
    by_id = find("adds_wrongly")
    by_path = find(fake.project.repros_folder / "adds_wrongly.py")
    assert by_id.repro is not None
    assert by_id == by_path
    Path("adds_wrongly.py").write_text("print(1)")
    own = find("adds_wrongly.py")
    assert (own.repro, own.name) == (None, "adds_wrongly.py")
    # The id goes before a file or a folder of the same name.
    Path("adds_wrongly").mkdir()
    assert find("adds_wrongly") == by_id


def test_a_script_needs_no_suffix(find: Find) -> None:
    Path("train").write_text("print(1)")
    assert kit(find("train")) == {"train": "print(1)"}
    assert kit(find("./train")) == {"train": "print(1)"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.py", None, "missing.py: no such file"),
        ("missing", None, "no repro 'missing'"),
        (".", None, ".: is a folder: name a script in it"),
        ("a.py", b"x = (", r"a.py:1: is not valid Python: '\(' was never closed"),
        ("a.py", b"s = '\xe9'", "a.py.*: is not valid Python: .*(utf-8|decode)"),
        ("a.py", b"# coding: nonsense\n", "a.py: is not valid Python: .*nonsense"),
        ("a.py", b"\0", "a.py"),
        ("a.py", b"# /// script\n# dependencies = [\n# ///\n", "a.py: .*not valid TOML"),
        ("a.py", b"# /// script\n# dependencies = 'x'\n# ///\n", "must be a list"),
        ("a.py", b"# /// script\n# dependencies = ['!']\n# ///\n", "'!' is not a requirem"),
        (
            "a.py",
            b"def test_a(tmp_path): pass\n",
            "a.py: runs nothing by itself, and test_a",
        ),
        ("a.py", b"class TestA:\n  def test(self): pass\n", "nothing by itself, and TestA"),
    ],
)
def test_what_cannot_be_run(
    find: Find, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(SelectionError, match=message):
        find(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": [Path("no.csv")]}, "--data no.csv: no such file"),
        ({"requirements": ["!"]}, "'!' is not a requirement"),
    ],
)
def test_options_that_mean_nothing(
    find: Find, options: dict[str, object], message: str
) -> None:
    Path("a.py").write_text("")
    with pytest.raises(SelectionError, match=message):
        find("a.py", **options)


def test_a_repro_takes_no_arguments(find: Find) -> None:
    with pytest.raises(SelectionError, match="takes no arguments or data"):
        find("adds_wrongly", arguments=["--epochs", "1"])


def test_a_repro_may_need_packages_that_a_commit_of_keras_imports(find: Find) -> None:
    plain, more = find("adds_wrongly"), find("adds_wrongly", requirements=["six"])
    assert more.requirements == ("six",)
    assert more.repro == plain.repro
    assert more.digest != plain.digest


def test_a_file_that_may_not_be_read(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.py").write_text("print(1)")
    Path("secret.txt").write_text("s")
    denied = PermissionError(13, "Permission denied")
    copy = targets.copy

    def refuse(file: Path, place: Path) -> None:
        if file.name == "secret.txt":
            raise denied
        copy(file, place)

    monkeypatch.setattr(targets, "copy", refuse)
    found = find("a.py")
    assert kit(found) == {"a.py": "print(1)"}
    assert "secret.txt" in found.note
    with pytest.raises(SelectionError, match=r"--data secret\.txt: cannot be read"):
        find("a.py", data=[Path("secret.txt")])

    def read_bytes(_: Path) -> bytes:
        raise denied

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(SelectionError, match=r"a\.py: cannot be read: .*denied"):
        find("a.py")


def test_what_lies_beside_a_script_comes_along(find: Find, tmp_path: Path) -> None:
    Path("part/deep").mkdir(parents=True)
    Path("part/deep/x.csv").write_text("1")
    Path("linked.csv").symlink_to("part/deep/x.csv")
    (tmp_path / "elsewhere").mkdir()
    Path("away").symlink_to(tmp_path / "elsewhere")
    Path("dangling").symlink_to("nowhere")
    Path("again").symlink_to(".")
    for hidden in (".git", "__pycache__", "venv", "site-packages"):
        Path(hidden).mkdir()
        Path(hidden, "x").write_text("")
    Path("venv/pyvenv.cfg").write_text("")
    os.mkfifo("pipe")
    Path(".a.py").write_text("print(1)")
    Path("report.json").write_text("of the last run")
    before = contents(Path.cwd())
    found = find(".a.py", left_out=[Path("report.json")])
    assert kit(found) == {".a.py": "print(1)", "linked.csv": "1", "part/deep/x.csv": "1"}
    assert found.note == ""
    assert contents(Path.cwd()) == before


def test_a_linked_script_brings_what_lies_beside_the_real_one(
    find: Find, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "train.py").write_text("import helper")
    (real / "helper.py").write_text("")
    Path("link.py").symlink_to(real / "train.py")
    assert kit(find("link.py")) == {"helper.py": "", "train.py": "import helper"}


def test_of_a_large_folder_only_what_is_imported(
    find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "MOST_FILES", 10)
    Path("a.py").write_text("import one\nfrom pack.sub import x\n")
    Path("one.py").write_text("import two")
    Path("two.py").write_text("import a")
    Path("pack").mkdir()
    for name in ("__init__", "sub"):
        Path("pack", f"{name}.py").write_text("")
    for number in range(20):
        Path(f"z{number}.csv").write_text("")
    Path("data").mkdir()
    Path("data/x.csv").write_text("7")
    found = find("a.py", data=[Path("data/x.csv"), Path("z1.csv")])
    assert sorted(kit(found)) == [
        "a.py",
        "data/x.csv",
        "one.py",
        "pack/__init__.py",
        "pack/sub.py",
        "two.py",
        "z1.csv",
    ]
    assert "is large: only a.py and the modules it imports" in found.note


def test_data_is_where_a_script_finds_it(find: Find, tmp_path: Path) -> None:
    Path("scripts").mkdir()
    Path("scripts/a.py").write_text("")
    Path("sets/one").mkdir(parents=True)
    Path("sets/one/x.csv").write_text("1")
    Path("sets/gone").symlink_to("nowhere")
    (tmp_path / "far.csv").write_text("2")
    found = find("scripts/a.py", data=[Path("sets"), tmp_path / "far.csv"])
    assert kit(found) == {"a.py": "", "far.csv": "2", "sets/one/x.csv": "1"}


def test_the_digest_stands_for_all_that_can_change_what_is_said(find: Find) -> None:
    Path("a.py").write_text("1")
    first = find("a.py")
    os.utime("a.py", (1, 1))
    assert find("a.py").digest == first.digest
    others = [
        find("a.py", arguments=["x"]),
        find("a.py", arguments=["x", "y"]),
        find("a.py", arguments=["x y"]),
        find("a.py", requirements=["pandas"]),
    ]
    Path("b.csv").write_text("")
    others.append(find("a.py"))
    Path("b.csv").write_text("1")
    others.append(find("a.py"))
    assert len({first.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_requirements_that_the_stack_or_the_cell_supplies(find: Find) -> None:
    block = (
        "# /// script\n# dependencies = ['keras==3.6.0', 'tensorflow-cpu', 'Pandas>=2']\n"
    )
    Path("a.py").write_text(block + "# ///\nprint(1)\n")
    assert find("a.py", requirements=["tqdm", "jax"]).requirements == ("Pandas>=2", "tqdm")


def test_other_encodings(find: Find) -> None:
    Path("a.py").write_bytes(b"# -*- coding: latin-1 -*-\ns = '\xe9'\n")
    Path("b.py").write_bytes(b"\xef\xbb\xbfprint(1)\n")
    for name in ("a.py", "b.py"):
        assert find(name).script is not None


def test_tests_that_want_pytest_are_named(find: Find) -> None:
    Path("a.py").write_text(
        "import x\ndef test_a(): pass\ndef test_b(tmp_path): pass\nclass TestC: pass\n"
    )
    assert find("a.py").note == "not run, since they want pytest: test_b, TestC"
    Path("a.py").write_text("def test_b(tmp_path): pass\ntest_b(1)\n")
    assert find("a.py").note == ""


# --- how a script runs ------------------------------------------------------------------------


class Lab:
    """Runs scripts on fake releases, in one warm process, and remembers nothing."""

    def __init__(self, fake: Fake, folder: Path) -> None:
        self.engine = fake.engine(jobs=1)
        self.project: Project = fake.project
        self.folder = folder
        self.count = 0

    def prober(self, source: str | bytes, **options: object) -> Prober:
        self.count += 1
        place = self.folder / str(self.count)
        (place / "user").mkdir(parents=True)
        (place / "room").mkdir()
        script = place / "user" / "a.py"
        data = source if isinstance(source, bytes) else textwrap.dedent(source).encode()
        script.write_bytes(data)
        (place / "user" / "beside.txt").write_text("as it was")
        target = targets.find(self.project, str(script), place / "room", **options)  # type: ignore[arg-type]
        return Prober(self.engine, target, self.folder, timeout_s=1.0)

    def see(
        self, source: str | bytes, release: str = "9.0.0", **options: object
    ) -> Sighting:
        prober = self.prober(source, **options)
        user = self.folder / str(self.count) / "user"
        before = contents(user)
        found = prober.look(Place(Cell("fake", release)))
        assert contents(user) == before, "the user's files changed"
        return found


@pytest.fixture(scope="module")
def lab(fake_session: Fake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    project = Project(subject.make_project(folder / "project", list(subject.RELEASES)))
    path = project.folder / "matrix.toml"
    path.write_text(
        path.read_text().replace("import_timeout_s = 20", "import_timeout_s = 1")
    )
    fake = Fake(project, fake_session.home, fake_session.wheels).with_home(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KREPRO_HOME", "UV_FIND_LINKS"):
            patch.setenv(name, fake.variables()[name])
        made = Lab(fake, folder)
        with made.engine.room():
            yield made


@pytest.mark.parametrize(
    ("source", "summary", "output"),
    [
        ("print('hi')", "ends well", "hi"),
        ("import sys; sys.exit()", "exits with 0", ""),
        ("import sys; sys.exit(3)", "exits with 3", ""),
        ("import sys; sys.exit(-1)", "exits with 255", ""),
        ("import sys; sys.exit('a text')", "exits with 1", "a text"),
        ("import os; print(1, flush=True); os._exit(3)", "exits with 3", "1"),
        ("import os; os._exit(0)", "exits with 0", ""),
        ("import os; os.abort()", "untestable:crash killed by signal 6", ""),
        ("import os; os.kill(os.getpid(), 9)", "untestable:crash killed by signal 9", ""),
        (
            "import os; os.kill(os.getppid(), 9)",
            "untestable:crash the cell itself died",
            "",
        ),
        (
            "x = b'x' * (700 << 20)\nimport time; time.sleep(9)",
            "untestable:oom passed 600 MiB",
            "",
        ),
        ("while True: pass", "untestable:timeout no end after", ""),
        ("raise ValueError('odd')", "ValueError: odd", "Traceback"),
        ("raise ValueError('\\udc80')", "ValueError: \\udc80", "Traceback"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("input()", "EOFError: EOF when reading a line", ""),
        ("import sys; print(sys.stdin.read() == '')", "ends well", "True"),
        ("import no_such", "ModuleNotFoundError: No module named 'no_such'", ""),
        ("raise OSError(28, 'full')", "untestable:no-space [Errno 28] full", ""),
        ("import unittest; raise unittest.SkipTest('no')", "not-applicable no", ""),
        ("import pytest; pytest.skip('no')", "not-applicable no", ""),
        ("import sys; sys.stdout.close(); sys.stderr.close()", "ends well", ""),
        ("import os; os.close(1); os.close(2)", "ends well", ""),
        ("import sys; sys.stderr = None; sys.exit('x')", "exits with 1", ""),
        ("import os; os.chdir('/'); assert 1 == 2, 'said'", "AssertionError: said", ""),
        ("import shutil, os; shutil.rmtree(os.getcwd()); assert 0", "AssertionError", ""),
        (
            b"# coding: latin-1\nprint(len('\xe9'))\nassert '\xe9' == 1",
            "AssertionError",
            "1",
        ),
        ("def test_a(): raise ValueError('a')\ndef test_b(x): pass", "ValueError: a", ""),
        ("def test_a(): raise ValueError('a')\nprint(2)", "ends well", "2"),
    ],
)
def test_how_a_script_ends(
    lab: Lab, source: str | bytes, summary: str, output: str
) -> None:
    found = lab.see(source)
    assert found.summary.startswith(summary), found
    assert output in found.output


def test_a_failure_says_where_and_what(lab: Lab) -> None:
    source = """
        import os
        import keras
        os.chdir("/")

        def check(total):
            assert (
                total == 3
            ), "a sum"

        check(keras.add(1, 2))
    """
    failure = lab.see(source, "9.1.0").failure
    assert failure is not None
    assert failure.assertion
    where = failure.where
    assert (where.file, where.function) == ("a.py", "check")
    assert "total == 3" in where.statement
    assert failure.observed == {"total": "4"}
    inside = lab.see("import keras\nkeras.checked(1)", "9.1.0").failure
    assert inside is not None
    assert not inside.assertion
    assert inside.where.statement == "keras.checked(1)"
    assert inside.keras == ("__init__.py: checked",)


def test_a_long_message_is_kept_whole(lab: Lab) -> None:
    found = lab.see("raise ValueError('begins ' + 'x ' * 900 + 'ends')")
    for pattern in ("^ValueError: begins", "ends$"):
        assert symptom.parse(f"exception:{pattern}").seen_in(found)
    assert found.failure is not None
    assert len(found.failure.message) < 400


def test_a_script_sees_itself_and_what_lies_beside_it(lab: Lab) -> None:
    source = """
        import os, pathlib, sys
        here = pathlib.Path(__file__)
        assert here.read_text().splitlines()[1] == "import os, pathlib, sys"
        assert pathlib.Path(sys.argv[0]) == here and __name__ == "__main__"
        assert sys.argv[1:] == ["--epochs", "a b"]
        assert pathlib.Path.cwd() == here.parent and sys.path[0] == str(here.parent)
        for folder in (here.parent, pathlib.Path.cwd()):
            assert (folder / "beside.txt").read_text() == "as it was"
            (folder / "beside.txt").write_text("changed")
            (folder / "beside.txt").write_text("as it was")
            (folder / "beside.txt").chmod(0o600)
            (folder / "new.txt").write_text("new")
        assert not (here.parent / "gone.txt").exists()
        (here.parent / "gone.txt").write_text("of another run")
        here.unlink()
    """
    found = lab.see(source, arguments=["--epochs", "a b"])
    assert found.ended_well, found
    # What one run writes, or takes away, the next does not see.
    prober = lab.prober(source, arguments=["--epochs", "a b"])
    for release in ("9.0.0", "9.0.0", "9.1.0"):
        found = prober.look(Place(Cell("fake", release)))
        assert found.ended_well, found


def test_processes_that_outlive_a_script_are_ended(lab: Lab) -> None:
    source = """
        import subprocess, sys
        mark = "krepro-outlives-" + sys.argv[1]
        code = "import time, os; os.setsid(); time.sleep(60)"
        subprocess.Popen([sys.executable, "-c", code, mark], start_new_session=True)
        print("started")
    """
    started = time.monotonic()
    mark = str(os.getpid())
    found = lab.see(source, arguments=[mark])
    assert found.ended_well
    assert time.monotonic() - started < 30
    commands = [Path(f"/proc/{pid}/cmdline") for pid, _ in processes()]
    left = [
        c for c in commands if c.exists() and f"outlives-{mark}".encode() in c.read_bytes()
    ]
    assert not left


def test_a_gigabyte_of_output_is_cut_and_its_ends_are_kept(lab: Lab) -> None:
    source = """
        import os
        os.write(1, b"at first")
        block = b"." * (1 << 20)
        for _ in range(1024):
            os.write(1, block)
        os.write(1, b"at last")
    """
    prober = lab.prober(source)
    prober.timeout_s = 30
    found = prober.look(Place(Cell("fake", "9.0.0")))
    assert found.ended_well, found.summary
    assert len(found.output) < 1_200_000
    for text in ("at first", "at last", "bytes left out"):
        assert text in found.output


# --- packages that the stack lacks ------------------------------------------------------------


def test_a_package_that_the_stack_lacks(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "krepro_tiny_for_tests"
    # It would bring another torch, and a Keras, if it could.
    wheel = subject.make_wheel(tmp_path, name, "1.5", "value = 7", ["torch", "keras"])
    assert wheel.exists()
    links = f"{os.environ['UV_FIND_LINKS']},{tmp_path}"
    monkeypatch.setenv("UV_FIND_LINKS", links)
    source = f"""
        import {name}, torch, keras
        print(sorted([{name}.value, torch.__version__, keras.__version__], key=str))
    """
    for release in ("9.0.0", "9.1.0"):
        found = lab.see(source, release, requirements=[f"{name}>=1"])
        assert f"[7, '9{release[1:]}', '99.0']" in found.output, found
    # The folder is shared with other tests.
    folders = lab.engine.home.overlays.glob("with-*")
    (made,) = (folder for folder in folders if (folder / name).is_dir())
    assert not [path for path in made.iterdir() if path.name in ("torch", "keras")]
    again = lab.prober(source, requirements=[f"{name}>=1"])
    monkeypatch.setenv("UV_FIND_LINKS", "")
    assert again.look(Place(Cell("fake", "9.2.0"))).ended_well
    without = lab.see(source).failure
    assert without is not None
    assert without.missing_module == name


def test_a_package_that_is_nowhere_is_asked_for_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = lab.prober("print(1)", requirements=["krepro-no-such-package-at-all"])
    asked = []

    def run_uv(*arguments: str, **_: object) -> str:
        asked.append(arguments)
        raise InstallError(Verdict.INSTALL, "not found in the registry")

    monkeypatch.setattr(targets.installer, "run_uv", run_uv)
    with pytest.raises(InstallError, match="not found in the registry"):
        prober.prepare(Cell("fake", "9.0.0"))
    found = prober.look(Place(Cell("fake", "9.1.0")))
    assert (found.verdict, found.message) == (
        "untestable:install",
        "not found in the registry",
    )
    assert len(asked) == 1
    assert not prober.known(Place(Cell("fake", "9.1.0")))


# --- what is remembered -----------------------------------------------------------------------


def test_what_was_seen_is_kept_and_counted(lab: Lab) -> None:
    prober = lab.prober("import keras; assert keras.add(1, 1) == 2")
    place = Place(Cell("fake", "9.1.0"))
    (first,) = prober.see(place)
    assert first.cost_s >= first.seconds > 0
    assert prober.see(place) == [first]
    assert prober.runs == 1
    assert len(prober.see(place, again=True)) == 2
    assert len(prober.see(place, repeat=5)) == 5
    assert prober.runs == 5
    assert len(prober.see(place)) == 5


def test_what_hung_under_another_limit_is_run_again(lab: Lab) -> None:
    prober = lab.prober("import time; time.sleep(1.3)")
    place = Place(Cell("fake", "9.0.0"))
    assert prober.see(place)[0].verdict == "untestable:timeout"
    prober.timeout_s = 20.0
    assert prober.see(place)[0].ended_well


def test_what_the_surroundings_did_is_not_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = lab.prober("print('not kept')")
    place = Place(Cell("fake", "9.0.0"))
    fine = prober.see(place)
    runs = []

    def run(_: Place) -> Sighting:
        runs.append(1)
        return symptom.untestable(Verdict.NETWORK, "out of reach")

    with monkeypatch.context() as patch:
        patch.setattr(prober, "_run", run)
        other = Place(Cell("fake", "9.1.0"))
        assert [s.verdict for s in prober.see(other, repeat=5)] == ["untestable:network"]
        assert prober.known(other) == []
        # Of runs that vote, those that were not possible have no vote.
        assert prober.see(place, repeat=5) == fine
    assert len(runs) == 2
    assert prober.known(place) == fine


def test_a_file_cut_short_is_run_again(lab: Lab) -> None:
    prober = lab.prober("print('cut short')")
    place = Place(Cell("fake", "9.0.0"))
    prober.see(place)
    prober._path(place).write_bytes(prober._path(place).read_bytes()[:20])
    assert prober.see(place)[0].ended_well
    assert prober.runs == 2


def test_sources_are_sorted_as_they_run() -> None:
    """What is said to run and what runs is the same."""
    from krepro.cell.script import sort_tests

    tree = ast.parse("x = 1\ndef test_a(): ...\nasync def test_b(): ...\n")
    assert sort_tests(tree) == ([], [])
    tree = ast.parse("'''doc'''\nimport x\ndef test_a(): ...\ndef test_b(*, y): ...\n")
    assert sort_tests(tree) == (["test_a"], ["test_b"])
