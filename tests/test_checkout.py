"""A local checkout of Keras is a cell like any other, and never mixed with a release."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from packaging.version import Version

from krepro import checkout
from krepro.cell.identity import is_asked
from krepro.engine import Engine
from krepro.matrix import Cell
from krepro.project import SelectionError
from krepro.verdict import Verdict
from tests.conftest import Fake
from tests.fake import subject

NAMES = ["adds_wrongly", "crashes_in_update", "lacks_multiply"]


def tree(folder: Path, like: str = "9.3.0", version: str = "9.4.0") -> Path:
    """Write a checkout that behaves like a release, and says it is another version."""
    package = folder / "keras"
    (package / "src").mkdir(parents=True, exist_ok=True)
    source = subject.KERAS.replace("__version__ =", "behaves_like =").format(version=like)
    (package / "__init__.py").write_text(
        f"{source}\nfrom keras.src.version import __version__\n"
    )
    (package / "src" / "__init__.py").write_text("")
    (package / "src" / "version.py").write_text(f'__version__ = "{version}"\n')
    return folder


def named(folder: Path) -> Version:
    return checkout.read(folder).release


def test_it_goes_by_its_version_and_its_content(tmp_path: Path) -> None:
    first = named(tree(tmp_path / "a"))
    assert first.public == "9.4.0"
    assert str(first.local).startswith("local.")
    assert named(tree(tmp_path / "b")) == first, "the folder is not part of the content"
    assert named(tmp_path / "a" / "keras") == first, "the package folder will do"
    source = tmp_path / "a" / "keras" / "src"
    (source / "__pycache__").mkdir()
    for name in ("__pycache__/x.cpython-311.pyc", "layers_test.py", ".editor.swp"):
        (source / name).write_text("leaves no trace")
    assert named(tmp_path / "a") == first


@pytest.mark.parametrize(
    "edit",
    [
        lambda package: (package / "src" / "new.py").write_text(""),
        lambda package: (package / "src" / "__init__.py").write_text("\n"),
        lambda package: (package / "src" / "__init__.py").rename(package / "src/init.py"),
        lambda package: (package / "data.json").write_bytes(b"\xff"),
    ],
    ids=["added", "edited", "renamed", "data"],
)
def test_other_content_is_another_name(
    tmp_path: Path, edit: Callable[[Path], object]
) -> None:
    before = named(tree(tmp_path))
    edit(tmp_path / "keras")
    assert named(tmp_path) != before


def write_version(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "keras/src/version.py").write_text(text)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "keras").rename(folder / "k"), "is no checkout of Keras"),
        (write_version(""), "says no version"),
        (write_version("__version__ = 'latest'"), "'latest', which is no PEP 440 version"),
        (write_version("__version__ = '2.15.0'"), "is Keras 2.15.0; expected Keras 3"),
    ],
    ids=["no package", "no version", "odd version", "keras 2"],
)
def test_what_is_no_checkout_is_bad_input(
    fake: Fake, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(tree(tmp_path / "tree"))
    done = fake.run("matrix", "--subject", str(tmp_path / "tree"))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subject", "/no/such/folder"], "no such folder, and no known release either"),
        (["--subject", "matrix.toml"], "is a file: unpack it first"),
        (["--subject", "9.0.0"], "no known release is below Keras 9.0.0"),
        (["--subject", "9.1.0", "--against", ">=9"], "means 8 releases: name one"),
        (["--against", "9.1.0"], "give --subject"),
    ],
)
def test_options_that_mean_nothing(fake: Fake, arguments: list[str], message: str) -> None:
    done = fake.run("matrix", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_source_tree_of_before_3_3_is_told_apart(tmp_path: Path) -> None:
    """It has no public names; what a repro said there would be of its own making."""
    package = tmp_path / "keras"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "version.py").write_text('__version__ = "3.2.1"\n')
    with pytest.raises(SelectionError, match=r"before 3\.3.*unpacked wheel"):
        checkout.read(tmp_path)


def test_a_clone_says_its_commit_and_a_folder_in_another_one_none(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        settings = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        subprocess.run(["git", *settings, *arguments], cwd=tmp_path / "tree", check=True)

    tree(tmp_path / "tree")
    tree(tmp_path / "tree" / "inner")
    git("init", "--quiet")
    assert checkout.read(tmp_path / "tree").commit is None
    git("add", ".")
    git("commit", "--quiet", "--message", "all of it")
    found = checkout.read(tmp_path / "tree")
    assert found.commit is not None
    assert found.commit.short in found.place
    assert checkout.read(tmp_path / "tree" / "inner").commit is None


@pytest.mark.parametrize(
    ("said", "asked", "same"),
    [
        ("3.16.0", "3.16.0+local.ab12cd34ef56", True),
        ("3.16.0-dev0", "3.16.0.dev0+local.ab12cd34ef56", True),
        ("3.15.1", "3.16.0+local.ab12cd34ef56", False),
        ("unknown", "3.16.0+local.ab12cd34ef56", False),
        ("3.16.0", "3.16.0", True),
        ("3.16.0+local.ab12cd34ef56", "3.16.0", False),
    ],
)
def test_what_a_cell_asserts(said: str, asked: str, same: bool) -> None:
    assert is_asked(said, asked) is same


def compared(fake: Fake, *arguments: str, form: str = "json") -> tuple[int, str]:
    done = fake.run("matrix", *NAMES, *arguments, "-f", form)
    return done.returncode, done.stdout


def changes(output: str) -> dict[str, str]:
    found = json.loads(output)["comparison"]["changes"]
    return {c["repro"]: c["change"] for c in found if not c["workaround"]}


def test_new_bugs_fail_and_mended_ones_are_told(fake: Fake, tmp_path: Path) -> None:
    path = str(tree(tmp_path / "tree", like="9.1.0"))
    code, said = compared(fake, "--subject", path)
    assert json.loads(said)["comparison"]["old"] == "9.3.0"
    assert code == json.loads(said)["exit_code"] == 1
    assert changes(said) == {
        "adds_wrongly": "gained",
        "crashes_in_update": "gained",
        "lacks_multiply": "changed",
    }
    code, said = compared(fake, "--subject", path, "--against", "9.2.0")
    assert code == 1
    assert changes(said)["crashes_in_update"] == "kept"

    tree(tmp_path / "tree", like="9.3.0")
    code, said = compared(fake, "--subject", path, "--against", "9.1.0")
    assert code == 0
    assert changes(said) == {
        "adds_wrongly": "lost",
        "crashes_in_update": "lost",
        "lacks_multiply": "changed",
    }
    other = str(tree(tmp_path / "other", like="9.2.0"))
    code, said = compared(fake, "--subject", other, "--against", path)
    assert code == 1
    assert changes(said) == {"crashes_in_update": "gained"}


def test_results_are_of_that_tree_and_of_nothing_else(fake: Fake, tmp_path: Path) -> None:
    """The tree says it is 9.3.0, which is known, good, and measured beside it."""
    path = tree(tmp_path / "tree", like="9.1.0", version="9.3.0")
    assert compared(fake, "--subject", str(path))[0] == 1
    name = str(named(path))
    stored = {p.stem: json.loads(p.read_text()) for p in fake.home.results.rglob("*.json")}
    assert set(stored) == {"9.3.0", name}
    verdicts = {r: d["repros"]["adds_wrongly"]["verdict"] for r, d in stored.items()}
    assert verdicts == {"9.3.0": "unaffected", name: "affected"}
    identity = stored[name]["identity"]
    assert identity["keras"] == "9.3.0"
    overlay = fake.home.overlays / f"keras-{name}"
    assert Path(identity["keras_file"]).resolve().is_relative_to(overlay.resolve())
    shown = fake.run("show", *NAMES, "--subject", str(path))
    assert shown.returncode == 1
    assert f"Keras {name} against 9.3.0: {path}" in shown.stdout


def test_a_tree_edited_while_it_is_measured(fake: Fake, tmp_path: Path) -> None:
    path = tree(tmp_path / "tree", like="9.1.0")
    found = checkout.read(path)
    tree(path, like="9.3.0")
    found.keep(fake.home)
    tree(path, like="9.2.0")
    engine: Engine = fake.engine()
    cell = Cell("fake", str(found.release))
    (repro,) = fake.project.repros(["adds_wrongly"])
    engine.run(engine.plan([cell], [repro]))
    known = engine.known(cell)
    assert known is not None
    assert known.repros[repro.id].verdict is Verdict.AFFECTED
    assert named(path) != found.release


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ImportError('planted')", "planted"),
        ("__version__ = '9.4.1'", "asked for keras 9.4.0+local."),
    ],
    ids=["raises", "says another version"],
)
def test_a_tree_that_does_not_import_is_untestable(
    fake: Fake, tmp_path: Path, source: str, message: str
) -> None:
    path = tree(tmp_path / "tree")
    with (path / "keras" / "__init__.py").open("a") as file:
        file.write(source)
    code, said = compared(fake, "--subject", str(path))
    assert code == 3
    assert set(changes(said).values()) == {"unknown"}
    messages = {c["message"] for c in json.loads(said)["comparison"]["changes"]}
    assert all(message in each for each in messages), messages


def test_every_format_tells_it(fake: Fake, tmp_path: Path) -> None:
    path = str(tree(tmp_path / "tree", like="9.1.0"))

    def said(form: str, against: str = "9.2.0") -> str:
        code, output = compared(fake, "--subject", path, "--against", against, form=form)
        assert code == 1, "the same for every format"
        return output

    text = said("text")
    assert "  adds_wrongly [torch] unaffected → affected: AssertionError" in text
    assert "  [torch] crashes_in_update" in text
    assert "differs:" not in text, "nothing is declared of a checkout"
    markdown = said("markdown")
    assert (
        "### Gained\n\n- `adds_wrongly` on torch: unaffected → affected. a title"
        in markdown
    )
    assert "| gained | 1 | affected, and was not |" in markdown
    commands = said("github").splitlines()
    assert commands[0].startswith(
        "::error title=gained against 9.2.0::adds_wrongly [torch]"
    )
    assert sum(line.startswith("::error") for line in commands) == 2, "one of a workaround"
    (suite,) = ET.fromstring(said("junit"))
    assert [suite.get(n) for n in ("tests", "failures", "errors")] == ["3", "1", "0"]
    (failed,) = suite.findall("testcase[failure]")
    assert failed.get("name") == "adds_wrongly"


def test_snapshots_are_a_cache_and_results_are_none(fake: Fake, tmp_path: Path) -> None:
    own = Fake(fake.project, type(fake.home)(tmp_path / "own"), fake.wheels)
    path = tree(tmp_path / "tree", like="9.1.0")
    assert compared(own, "--subject", str(path))[0] == 1
    assert "1 snapshots" in own.run("doctor").stdout
    assert own.run("prune", "--max-size", "0").returncode == 0
    assert not list(own.home.overlays.glob("keras-*"))
    name = str(named(path))
    assert own.run("show", "adds_wrongly", "-r", name).returncode == 0
    gone = own.run("matrix", "adds_wrongly", "-r", name, "--rerun")
    assert gone.returncode == 0, "a fact is not taken back"
    lost = own.run("matrix", "exits", "-r", name)
    assert lost.returncode == 3
    assert "checkout whose snapshot is gone: name its folder" in " ".join(
        lost.stdout.split()
    )
    assert own.run("matrix", "adds_wrongly", "--subject", str(path)).returncode == 1
    assert list(own.home.overlays.glob(f"keras-{name}"))


def test_a_pre_release_is_meant_by_its_name(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    bad = subject.KERAS.format(version="9.1.0")
    for package, version in (("keras", "9.4.0rc0"), ("keras_nightly", "9.4.0.dev20260101")):
        source = f"{bad}\n__version__ = {version!r}\n"
        subject.make_wheel(wheels, package, version, source, module="keras")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    # The overlays are shared with other tests, which have no such release.
    own = Fake(fake.project, fake.with_home(tmp_path / "own").home, wheels)
    for version in ("9.4.0rc0", "9.4.0.dev20260101"):
        done = own.run("matrix", "adds_wrongly", "-r", version, "-f", "json")
        (result,) = json.loads(done.stdout)["results"]
        assert (result["release"], result["verdict"]) == (version, "affected"), result
    done = own.run("matrix", *NAMES, "--subject", "9.4.0rc0", "-f", "json")
    assert done.returncode == 1
    assert changes(done.stdout)["adds_wrongly"] == "gained"
    absent = own.run("matrix", "adds_wrongly", "-r", "9.4.0rc1", "-f", "json")
    assert absent.returncode == 3
    (result,) = json.loads(absent.stdout)["results"]
    assert result["verdict"] == "untestable:install"
