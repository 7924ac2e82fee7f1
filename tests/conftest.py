"""Fixtures: the fake project, and krepro's command in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from krepro.engine import Engine, Options
from krepro.home import Home
from krepro.matrix import Cell
from krepro.project import Project
from krepro.result import Measurement
from tests.fake import subject

# Subjects of tests, not tests.
collect_ignore = ["fake"]
ROOT = Path(__file__).parent.parent
# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile(
    "krepro", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("krepro")
# Files that take minutes. Begun last, one of them would run on alone.
LONG = (
    "dask",
    "report_command",
    "scripts",
    "real",
    "upgrade_run",
    "adoption",
    "gan_command",
    "merge",
    "faults",
    "fuzz",
    "player",
    "check",
    "page_browser",
    "bisect",
    "target",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first; the order within a file stays."""
    place = {f"test_{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


def users_home(folder: Path) -> Home:
    """A cache folder with the user's environments and overlays in it, and nothing measured."""
    users, own = Home.find(), Home(folder)
    own.path.mkdir(exist_ok=True)
    for name in ("stacks", "overlays", "uv"):
        (users.path / name).mkdir(parents=True, exist_ok=True)
        (own.path / name).symlink_to(users.path / name)
    return own


def on_small_disk(
    folder: Path, size: str, script: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a shell script with a real, small file system at a folder, in a namespace of its own."""
    unshare = shutil.which("unshare")
    apart = [unshare or "", "--user", "--map-root-user", "--mount"]
    tried = (
        subprocess.run([*apart, "true"], capture_output=True, check=False)
        if unshare
        else None
    )
    if tried is None or tried.returncode:
        pytest.skip("needs 'unshare --user --mount' to mount a small file system")
    folder.mkdir()
    mounted = f"mount -t tmpfs -o size={size} none {folder} && {script}"
    return subprocess.run(
        [*apart, "sh", "-c", mounted],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@dataclass(frozen=True)
class Fake:
    """A fake project with a cache folder of its own."""

    project: Project
    home: Home
    wheels: Path

    def variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "KREPRO_HOME": str(self.home.path),
            "UV_FIND_LINKS": str(self.wheels),
            "COLUMNS": "100",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "krepro", *arguments]

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.project.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def run(
        self, *arguments: str, timeout_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def engine(self, **options: object) -> Engine:
        return Engine(
            self.home,
            self.project.folder,
            self.project.matrix,
            options=Options(**{"jobs": 2, **options}),
        )

    def measure(
        self, names: list[str], releases: list[str], **options: object
    ) -> dict[tuple[str, str], Measurement]:
        """Measure repros by name on releases; return what each said."""
        engine = self.engine(**options)
        repros = self.project.repros(names)
        cells = [Cell("fake", release) for release in releases]
        engine.run(engine.plan(cells, repros))
        found = {}
        for cell in cells:
            known = engine.known(cell)
            assert known is not None
            for repro in repros:
                found[repro.id, cell.release] = known.repros[repro.id]
        return found

    def with_home(self, path: Path) -> Fake:
        """Return the same project with an empty result store, sharing the environments."""
        path.mkdir(parents=True)
        for room in ("stacks", "overlays", "uv"):
            source = self.home.path / room
            if source.exists():
                (path / room).symlink_to(source)
        return Fake(self.project, Home(path), self.wheels)


@pytest.fixture(scope="session")
def fake_session(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    """The fake project, its environment made once, from real wheels by uv."""
    folder = tmp_path_factory.mktemp("fake")
    wheels = subject.make_wheels(folder / "wheels")
    project = Project(subject.make_project(folder / "project"))
    made = Fake(project, Home(folder / "home"), wheels)
    before = dict(os.environ)
    os.environ.update(made.variables())
    try:
        made.measure(["adds_wrongly"], ["9.0.0", "9.1.0", "9.2.0", "9.3.0"])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return made


@pytest.fixture
def fake(fake_session: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The fake project with an empty result store and repros of its own."""
    project = Project(subject.make_project(tmp_path / "project"))
    made = Fake(project, fake_session.home, fake_session.wheels).with_home(
        tmp_path / "home"
    )
    for name in ("KREPRO_HOME", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, made.variables()[name])
    return made


@pytest.fixture
def four(fake: Fake) -> Fake:
    """The fake project with the four releases that work, and no others."""
    subject.make_project(fake.project.folder, list(subject.RELEASES))
    return fake
