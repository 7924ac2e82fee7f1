"""``krepro gan``: what it says, draws and ends with; some of it on real Keras."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from krepro.cell.script import Script
from krepro.cell.supervise import Limits
from krepro.cli import main
from krepro.doctor import candidates
from krepro.engine import SCRIPT, Engine
from krepro.gan import images
from krepro.gan.diagnosis import Diagnosis, Finding
from krepro.gan.history import History, read_history
from krepro.gan.run import QUICK, Run, Trained, ending, judged, last_row, mnist
from krepro.gan.settings import RECIPES, SCENARIOS, settings_of
from krepro.gan.truth import Case, agreement, read_cases, write_cases
from krepro.gan.truth import main as judge
from krepro.home import Home
from krepro.matrix import Cell
from krepro.project import Project
from krepro.render import gan as rendering
from krepro.render import gan_page, gan_picture
from krepro.repro import BACKENDS
from tests.conftest import ROOT, on_small_disk, users_home
from tests.test_gan import ALIKE, OTHERS, REAL, csv_text, curves

CELL = Cell("torch-2.13", "3.8.0")
PNG = b"\x89PNG"


def krepro(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["gan", *arguments])


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a history, samples and images of one's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.csv").write_text(csv_text(curves()))
    (tmp_path / "lost.csv").write_text(csv_text(curves(real_loss=np.nan)))
    (tmp_path / "few.csv").write_text(csv_text(curves(20)))
    (tmp_path / "broken.csv").write_text("d1,d2\n1,2\n")
    for name, samples in (("good", OTHERS), ("alike", ALIKE), ("other", REAL[:, :4])):
        np.save(tmp_path / f"{name}.npy", samples)
    np.save(tmp_path / "flat.npy", REAL.reshape(len(REAL), -1))
    (tmp_path / "text.npy").write_text("hello")
    np.savez(tmp_path / "i.npz", x=REAL)
    return tmp_path


# --- judging a history of one's own -------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("--diagnose h.csv", 0, "h.csv: stable: the networks keep each other busy"),
        ("--diagnose h.csv --samples good.npy --data i.npz", 0, "variety of the samples"),
        ("--diagnose h.csv --samples alike.npy --data i.npz", 1, "h.csv: mode-collapse"),
        ("--diagnose h.csv --samples good.npy", 0, "no real images were given"),
        ("--diagnose lost.csv", 1, "diverged: the loss on real images is nan from iter"),
        ("--diagnose few.csv", 3, "undecided: 20 iterations are too few: it takes 150"),
    ],
)
@pytest.mark.usefixtures("given")
def test_a_history_is_diagnosed(arguments: str, code: int, told: str) -> None:
    result = krepro(*arguments.split())
    assert result.exit_code == code, result.output
    assert told in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--diagnose none.csv", "none.csv: no such file"),
        ("--diagnose broken.csv", "no column generator_loss"),
        ("--diagnose h.csv --samples none.npy", "none.npy: no such file"),
        ("--diagnose h.csv --samples text.npy", "text.npy: cannot be read"),
        ("--diagnose h.csv --samples flat.npy", "flat.npy: not images of shape"),
        ("--diagnose h.csv --samples i.npz", "i.npz: not images of shape"),
        ("--diagnose h.csv --samples other.npy --data i.npz", "cannot be compared with"),
        ("--diagnose h.csv --samples good.npy --data none.npz", "none.npz: no such file"),
        ("--diagnose h.csv -o nowhere/out.txt", "its folder cannot be written to"),
        ("--samples good.npy", "--samples goes with --diagnose"),
        ("--scenario hopeful", "unknown scenario 'hopeful': one of stable, mode-collapse"),
        ("--recipe secret", "unknown recipe 'secret': one of classic"),
        ("--scenario frozen-generator --recipe train-step", "train-step has none"),
        ("--data none.npz", "none.npz: no such file"),
        ("--digit 11", "11"),
        ("-r 9.9.9", "9.9.9"),
        ("-s nowhere", "nowhere"),
    ],
)
@pytest.mark.usefixtures("given")
def test_bad_input_is_one_line(arguments: str, told: str) -> None:
    result = krepro(*arguments.split())
    assert result.exit_code == 2, result.output
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("krepro: ")
    assert told in line


def test_a_diagnosis_as_data(given: Path) -> None:
    arguments = "--diagnose h.csv --samples good.npy --data i.npz -f json -o out.json"
    assert krepro(*arguments.split()).stdout == ""
    found = json.loads((given / "out.json").read_text())
    assert found["schema"] == 1
    assert (found["diagnosis"], found["iterations"]) == ("stable", 300)
    [variety] = [s for s in found["signals"] if s["name"] == "variety of the samples"]
    assert variety == {**variety, "healthy": [0.4, None], "ok": True}
    assert (
        "| Signal | Value | Healthy |"
        in krepro("--diagnose", "h.csv", "-f", "markdown").stdout
    )


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "sklearn" else find(name)
    )
    result = krepro("--size", "small")
    assert result.exit_code == 2
    assert "gan needs sklearn: pip install 'krepro[gan]' first" in result.stderr


# --- what was trained, and pictures of it -------------------------------------------------


def run_of(scenario: str = "stable", release: str = "3.8.0", seed: int = 0) -> Run:
    settings = settings_of(scenario, size="small", recipe="classic", seed=seed)
    return Run(settings, Cell("torch-2.13", release), REAL)


def trained(folder: Path, run: Run, columns: dict[str, Any], **facts: Any) -> Trained:
    """Return what is made of a folder that a training left."""
    own = folder / run.name
    own.mkdir()
    (own / "history.csv").write_text(csv_text(columns))
    np.save(own / "samples-00300.npy", OTHERS)
    table = {"error": "", "finite": True, "iterations": 300} | facts
    (own / "facts.json").write_text(json.dumps(table))
    return judged(run, own)


def test_a_folder_is_another_for_all_that_a_result_depends_on() -> None:
    run = run_of()
    others = [
        run_of(seed=1),
        run_of(release="3.7.0"),
        run_of("aggressive"),
        replace(run, images=OTHERS),
        replace(run, settings=msgspec.structs.replace(run.settings, iterations=7)),
    ]
    assert len({run.name, *(other.name for other in others)}) == 6
    assert run.name == run_of().name


def test_the_full_size_is_trained_with_quicker_convolutions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = run_of().settings
    small, full = (
        replace(run_of(), settings=msgspec.structs.replace(settings, size=size))
        for size in ("small", "full")
    )
    assert (small.variables, full.variables) == ({}, QUICK)
    names = small.name, full.name
    monkeypatch.setitem(QUICK, "XLA_FLAGS", "")
    assert small.name == names[0]
    assert full.name != names[1], "it would go on with what was trained otherwise"


def test_what_keras_raised_is_told_and_so_is_that_it_diverged(tmp_path: Path) -> None:
    error = "AttributeError: 'NoneType' object has no\n attribute"
    raised = trained(tmp_path, run_of(), curves(0), error=error, iterations=0)
    assert raised.outcome == "raises AttributeError"
    assert raised.finding.reason == (
        "after 0 iterations the training raised "
        "AttributeError: 'NoneType' object has no attribute"
    )
    run = run_of(seed=1)
    diverged = trained(tmp_path, run, curves(30), error="RuntimeError: x", finite=False)
    assert diverged.outcome == "diverged"


def test_a_training_that_did_not_end_is_undecided(tmp_path: Path) -> None:
    found = judged(run_of(), tmp_path, "stopped")
    assert (found.finding.diagnosis, found.outcome) == ("undecided", "not trained")


def test_exit_codes() -> None:
    from krepro.gan.command import exit_of

    def outcome(*findings: Diagnosis, error: str = "") -> rendering.Outcome:
        return rendering.Outcome(
            tuple(Trained(run_of(), Path(), Finding(f, ""), error) for f in findings)
        )

    assert exit_of(outcome(Diagnosis.STABLE, Diagnosis.STABLE)) == 0
    assert exit_of(outcome(Diagnosis.STABLE, Diagnosis.MODE_COLLAPSE)) == 1
    assert exit_of(outcome(Diagnosis.UNDECIDED, Diagnosis.DIVERGED)) == 1
    assert exit_of(outcome(Diagnosis.UNDECIDED, Diagnosis.STABLE)) == 3
    assert exit_of(outcome(Diagnosis.UNDECIDED, error="KeyError: 0")) == 1


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "its process died"),
        ({"status": 0}, ""),
        ({"verdict": "error", "message": "timed out"}, "error: timed out"),
        ({"status": 1, "type": "OSError", "message": "x"}, "OSError: x"),
        ({"status": 1}, "the script failed"),
    ],
)
def test_what_kept_a_script_from_its_end(record: Any, told: str) -> None:
    assert ending(record) == told


def test_mnist_is_downloaded_once_by_keras_in_a_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras stands aside here; what the script writes is what is trained on."""
    path, asked = tmp_path / "gan" / "mnist.npz", []
    records: list[dict[str, Any]] = [
        {"status": 1, "type": "Exception", "message": "no way"}
    ]

    def ask(*_: Any, script: Script, **__: Any) -> dict[str, Any]:
        asked.append((script.kit / script.name).read_text())
        if not records:
            np.savez(
                script.arguments[0], x=np.zeros((20, 28, 28), "uint8"), y=np.full(20, 8)
            )
        return {SCRIPT: records.pop() if records else {"status": 0}}

    engine = Engine(Home(tmp_path), ROOT, Project(ROOT).matrix)
    monkeypatch.setattr(engine, "ask", ask)
    with pytest.raises(OSError, match=r"could not be downloaded: Exception: no way"):
        mnist(engine, CELL, tmp_path, path)
    for _ in range(2):
        mnist(engine, CELL, tmp_path, path)
    assert len(asked) == 2
    assert "keras.datasets.mnist.load_data()" in asked[0]
    assert images.from_file(path, "small", 8).shape == (20, 8, 8, 1)


def test_the_last_row_of_a_history_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    assert last_row(path) == {}
    path.write_text("iteration,loss\n")
    assert last_row(path) == {}
    path.write_text("iteration,loss\n1,0.5\n2,0.")
    assert last_row(path) == {"iteration": 1, "loss": 0.5}


def size_of(path: Path) -> tuple[int, int]:
    from matplotlib import image

    height, width = image.imread(path).shape[:2]
    return width, height


def test_pictures_are_drawn(tmp_path: Path) -> None:
    found = [
        trained(tmp_path, run_of(), curves()),
        trained(tmp_path, run_of(release="3.7.0"), curves(), error="KeyError: 0"),
        trained(tmp_path, run_of("huge-rates"), curves(generator_loss=16.0)),
        judged(run_of("aggressive"), tmp_path, "stopped"),
    ]
    path = tmp_path / "overview.png"
    gan_picture.write_overview(found, path)
    few = size_of(path)
    gan_picture.write_overview(found[:1], path)
    assert size_of(path)[0] < few[0]
    assert size_of(path)[1] < few[1]
    gan_picture.write_curves(History.of(curves(300, real_loss=[np.nan] * 300)), path, "t")
    assert path.read_bytes().startswith(PNG)
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_mosaic_has_each_sample_in_its_place() -> None:
    samples = np.arange(4 * 2 * 3).reshape(4, 2, 3, 1).astype(float)
    found = gan_picture.mosaic(samples, side=2)
    assert found.shape == (5, 7)
    np.testing.assert_array_equal(found[:2, 4:], samples[1, ..., 0])
    np.testing.assert_array_equal(found[3:, :3], samples[2, ..., 0])
    np.testing.assert_array_equal(found[3:, 4:], samples[3, ..., 0])
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 3]).all()


def test_trainings_as_text_markdown_and_data(tmp_path: Path) -> None:
    found = (trained(tmp_path, run_of(), curves()), judged(run_of(), tmp_path, "stopped"))
    outcome = rendering.Outcome(found, pictures=("p.png",))
    text = rendering.text(outcome)
    assert "stable, classic, seed 0, 3.8.0@torch-2.13\n  stable: the networks" in text
    assert "  undecided: stopped\n" in text
    assert "| stable | classic | 3.8.0@torch-2.13 | 0 | stable |" in rendering.markdown(
        outcome
    )
    data = json.loads(rendering.as_json(outcome))
    assert [run["diagnosis"] for run in data["runs"]] == ["stable", "undecided"]
    assert data["runs"][1]["trouble"] == "stopped"
    assert data["runs"][0]["settings"]["recipe"] == "classic"


# --- on real Keras ------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A cache folder with the user's environments, and nothing trained."""
    own = users_home(tmp_path / "home")
    monkeypatch.setenv("KREPRO_HOME", str(own.path))
    monkeypatch.chdir(ROOT)
    return own


LOAD = """
import sys
import keras
import numpy as np
noise = np.random.default_rng((0, 2**31)).standard_normal((100, 10)).astype("float32")
made = keras.saving.load_model(sys.argv[1]).predict(noise, verbose=0)
assert np.allclose(made, np.load(sys.argv[2]), atol=1e-6)
"""


@pytest.mark.keras
def test_the_classic_recipe_does_not_train_the_discriminator(
    home: Home, tmp_path: Path
) -> None:
    """Nor is it trained twice: the second time, the run is taken as it is."""
    asked = [
        "--size",
        "small",
        "--recipe",
        "classic",
        "-r",
        "3.8.0",
        "--iterations",
        "25",
        "--seed",
        "0",
        "--seed",
        "1",
    ]
    result = krepro(*asked)
    assert result.exit_code == 1, result.output
    told = "discriminator-frozen: the discriminator's weights did not move in 25 iterations"
    assert result.stdout.count(told) == 2
    assert "[2/2] stable, classic, seed" in result.stderr
    folders = sorted(home.gan.glob("stable-*"))
    names = {path.name for path in folders[0].iterdir()}
    assert {"curves.png", "history.csv", "history.json", "generator.keras"} <= names
    assert {"samples-00000.png", "samples-00025.png", "final.npz"} <= names
    assert (home.gan / "overview.png").read_bytes().startswith(PNG)
    before = (folders[0] / "history.csv").stat().st_mtime_ns
    assert krepro(*asked).stdout == result.stdout
    assert (folders[0] / "history.csv").stat().st_mtime_ns == before
    # The generator that was saved is the one that made the samples.
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "load.py").write_text(LOAD)
    paths = (str(folders[0] / "generator.keras"), str(folders[0] / "samples-00025.npy"))
    engine = Engine(home, ROOT, Project(ROOT).matrix)
    with engine.room() as scratch:
        record = engine.ask(
            CELL, [], scratch, script=Script(kit, "load.py", paths), limits=Limits(120)
        )[SCRIPT]
    assert record["status"] == 0, record


@pytest.mark.keras
def test_the_same_seed_on_the_same_cell_is_the_same_to_the_last_bit(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    monkeypatch.chdir(tmp_path)
    wanted = (
        "--size small -r 3.8.0 -b jax --iterations 20 --no-pictures --anew --folder runs"
    )
    asked = wanted.split()
    found = []
    for _ in range(2):
        assert krepro(*asked).exit_code == 3
        [folder] = (tmp_path / "runs").glob("stable-*")
        found.append(
            [(folder / name).read_bytes() for name in ("history.csv", "samples-00020.npy")]
        )
    assert found[0] == found[1]


def rows_of(home: Home) -> int:
    return sum(path.read_text().count("\n") - 1 for path in home.gan.glob("*/history.csv"))


@pytest.mark.keras
def test_a_run_that_is_stopped_goes_on_where_it_was(home: Home) -> None:
    asked = ["--size", "small", "-r", "3.8.0", "--iterations", "160", "--no-pictures"]
    command = [sys.executable, "-m", "krepro", "gan", *asked]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    started = time.monotonic()
    while rows_of(home) < 103:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() - started < 100
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 3, told
    assert "Traceback" not in told
    assert rows_of(home) < 160
    krepro(*asked)
    [path] = home.gan.glob("stable-*/history.csv")
    resumed, written = read_history(path), path.stat().st_mtime_ns
    krepro(*asked, "--anew")
    whole = read_history(path)
    assert path.stat().st_mtime_ns > written
    assert len(resumed) == len(whole) == 160
    # What Keras reports are means since the start on this release: since the restart, then.
    for name, values in whole.columns.items():
        if not name.startswith("reported_"):
            np.testing.assert_array_equal(resumed[name], values, err_msg=name)


@pytest.mark.keras
def test_two_that_train_the_same_at_once_train_it_once(home: Home) -> None:
    asked = ["--size", "small", "-r", "3.8.0", "--iterations", "25", "--no-pictures"]
    command = [sys.executable, "-m", "krepro", "gan", *asked]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    told = [each.communicate(timeout=120)[0] for each in both]
    assert told[0] == told[1]
    assert [each.returncode for each in both] == [3, 3]
    assert rows_of(home) == 25


def test_trainings_are_pruned_the_oldest_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for age, name in enumerate(("new", "old")):
        (home.gan / name).mkdir(parents=True)
        os.utime(home.gan / name, (1e9 - age, 1e9 - age))
    assert [path.name for path, _ in candidates(home)] == ["old", "new"]


@pytest.mark.keras
def test_a_full_disk_is_no_fault_of_keras(home: Home, tmp_path: Path) -> None:
    """On a real, small file system, mounted in a namespace of its own."""
    small = tmp_path / "small"
    asked = f"--size small -r 3.8.0 --iterations 120 --no-pictures --folder {small}"
    # The images take 45 kB; the networks' state does not fit beside them.
    done = on_small_disk(small, "120k", f"{sys.executable} -m krepro gan {asked}")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no-space" in done.stdout or "No space left" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    del home


@pytest.mark.keras
def test_trainings_are_judged(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.json"
    other = Case("small", "stable", "classic", "3.7.0", "torch-2.13", 0, 25, None, "stable")
    write_cases(path, [other])
    asked = (
        "--stack torch-2.13 --release 3.8.0 --iterations 25 --seeds 0-0 --recipe classic"
    )
    assert judge([*asked.split(), "--scenario", "stable", "--output", str(path)]) == 0
    assert "100.0% of 1 agree" in capsys.readouterr().out
    [kept, new] = read_cases(path)
    assert kept == other
    assert (new.truth, new.diagnosis) == ("discriminator-frozen", "discriminator-frozen")
    assert new.iterations == 25
    assert len(new.losses) == 2
    del home


# --- the page -----------------------------------------------------------------------------


def test_the_page_has_the_tables_of_what_is_stored() -> None:
    page = (ROOT / "docs" / "gan.md").read_text(encoding="utf-8")
    assert gan_page.with_tables(page, ROOT / "docs" / "gan") == page
    for picture in re.findall(r"\]\((gan/[^)]*)\)", page):
        assert (ROOT / "docs" / picture).is_file()


def test_each_recipe_was_trained_on_every_cell() -> None:
    """And the diagnosis was judged on ten seeds of each scenario and backend."""
    folder = ROOT / "docs" / "gan"
    project = Project(ROOT)
    stacks = [project.matrix.primary(backend) for backend in BACKENDS]
    cells = project.cells(
        project.matrix.versions, [*stacks, *project.matrix.reference_stacks()]
    )
    trained = {(c.recipe, c.stack, c.release) for c in read_cases(folder / "recipes.json")}
    assert trained == {(recipe, c.stack, c.release) for recipe in RECIPES for c in cells}
    newest = str(project.matrix.versions[-1])
    judged_of = Counter(
        (c.scenario, c.recipe, c.stack)
        for c in read_cases(folder / "judged.json")
        if c.release == newest and c.size == "small"
    )
    kinds = [*((name, "frozen-clone") for name in SCENARIOS), ("stable", "classic")]
    assert judged_of == {(*kind, stack.name): 10 for kind in kinds for stack in stacks}


def test_the_diagnosis_is_right_on_seeds_that_it_was_not_fixed_on() -> None:
    cases = read_cases(ROOT / "docs" / "gan" / "judged.json")
    assert {case.seed for case in cases}.isdisjoint({100, 101, 102})
    assert agreement(cases) >= 0.95
    healthy = [case for case in cases if case.truth == "stable"]
    assert {case.diagnosis for case in healthy} <= {"stable", "undecided"}


def test_the_diagnosis_is_right_in_the_full_size() -> None:
    cases = read_cases(ROOT / "docs" / "gan" / "judged-full.json")
    assert {case.size for case in cases} == {"full"}
    assert agreement(cases) >= 0.95
    healthy = [case for case in cases if case.truth == "stable"]
    assert {case.diagnosis for case in healthy} <= {"stable", "undecided"}
    backends = [stack.name for stack in Project(ROOT).matrix.stack if stack.primary]
    judged_of = Counter((case.truth, case.stack) for case in cases)
    for truth in Diagnosis:
        if truth is not Diagnosis.UNDECIDED:
            assert all(judged_of[truth, name] >= 2 for name in backends), truth


def test_recipes_are_told_by_range_of_releases() -> None:
    def case(
        release: str, recipe: str, said: str = "", loss: float = 0.5, **more: Any
    ) -> Case:
        return Case(
            "small",
            "stable",
            recipe,
            release,
            more.pop("stack", "jax-0.4"),
            0,
            40,
            None,
            said or "undecided",
            last=(0.7, 0.7, loss),
            **more,
        )

    cases = [
        *(case(release, "train-step") for release in ("3.5.0", "3.6.0", "3.7.0", "3.10.0")),
        case("3.5.0", "classic", loss=0.50001),
        case("3.10.0", "classic", "raises KeyError"),
        case("3.6.0", "classic"),
        case("3.7.0", "classic", loss=0.6),
        case("3.7.0", "frozen-twin", "discriminator-frozen"),
        case("3.7.0", "frozen-clone", aside=0.25),
        case("2.16.0", "classic", stack="keras-2"),
    ]
    table = gan_page.recipes_table(cases).splitlines()
    assert table[0] == "| Recipe | jax | Keras 2 |"
    assert table[2] == (
        "| `classic` | 3.5.0 to 3.6.0: **works**<br>3.7.0: trains, not as `train-step` does"
        "<br>3.10.0: raises KeyError | 2.16.0: trains, with nothing to compare with |"
    )
    assert table[3] == "| `flag-per-step` | not measured | not measured |"
    assert table[4] == "| `frozen-twin` | 3.7.0: discriminator-frozen | not measured |"
    assert "3.7.0: D learns in G's steps too (25% of them)" in table[5]
    assert "3.5.0 to 3.10.0: **works**" in table[6]
