"""The pytest plugin in a plain pytest run: the verdicts that the engine gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Fake
from tests.fake import subject
from tests.test_engine import GOOD, PLANTED

PLAIN = [name for name in PLANTED if name != "exits"]


def plain(folder: Path, release: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on fake repros with a fake Keras on the path, as a user would."""
    site = folder / f"site-{release}"
    for name, version, source in (
        ("keras", release, subject.RELEASES.get(release) or subject.BROKEN[release]),
        ("torch", "99.0", "__version__ = '99.0'\n"),
    ):
        (site / name).mkdir(parents=True, exist_ok=True)
        text = source.format(version=version) if source is subject.KERAS else source
        (site / name / "__init__.py").write_text(text)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def repros(tmp_path: Path) -> Path:
    folder = tmp_path / "repros"
    folder.mkdir()
    for name in PLAIN:
        shutil.copy(subject.REPROS / f"{name}.py", folder)
    return folder


@pytest.mark.parametrize("release", GOOD)
def test_the_verdicts_of_the_engine(repros: Path, release: str) -> None:
    output = repros.parent / "record.json"
    plain(repros.parent, release, "repros", f"--krepro-json={output}")
    record = json.loads(output.read_text())
    found = {name: entry["verdict"] for name, entry in record["repros"].items()}
    # One process for all of them: the one that changes its surroundings ran in it alone.
    expected = {name: PLANTED[name][GOOD.index(release)].value for name in PLAIN}
    found.pop("changes_surroundings")
    expected.pop("changes_surroundings")
    assert found == expected
    assert record["identity"]["keras"] == release


def test_what_is_declared_is_an_expected_failure(repros: Path) -> None:
    names = ["repros/adds_wrongly.py", "repros/crashes_in_update.py"]
    done = plain(repros.parent, "9.1.0", *names)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 xfailed" in done.stdout
    assert "affected         adds_wrongly" in done.stdout
    assert "keras 9.1.0 on torch 99.0" in done.stdout


def test_what_is_not_declared_fails_the_run(repros: Path) -> None:
    path = repros / "adds_wrongly.py"
    path.write_text(path.read_text().replace(">=9.1.0,<9.2.0", ">=9.2.0,<9.3.0"))
    affected = plain(repros.parent, "9.1.0", "repros/adds_wrongly.py")
    assert affected.returncode == 1
    assert "differs: adds_wrongly: affected, declared unaffected" in affected.stdout
    # Declared affected, and every test passes: that is a finding too.
    unaffected = plain(repros.parent, "9.2.0", "repros/adds_wrongly.py")
    assert unaffected.returncode == 1
    assert "differs: adds_wrongly: unaffected, declared affected" in unaffected.stdout


def test_keras_that_does_not_import_is_untestable(repros: Path) -> None:
    output = repros.parent / "record.json"
    done = plain(repros.parent, "9.5.0", "repros", f"--krepro-json={output}")
    assert done.returncode == 1
    record = json.loads(output.read_text())
    assert {e["verdict"] for e in record["repros"].values()} == {"untestable:import"}
    assert (
        "untestable:import: import keras: RuntimeError: planted: no import" in done.stdout
    )


def test_selecting_by_mark_and_keyword(repros: Path) -> None:
    by_mark = plain(repros.parent, "9.0.0", "repros", "-m", "crash", "-q")
    assert "crashes_in_update" in by_mark.stdout
    assert "adds_wrongly" not in by_mark.stdout
    by_keyword = plain(repros.parent, "9.0.0", "repros", "-k", "adds_wrongly", "-q")
    assert "3 passed" in by_keyword.stdout


def test_what_pytest_offers_works_in_a_repro(fake: Fake) -> None:
    (fake.project.repros_folder / "uses_pytest.py").write_text(
        subject.header()
        + "import keras\nimport pytest\n\n\n"
        + "@pytest.fixture\ndef two():\n    return 2\n\n\n"
        + "@pytest.mark.parametrize('one', [1, 10])\n"
        + "def test_sum(one, two, tmp_path, monkeypatch):\n"
        + "    (tmp_path / 'x').write_text('x')\n"
        + "    assert keras.add(one, two) == one + two\n"
    )
    found = fake.measure(["uses_pytest"], ["9.0.0", "9.1.0"])
    assert found["uses_pytest", "9.0.0"].verdict.value == "unaffected"
    assert set(found["uses_pytest", "9.0.0"].tests) == {"test_sum[1]", "test_sum[10]"}
    assert found["uses_pytest", "9.1.0"].verdict.value == "affected"


def test_cells_import_nothing_of_krepros_dependencies() -> None:
    """A stack has pytest and what Keras needs; krepro's own dependencies are not there."""
    code = (
        "import sys; sys.path.insert(0, 'src')\n"
        "import krepro.cell.zygote, krepro.cell.fresh, krepro.cell.lone, krepro.cell.plugin\n"
        "tops = {n.partition('.')[0] for n in sys.modules}\n"
        "own = tops - set(sys.stdlib_module_names) - {'__main__', 'krepro'}\n"
        "print(sorted(n for n in own if not n.startswith(('_', 'sitecustomize'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    allowed = {"iniconfig", "packaging", "pluggy", "py", "pygments", "pytest"}
    assert set(eval(done.stdout)) <= allowed
