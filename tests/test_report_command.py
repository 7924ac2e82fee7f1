"""``krepro report`` from end to end: on the fake Keras, and once on a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from krepro.cli import main
from krepro.draft.script import extracted
from krepro.home import VARIABLE
from krepro.hunt.prober import Place, Prober
from krepro.matrix import Cell
from krepro.project import Project
from krepro.result import Store
from tests.conftest import ROOT, Fake, on_small_disk, users_home
from tests.fake import subject
from tests.fake.subject import header

SCRIPT = """
import keras

total = keras.add(2, 2)
print("total", total)
keras.update_state(total)
"""


@pytest.fixture
def reports(four: Fake) -> Fake:
    """The fake project on two backends, with the releases that work."""
    subject.make_project(four.project.folder, list(subject.RELEASES), [subject.JAX_STACK])
    project = Project(four.project.folder)
    return Fake(project, four.home, four.wheels)


def one_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.startswith("krepro: ")]
    assert lines, text
    return lines[-1]


def test_a_report_is_measured_written_and_verified(reports: Fake, tmp_path: Path) -> None:
    output = tmp_path / "report.md"
    done = reports.run("report", "adds_wrongly", "-b", "torch", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    # Nothing was known of it.
    assert "adds_wrongly is not known everywhere: 8 cells to measure" in done.stderr
    assert "[0 cells left]" in done.stderr
    assert done.stderr.count("verifying: making a fresh environment") == 2
    assert "a person reads it" in one_line(done.stderr)
    draft = output.read_text()
    assert draft.startswith("# a title\n")
    assert "Not verified" not in draft
    assert "| torch | 9.1.0 | 9.1.0 | 9.1.0 | 9.2.0 |" in draft
    assert "| jax | 9.1.0–9.2.0 | 9.1.0 | 9.2.0 | 9.3.0 |" in draft
    assert "Keras 9.1.0 on torch\nTraceback (most recent call last):\n" in draft
    assert '  File "…/script.py", line 9, in <module>' in draft
    assert "AssertionError: the sum is 4, 3 was promised\n```" in draft
    assert "- Keras 9.2.0 on torch (" in draft
    assert 'its last line is "as promised"' in draft
    assert "keras==9.1.0\n" in draft
    assert "pytest" not in draft
    for secret in (str(tmp_path), str(reports.home.path), str(Path.home())):
        assert secret not in draft
    script = extracted(draft)
    assert script.startswith('import os\n\nos.environ.setdefault("KERAS_BACKEND", "torch")')
    assert not list(reports.home.scratch.iterdir())
    # A second time nothing is measured.
    again = reports.run("report", "adds_wrongly", "--no-verify", "-f", "json")
    assert again.returncode == 0
    assert "measure" not in again.stderr
    table = json.loads(again.stdout)
    # By default the newest affected release, wherever that is.
    assert table["affected_in"] == {
        "release": "9.2.0",
        "stack": "fake-jax",
        "backend": "jax",
    }
    assert table["unaffected_in"]["release"] == "9.3.0"
    assert table["verified"] == []
    assert "**Not verified.**" in table["draft"]
    assert table["known"] == [
        {
            "id": "adds_wrongly",
            "title": "a title",
            "why": "it is this entry",
            "sure": True,
            "issues": [],
        }
    ]
    assert "the sum is 4" in table["output"]
    # So the draft has an order: what else is in the catalogue goes by it.
    assert list(table)[:4] == ["schema", "krepro", "target", "known"]


def test_a_note_for_those_who_pin_keras(reports: Fake) -> None:
    done = reports.run(
        "report", "adds_wrongly", "--downstream", "--no-verify", "-f", "json"
    )
    assert done.returncode == 0, done.stderr
    pins = {pin["backend"]: pin for pin in json.loads(done.stdout)["pins"]}
    assert pins["torch"]["requirement"] == "keras>=9.0.0,!=9.1.*"
    assert pins["jax"]["requirement"] == "keras>=9.0.0,!=9.1.*,!=9.2.*"
    assert pins["jax"]["until"] == "fixed in 9.3.0"
    ways = json.loads(done.stdout)["workarounds"]
    assert "(measured to work on Keras 9.2.0 on jax; works wherever" in ways[0]
    assert "does not work on Keras 9.2.0 on jax" in ways[1]
    text = reports.run(
        "report", "adds_wrongly", "--downstream", "--no-verify", "-f", "text"
    )
    assert "pin: keras>=9.0.0,!=9.1.*; fixed in 9.2.0" in text.stdout
    assert "pins Keras" not in text.stderr


def test_a_report_on_a_script(reports: Fake, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    path = folder / "train.py"
    path.write_text(SCRIPT)
    before = path.read_bytes()
    done = reports.run("report", str(path), "-b", "torch")
    assert done.returncode == 0, done.stderr
    draft = done.stdout
    assert "# keras.update_state: AttributeError: 'NoneType' object has no" in draft
    assert "| torch | 9.1.0–9.2.0 | 9.1.0 | 9.2.0 | 9.3.0 |" in draft
    assert "total 4\n" in draft
    assert "Say what you expected" in draft
    assert SCRIPT.strip() in draft
    # Its symptom is one that an entry declares.
    assert "Known: it shows the symptom of crashes_in_update" in done.stderr
    assert done.stderr.index("Known: ") < done.stderr.index("verifying")
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]
    # Another symptom, in another place, with arguments.
    path.write_text(
        "import sys\nimport keras\n\nif keras.add(1, 1) != 2:\n    sys.exit(3)\n"
    )
    options = [
        "--expect",
        "exit:3",
        "-b",
        "jax",
        "-r",
        "9.1.0",
        "--title",
        "keras.add: wrong",
    ]
    done = reports.run("report", str(path), *options, "-f", "text", "--", "--fast")
    assert done.returncode == 0, done.stderr
    assert "\nkeras.add: wrong\n" in done.stdout
    assert "verified: Keras 9.1.0 on jax (" in done.stdout
    assert "exits with 3" in done.stdout
    assert "python script.py --fast" in done.stdout


def test_a_message_with_folders_of_this_machine(four: Fake, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "import keras, os\n\nif keras.VERSION == '9.1.0':\n"
        "    raise OSError(f'no {os.getcwd()}/x.csv, no {os.path.expanduser(\"~\")}/y.csv')\n"
    )
    done = four.run("report", str(path), "-b", "torch")
    assert done.returncode == 0, done.stderr
    draft = done.stdout
    assert "OSError: no …/x.csv, no " in draft
    for secret in (str(four.home.path), f"{Path.home()}/", str(tmp_path)):
        assert secret not in draft


def test_what_cannot_be_seen_again_is_not_written(four: Fake, tmp_path: Path) -> None:
    """The script is bad in krepro's cells alone, which no other environment shows."""
    output = tmp_path / "report.md"
    path = tmp_path / "train.py"
    path.write_text(
        "import keras, os, sys\n"
        "assert not (keras.VERSION == '9.1.0' and 'krepro' in sys.modules), 'only here'\n"
    )
    done = four.run("report", str(path), "-b", "torch", "-o", str(output))
    assert done.returncode == 1
    assert one_line(done.stderr) == (
        "krepro: no report: with Keras 9.1.0 on torch the script should show assertion at "
        "train.py:2: assert not (keras.VERSION == '9.1.0' and 'krepro' in sys.modules), "
        "'only here'; it says: ends well"
    )
    assert not output.exists()
    assert done.stdout == ""


def test_a_repro_whose_good_side_is_bad_is_not_written(four: Fake, tmp_path: Path) -> None:
    """What else is in a repro may be what makes its good side good."""
    path = tmp_path / "leans_on_another.py"
    path.write_text(
        header()
        + "import keras\n\n\ndef test_a():\n    keras.lent = 1\n\n\n"
        + "def test_b():\n    assert keras.add(1, keras.lent) == 2\n"
    )
    done = four.run("report", str(path), "-b", "torch")
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert "no report: with Keras 9.1.0 on torch the script should show" in line
    assert "AttributeError" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "no repro 'no_such'"),
        (["no/such.py"], "no/such.py: no such file"),
        (["wants_a_sum", "-r", "9.0.0"], "nothing is affected among what was asked for"),
        (["adds_wrongly", "-r", "9.99"], "'9.99' is no known Keras release"),
        (["adds_wrongly", "-o", "no/such/report.md"], "its folder cannot be written to"),
        (
            ["adds_wrongly", "--expect", "assertion"],
            "is a repro, which declares what counts",
        ),
        (["{script}", "--expect", "differs"], "have it assert what differs"),
        (["{script}", "--expect", "often"], "--expect 'often': use exception"),
        (["{script}", "--data", "x.csv"], "a report's script stands alone"),
        (["{imports}"], "imports helper.py, and a report's script stands alone"),
        (["{secret}"], "secret.py:2: has 64 letters and digits in a row"),
        (["{mine}"], "mine.py:1: names {folder}, which others do not have"),
        (["{broken}"], "broken.py:1: is not valid Python"),
        (["{fine}"], "nothing is affected, so there is nothing to report"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    four: Fake, tmp_path: Path, arguments: list[str], message: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    texts = {
        "script": SCRIPT,
        "imports": "import helper\nhelper.run()\n",
        "helper": "def run(): pass\n",
        "secret": f"import keras\nkey = '{'0a' * 32}'\n",
        "mine": f"open('{folder}/data.csv')\n",
        "broken": "import (\n",
        "fine": "import keras\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    places = {name: str(folder / f"{name}.py") for name in texts}
    filled = [argument.format(**places) for argument in arguments]
    done = four.run("report", *filled)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert message.format(folder=folder) in one_line(done.stderr)


def test_without_the_index_nothing_is_claimed(four: Fake, tmp_path: Path) -> None:
    """All is measured, but no fresh environment can be made: incomplete, and no draft."""
    four.run("report", "adds_wrongly", "--no-verify", "-o", str(tmp_path / "a.md"))
    output = tmp_path / "report.md"
    command = four.command("report", "adds_wrongly", "-b", "torch", "-o", str(output))
    away = {
        **four.variables(),
        "UV_FIND_LINKS": str(tmp_path / "gone"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_NO_CACHE": "1",
    }
    done = subprocess.run(
        command,
        cwd=four.project.folder,
        env=away,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert not output.exists()
    assert one_line(done.stderr)


def test_a_full_disk_leaves_no_half_draft(four: Fake, tmp_path: Path) -> None:
    four.run("report", "adds_wrongly", "--no-verify", "-o", str(tmp_path / "a.md"))
    target = tmp_path / "small"
    command = " ".join(
        four.command(
            "report", "adds_wrongly", "--no-verify", "-o", str(target / "report.md")
        )
    )
    filled = f"head -c 70000 /dev/zero > {target}/fill; {command}; code=$?; ls {target}; exit $code"
    done = on_small_disk(
        target, "64k", filled, cwd=four.project.folder, env=four.variables()
    )
    assert done.returncode == 3, done.stderr
    assert "No space left on device" in one_line(done.stderr)
    assert done.stdout.split() == ["fill"]


def test_ctrl_c_ends_it_with_a_line(four: Fake, tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text(
        "import keras, time, os\n"
        "time.sleep(0 if 'PYTEST_DISABLE_PLUGIN_AUTOLOAD' in os.environ else 60)\n"
        "assert keras.VERSION != '9.1.0'\n"
    )
    process = four.start("report", str(path), "-b", "torch")
    assert process.stderr is not None
    said = ""
    while "running the script" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == ""
    assert "run the same command to go on" in one_line(err)
    assert not list(four.home.scratch.iterdir())


class Asked(Exception):
    """A run was asked for."""


def test_what_is_published_need_not_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository has every verdict: the first run is that of the cell that is shown."""
    places: list[Place] = []

    def see(_: object, place: Place, **__: object) -> None:
        places.append(place)
        raise Asked

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Prober, "see", see)
    monkeypatch.setattr(Store, "load", lambda *_: None)
    result = CliRunner().invoke(main, ["report", "outer_compile_drops_inner_loss_tracker"])
    assert isinstance(result.exception, Asked)
    assert places == [Place(Cell("tensorflow-2.16", "3.7.0"))]


@pytest.mark.keras
def test_a_report_on_a_real_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part of the draft comes from Keras itself: run as pasted, with the fix beside it."""
    home = users_home(tmp_path / "home")
    monkeypatch.setenv(VARIABLE, str(home.path))
    monkeypatch.chdir(ROOT)
    output = tmp_path / "report.md"
    command = ["report", "outer_compile_drops_inner_loss_tracker", "-b", "jax"]
    result = CliRunner().invoke(main, [*command, "-o", str(output)])
    assert result.exit_code == 0, result.output
    draft = output.read_text(encoding="utf-8")
    assert draft.startswith("# Trainer.compile: an outer model drops")
    assert "AttributeError: 'NoneType' object has no attribute 'update_state'\n```" in draft
    assert re.search(
        r"- Keras 3\.7\.0 on jax \(.*\): `AttributeError: .*`, exit status 1\.\n"
        r'- Keras 3\.8\.0 on jax \(.*\): ended .*"as promised"\.',
        draft,
    )
    assert "jax==0.4.30\n" in draft
    for secret in (str(home.path), str(Path.home()), str(ROOT)):
        assert secret not in draft
