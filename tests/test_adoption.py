"""A new release is taken into the project by one command: whole, or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.version import Version

from krepro import adoption, published, timing
from krepro.adoption import Adoption
from krepro.matrix import Release
from krepro.project import Project, SelectionError
from tests.conftest import ROOT, Fake
from tests.fake import subject

MATRIX = (ROOT / "matrix.toml").read_text(encoding="utf-8")
KEPT = ("adds_wrongly", "crashes_in_update", "lacks_multiply")
TF_STACK = subject.LOST_STACK.replace("0.0.99", "99.0").replace('"lost"', '"fake-tf"')
# What the new release behaves like.
BAD, GOOD = "9.1.0", "9.3.0"


def without(text: str, version: str) -> str:
    """Return a matrix without a release."""
    entry = rf'\n?\[\[release\]\]\nversion = "{re.escape(version)}"\n(?:[^\[\n].*\n)*'
    found, count = re.subn(entry, "", text)
    assert count == 1
    return found


@pytest.mark.parametrize("version", ["3.0.0", "3.12.4", "3.14.1", "3.15.1"])
def test_a_release_is_put_at_its_place_and_nothing_else_changes(version: str) -> None:
    listed = {r.version: r for r in Project(ROOT).matrix.release}
    cut = without(MATRIX, version)
    # Requirements of its own are for a person to add.
    lines = [line for line in MATRIX.splitlines() if "dm-tree" not in line]
    made = adoption.with_releases(cut, [listed[version]]).splitlines()
    assert [line for line in made if "dm-tree" not in line] == lines


def test_a_release_is_put_before_what_follows_the_releases() -> None:
    more = '\n[[exclude]]\nstack = "jax-0.4"\nreleases = "==3.0.0"\nreason = "a test"\n'
    new = Release("3.16.0", ">=3.11", dt.date(2026, 9, 1))
    entry = '\n[[release]]\nversion = "3.16.0"\nuploaded = 2026-09-01\npython = ">=3.11"\n'
    assert adoption.with_releases(MATRIX + more, [new]) == MATRIX + entry + more


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("3.99.0", "not on the package index, or is yanked: the newest there is 3.16.0"),
        ("newest", "'newest' is no version"),
        ("3.16.0rc0", "krepro matrix -r 3.16.0rc0"),
        ("3.16.0.dev20260101", "is no final release"),
    ],
)
def test_what_cannot_be_adopted(version: str, message: str) -> None:
    offered = [Release("3.15.1", ""), Release("3.16.0", "")]
    with pytest.raises(SelectionError, match=re.escape(message)):
        adoption.wanted(version, [Version("3.15.1")], offered)


def test_what_a_release_requires_and_a_stack_lacks(tmp_path: Path) -> None:
    info = tmp_path / "keras-9.4.0.dist-info"
    info.mkdir()
    requires = (
        "numpy",
        "absl-py>=2",
        "Ml_Dtypes",
        "new-thing>=1",
        "old-python; python_version < '3.11'",
        "cloud; extra == 'gcs'",
    )
    text = "".join(f"Requires-Dist: {each}\n" for each in requires)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: keras\nVersion: 9.4.0\n{text}"
    )
    pins = {"numpy": "1.26.4", "absl-py": "1.4.0", "ml-dtypes": "0.5.0"}
    assert adoption.lacking(tmp_path, pins, "3.11") == ["absl-py>=2", "new-thing>=1"]
    assert "old-python" in " ".join(adoption.lacking(tmp_path, pins, "3.10"))


def test_what_cannot_be_written_whole_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old")
    real = adoption.write_atomically

    def failing(path: Path, data: bytes) -> None:
        if path.name == "c":
            raise OSError("no space left on device")
        real(path, data)

    monkeypatch.setattr(adoption, "write_atomically", failing)
    files = {Path("a"): b"new", Path("b"): b"new", Path("c"): b"new"}
    with pytest.raises(OSError, match="no space"):
        adoption.write(Project(tmp_path), Adoption((), {}, files, ()))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old"}


@dataclass
class Index:
    """A package index on loopback: it has what wheels are in its folder, of any version."""

    url: str
    wheels: Path

    def add(self, version: str, like: str, **more: object) -> None:
        """Offer a release that behaves like another."""
        behaves = subject.KERAS.replace("__version__ =", "behaves_like =").format(
            version=like
        )
        source = f"{more.pop('before', '')}\n{behaves}\n__version__ = {version!r}\n"
        subject.make_wheel(self.wheels, "keras", version, source, **more)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index that answers in JSON (PEP 691), empty to begin with."""
    wheels = tmp_path / "index"
    wheels.mkdir()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rstrip("/").rpartition("/")[2]
            file = wheels / name
            found = sorted(wheels.glob(f"{name.replace('-', '_')}-*.whl"))
            if file.is_file():
                self.answer(file.read_bytes(), "application/octet-stream")
            elif found:
                listed = [
                    {
                        "filename": path.name,
                        "url": f"/files/{path.name}",
                        "hashes": {},
                        "requires-python": ">=3.9",
                        "upload-time": "2026-02-03T04:05:06Z",
                    }
                    for path in found
                ]
                content = {"meta": {"api-version": "1.1"}, "name": name, "files": listed}
                kind = "application/vnd.pypi.simple.v1+json"
                self.answer(json.dumps(content).encode(), kind)
            else:
                self.send_error(404)

        def answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    yield Index(f"http://127.0.0.1:{server.server_port}/simple", wheels)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def settled(fake_session: Fake, tmp_path_factory: pytest.TempPathFactory) -> Fake:
    """A fake project on three backends, its four releases measured and published."""
    folder = tmp_path_factory.mktemp("settled")
    wheels = folder / "wheels"
    shutil.copytree(fake_session.wheels, wheels)
    subject.make_wheel(wheels, "tensorflow", "99.0", "__version__ = '99.0'\n")
    stacks = [subject.JAX_STACK, TF_STACK]
    path = subject.make_project(folder / "project", list(subject.RELEASES), stacks)
    for repro in (path / "repros").glob("*.py"):
        if repro.stem not in KEPT:
            repro.unlink()
    (path / "README.md").write_text(f"A table:\n{published.BEGIN}{published.END}The end.\n")
    made = Fake(Project(path), fake_session.home, wheels).with_home(folder / "home")
    publish_all(made)
    return made


def publish_all(fake: Fake) -> None:
    """Measure everything and publish it, the long way."""
    done = fake.run("matrix", "--tier", "all")
    assert done.returncode in (0, 1), done.stderr
    assert fake.run("update-expectations").returncode == 0
    done = fake.run("publish")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def own(
    settled: Fake, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Fake:
    """A copy of the settled project whose index is on loopback, and nothing measured."""
    project = Project(shutil.copytree(settled.project.folder, tmp_path / "project"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_NO_CACHE", "1")
    for name in ("UV_INDEX", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    copy = replace(settled, project=project).with_home(tmp_path / "home")
    # Releases of one name differ between these tests.
    (copy.home.path / "overlays").unlink()
    return copy


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_new_release_is_measured_compared_and_written(
    own: Fake, index: Index, tmp_path: Path
) -> None:
    index.add("9.3.0", GOOD)
    index.add("9.4.0", BAD)
    index.add("9.4.0rc1", BAD)
    before = content(own.project.folder)
    output = tmp_path / "issue.md"
    dry = own.run("adopt", "--dry-run", "-o", str(output))
    assert dry.returncode == 1, dry.stdout + dry.stderr
    assert content(own.project.folder) == before
    assert "would write matrix.toml" in dry.stdout
    assert "  adds_wrongly [torch jax tensorflow] unaffected → affected" in dry.stdout
    entry = "* Keras 9.4.0 (2026-02-03), 9 verdicts, against 9.3.0: gained `adds_wrongly`"
    assert entry in dry.stdout
    markdown = output.read_text()
    assert markdown.startswith("## Keras 9.4.0 against 9.3.0\n")
    assert entry in markdown

    done = own.run("adopt")
    assert done.returncode == 1, done.stderr
    assert "verdicts to measure" not in done.stderr, "the dry run measured it"
    assert "wrote matrix.toml" in done.stdout
    assert "left to do" not in done.stdout
    assert published.check(Project(own.project.folder)) == []
    repro = (own.project.repros_folder / "lacks_multiply.py").read_text()
    assert '# applies = ">=9.2.0,<9.4.0"' in repro
    again = own.run("adopt")
    assert (again.returncode, again.stdout) == (0, "")
    assert "knows every release" in again.stderr

    # The long way leads to the same files, byte for byte.
    long_way = replace(own, project=Project(tmp_path / "long"))
    shutil.copytree(own.project.folder, long_way.project.folder)
    for name, data in before.items():
        if not name.startswith("matrix"):
            (long_way.project.folder / name).write_bytes(data)
    publish_all(long_way)
    ours, theirs = content(own.project.folder), content(long_way.project.folder)
    # Times differ from run to run; one release more does not change them.
    assert ours.pop(timing.FILE) == before[timing.FILE]
    assert theirs.pop(timing.FILE)
    assert theirs == ours


def test_who_adds_a_repro_measures_and_publishes_that_one(
    settled: Fake, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(settled.project.folder, tmp_path / "project"))
    fake = replace(settled, project=project).with_home(tmp_path / "home")
    before = published.to_report(project)
    repros = project.repros_folder
    shutil.copy(repros / "adds_wrongly.py", repros / "adds_wrongly_again.py")
    fake.run("matrix", "adds_wrongly_again", "--tier", "all")
    done = fake.run("publish")
    assert done.returncode == 0, done.stdout + done.stderr
    after = published.to_report(Project(project.folder))
    for cell in before.cells:
        found = dict(after.found[cell])
        again = found.pop("adds_wrongly_again")
        assert again.verdict is found["adds_wrongly"].verdict
        assert found == before.found[cell]

    # What is published of another version of a file is not taken for it.
    kept = content(project.folder / "results")
    with (repros / "adds_wrongly.py").open("a", encoding="utf-8") as file:
        file.write("\n# Another version.\n")
    done = fake.run("publish")
    assert done.returncode == 1
    assert "another version of the file" in done.stderr
    assert content(project.folder / "results") == kept


def test_a_release_like_the_last_one_changes_no_range(own: Fake, index: Index) -> None:
    index.add("9.4.0", GOOD)
    repro = own.project.repros_folder / "lacks_multiply.py"
    text = repro.read_text()
    # The same in other words, which are whoever's wrote them.
    repro.write_text(text.replace("affected = []", "affected = {jax = []}"))
    before = content(own.project.repros_folder)
    assert before[repro.name] != text.encode()
    done = own.run("adopt", "9.4.0")
    assert done.returncode == 0, done.stdout
    assert "against 9.3.0: nothing changed." in done.stdout
    assert content(own.project.repros_folder) == before


def like_the_last(index: Index) -> None:
    index.add("9.4.0", GOOD)


def broken_import(index: Index) -> None:
    index.add("9.4.0", GOOD, before="raise RuntimeError('planted')")


def more_required(index: Index) -> None:
    index.add("9.4.0", GOOD, requires=["new-thing>=1"])


@pytest.mark.parametrize(
    ("offer", "arguments", "expected"),
    [
        (broken_import, [], (3, "9 verdicts are not known: nothing is written")),
        (more_required, [], (3, "requires new-thing>=1, and the lock of fake lacks it")),
        (like_the_last, ["9.9.0"], (2, "not on the package index")),
        (like_the_last, ["9.4.0rc1"], (2, "is no final release")),
        (lambda _: None, [], (3, "the package index cannot be reached")),
        (lambda _: None, ["9.3.0"], (0, "")),
    ],
    ids=["no import", "requires more", "absent", "pre-release", "no index", "known"],
)
def test_what_goes_wrong_writes_nothing(
    own: Fake,
    index: Index,
    offer: Callable[[Index], None],
    arguments: list[str],
    expected: tuple[int, str],
) -> None:
    code, message = expected
    offer(index)
    before = content(own.project.folder)
    done = own.run("adopt", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert content(own.project.folder) == before


def test_what_does_not_hold_together_is_mended_first(own: Fake, index: Index) -> None:
    index.add("9.4.0", GOOD)
    (own.project.folder / "results" / "fake.json").unlink()
    done = own.run("adopt")
    assert done.returncode == 2
    assert "results/fake.json: is not there" in done.stderr


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    own: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs this may be root, to whom nothing is forbidden."""
    monkeypatch.setattr(adoption.os, "access", lambda path, _: "repros" not in str(path))
    with pytest.raises(SelectionError, match=r"repros: cannot be written to.*--dry-run"):
        adoption.check_writable(own.project)


def test_a_stopped_adoption_goes_on(own: Fake, index: Index) -> None:
    index.add("9.4.0", BAD, before="import time; time.sleep(3)")
    before = content(own.project.folder)
    process = own.start("adopt", "-j", "1")
    assert process.stderr is not None
    with contextlib.suppress(StopIteration):
        while "[1/3]" not in next(process.stderr):
            pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert content(own.project.folder) == before
    done = own.run("adopt")
    assert done.returncode == 1
    left = re.search(r"(\d+) verdicts to measure in \d cells, (\d+) known", done.stderr)
    assert left is not None
    assert int(left[2]) >= 3
    assert "wrote matrix.toml" in done.stdout


def test_pre_releases_are_listed_when_asked_for(own: Fake, index: Index) -> None:
    index.add("9.3.0", GOOD)
    index.add("9.4.0rc1", BAD)
    for day in ("20260101", "20260102"):
        source = f"__version__ = '9.4.0.dev{day}'"
        version = f"9.4.0.dev{day}"
        subject.make_wheel(index.wheels, "keras_nightly", version, source, module="keras")
    plain = own.run("releases", "--refresh")
    assert (plain.returncode, "rc1" in plain.stdout) == (0, False)
    both = own.run("releases", "--refresh", "--pre")
    assert both.returncode == 0, both.stderr
    assert "9.4.0rc1  2026-02-03  krepro matrix -r 9.4.0rc1" in both.stdout
    assert "9.4.0.dev20260102" in both.stdout
    assert "9.4.0.dev20260101" not in both.stdout
    assert own.run("releases", "--pre").returncode == 2
