"""Faults of the surroundings: kills, full disks, broken files, two runs, no index."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from krepro import installer
from krepro.matrix import Cell
from krepro.verdict import Verdict
from tests.conftest import Fake, on_small_disk
from tests.test_engine import processes_with

REPROS = [
    "adds_wrongly",
    "crashes_in_update",
    "lacks_multiply",
    "raises_undeclared",
    "changes_surroundings",
    "exits",
]
# A run may be killed at any moment; 50 of them are tried by `nox -s truth`.
KILLS = int(os.environ.get("KREPRO_KILLS", "12"))


def verdicts_of(output: str) -> dict[str, str]:
    return {
        f"{entry['repro']}@{entry['release']}": entry["verdict"]
        for entry in json.loads(output)["results"]
    }


def test_killed_at_random_moments_then_resumed(fake: Fake, tmp_path: Path) -> None:
    whole = fake.run("matrix", *REPROS, "-f", "json")
    other = fake.with_home(tmp_path / "other-home")
    moments = random.Random(20474)
    kept: list[int] = []
    for _ in range(KILLS):
        process = other.start("matrix", *REPROS, "-f", "json")
        time.sleep(moments.uniform(0.2, 1.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept.append(len(verdicts_of(other.run("show", *REPROS, "-f", "json").stdout)))
    assert kept == sorted(kept), "a kill lost something that was measured"
    resumed = other.run("matrix", *REPROS, "-f", "json")
    assert resumed.returncode == whole.returncode == 1
    assert verdicts_of(resumed.stdout) == verdicts_of(whole.stdout)
    assert kept[0] < len(verdicts_of(whole.stdout)), "no kill came before the end"
    deadline = time.monotonic() + 5
    while processes_with(str(other.home.path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_with(str(other.home.path)), "a killed run left processes behind"


def test_two_runs_at_once(fake: Fake) -> None:
    both = [fake.start("matrix", *REPROS, "-f", "json") for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert verdicts_of(outputs[0]) == verdicts_of(outputs[1])
    assert verdicts_of(outputs[0])["adds_wrongly@9.1.0"] == "affected"
    assert not list(fake.home.results.rglob(".*.new"))


def test_two_runs_make_one_environment(fake: Fake, tmp_path: Path) -> None:
    """Both start with nothing at all; each makes what the other has not made yet."""
    (tmp_path / "empty").mkdir()
    empty = Fake(fake.project, type(fake.home)(tmp_path / "empty"), fake.wheels)
    both = [empty.start("matrix", "adds_wrongly", "-f", "json") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert verdicts_of(out)["adds_wrongly@9.1.0"] == "affected"
    assert len(list(empty.home.stacks.glob("fake-*"))) == 1


def test_ctrl_c_stops_a_hanging_run_and_keeps_what_is_measured(fake: Fake) -> None:
    process = fake.start("matrix", "adds_wrongly", "hangs", "-j", "1", "-f", "json")
    deadline = time.monotonic() + 30
    while not list(fake.home.results.rglob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "run the same command to go on" in err
    assert verdicts_of(out)["adds_wrongly@9.0.0"] == "unaffected"
    assert not processes_with(str(fake.home.path))


def test_a_result_file_cut_short_is_measured_again(fake: Fake) -> None:
    first = verdicts_of(fake.run("matrix", *REPROS, "-f", "json").stdout)
    files = sorted(fake.home.results.rglob("*.json"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    doctor = fake.run("doctor")
    assert "cut short" in doctor.stdout
    again = fake.run("matrix", *REPROS, "-f", "json")
    assert verdicts_of(again.stdout) == first
    assert "12 verdicts to measure in 2 cells" in again.stderr


def test_a_half_made_environment_is_never_used(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Fake(fake.project, type(fake.home)(tmp_path / "empty"), fake.wheels)
    process = empty.start("matrix", "adds_wrongly")
    deadline = time.monotonic() + 60
    while not list(empty.home.stacks.glob(".fake-*/bin")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(empty.home.stacks.glob("fake-*")), "killed too late to show anything"
    assert empty.run("matrix", "adds_wrongly").returncode == 0


def test_an_environment_without_its_stamp_is_made_anew(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Fake(fake.project, type(fake.home)(tmp_path / "empty"), fake.wheels)
    assert empty.run("matrix", "adds_wrongly").returncode == 0
    (environment,) = empty.home.stacks.glob("fake-*")
    (environment / "krepro.json").unlink()
    (environment / "lib").rename(environment / "half")
    assert "half-made" in empty.run("doctor").stdout
    assert empty.run("matrix", "adds_wrongly", "--rerun").returncode == 0
    assert not (environment / "half").exists()


@pytest.mark.parametrize("mode", ["environment", "results"])
def test_a_full_disk_is_one_clear_line(fake: Fake, tmp_path: Path, mode: str) -> None:
    """On a real, small file system, mounted in a namespace of its own."""
    small = tmp_path / "small"
    if mode == "results":
        prepare = "".join(
            f"ln -s {fake.home.path}/{n} {small}/{n};" for n in ("stacks", "overlays")
        )
        size, filler = "200k", 188_000
    else:
        prepare, size, filler = "", "3m", 0
    script = (
        f"{prepare} "
        f"head -c {filler} /dev/zero > {small}/filler; "
        f"{sys.executable} -m krepro matrix {' '.join(REPROS)}; code=$?; "
        f"echo kept $(find {small}/results -name '*.json' -size +0 | wc -l); exit $code"
    )
    done = on_small_disk(
        small,
        size,
        script,
        cwd=fake.project.folder,
        env={
            **fake.variables(),
            "KREPRO_HOME": str(small),
            "UV_CACHE_DIR": str(fake.home.downloads),
        },
    )
    assert done.returncode == 3, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "No space left" in said or "untestable:no-space" in said, said
    assert "Traceback" not in said
    assert "affected" not in said.replace("unaffected", "") or mode == "results"


def test_an_index_out_of_reach_is_a_network_failure(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Fake(fake.project, type(fake.home)(tmp_path / "empty"), tmp_path)
    done = subprocess.run(
        empty.command("matrix", "adds_wrongly", "-f", "json"),
        cwd=empty.project.folder,
        env={
            **empty.variables(),
            "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
            "UV_HTTP_RETRIES": "0",
            "UV_FIND_LINKS": "",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    assert set(verdicts_of(done.stdout).values()) == {"untestable:network"}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("error: failed to write: No space left on device (os error 28)", Verdict.NO_SPACE),
        ("error: Failed to fetch: `x`\n dns error: failed to lookup", Verdict.NETWORK),
        ("error: tcp connect error: Connection refused (os error 111)", Verdict.NETWORK),
        ("No solution found: keras==9.8.0 is not available", Verdict.INSTALL),
    ],
)
def test_what_uv_says_tells_the_cause(said: str, verdict: Verdict) -> None:
    assert installer.cause_of(said) is verdict


def test_uv_is_looked_for_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython 3.11's sysconfig gives nothing to a second thread that asks too early."""
    inside = threading.Semaphore(1)
    alone = []

    def find_uv_bin() -> str:
        alone.append(inside.acquire(blocking=False))
        time.sleep(0.01)
        inside.release()
        return "uv"

    monkeypatch.setattr(installer.uv, "find_uv_bin", find_uv_bin)
    threads = [threading.Thread(target=installer.find_uv) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone == [True] * 8


def test_what_the_environment_did_is_tried_again(fake: Fake) -> None:
    """An environment that failed once is no fact about a release."""
    fake.measure(["adds_wrongly"], ["9.8.0"])
    engine = fake.engine()
    plan = engine.plan([Cell("fake", "9.8.0")], fake.project.repros(["adds_wrongly"]))
    assert plan.to_measure == 1


def test_keras_json_of_the_user_changes_nothing(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "no-such-backend")
    monkeypatch.setenv("PYTHONPATH", "/no/such/folder")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    found = fake.measure(["adds_wrongly"], ["9.0.0"])
    assert found["adds_wrongly", "9.0.0"].verdict is Verdict.UNAFFECTED


def test_nothing_is_left_in_the_scratch_folder(fake: Fake) -> None:
    fake.measure(REPROS, ["9.0.0"])
    assert list(fake.home.scratch.iterdir()) == []
