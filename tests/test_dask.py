"""A run on a Dask cluster, real scheduler and workers on loopback: the same verdicts as at home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import krepro
from krepro.executor import worker
from krepro.executor.dask import parse
from krepro.project import SelectionError
from tests.conftest import Fake
from tests.fake.subject import JAX_STACK, LOST_STACK, RELEASES, header, make_project
from tests.test_engine import PLANTED, processes_with

# Half a minute and more each.
LONG = pytest.mark.skipif(
    os.environ.get("KREPRO_TRUTH") != "all", reason="long: nox -s truth runs it"
)
HANGS = "hangs"  # Takes its limit of three seconds, and that three times.
SLOW = """
import time


def test_time_passes():
    time.sleep(0.5)
"""
KILLER = """
import os
from pathlib import Path

import keras


def test_nobody_dies():
    if keras.VERSION != "9.1.0":
        return
    pid = os.getpid()
    while "dask" not in Path(f"/proc/{pid}/cmdline").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(pid, 9)
"""


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


class Cluster:
    """A scheduler and workers, processes of their own, each worker with a home of its own."""

    def __init__(self, fake: Fake, folder: Path) -> None:
        self.fake = fake
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        folder.mkdir()
        self.scheduler = self.start("scheduler", "scheduler", "--port", "0")
        wait_for(lambda: self.file.exists() and self.file.read_bytes().endswith(b"}"))

    def start(
        self, name: str, *arguments: str, **variables: str
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "dask", *arguments, "--no-dashboard"),
                    *("--host", "127.0.0.1", "--scheduler-file", str(self.file)),
                ],
                cwd=self.folder,
                env={
                    **self.fake.variables(),
                    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
                    **variables,
                },
                stdout=log,
                stderr=log,
            )

    def home(self, number: int) -> Path:
        return self.folder / f"home-{number}"

    def add_workers(self, count: int = 1, **variables: str) -> subprocess.Popen[bytes]:
        """Start workers, wait until the scheduler knows them, and return the last."""
        first = len(self.workers)
        for number in range(first, first + count):
            self.fake.with_home(self.home(number))
            worker = self.start(
                f"worker-{number}",
                *("worker", "--nthreads", "1", "--no-nanny"),
                **{"KREPRO_HOME": str(self.home(number)), **variables},
            )
            self.workers.append(worker)
        for number in range(first, first + count):
            log = self.folder / f"worker-{number}.log"
            wait_for(lambda log=log: b"Starting established connection" in log.read_bytes())
        return worker

    @property
    def address(self) -> str:
        told: str = json.loads(self.file.read_text())["address"]
        return told.replace("tcp://", "dask://")

    def measures(self, number: int) -> bool:
        """Whether a worker has a cell running."""
        return any(self.home(number).glob("scratch/run-*/*.log"))

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


@pytest.fixture
def cluster(four: Fake, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(four, tmp_path / "cluster")
    try:
        yield made
    finally:
        made.end()


def verdicts(output: str) -> dict[str, tuple[str, str]]:
    """Verdicts, and what the workarounds said, by repro and cell."""
    return {
        f"{e['repro']}@{e['release']}@{e['stack']}": (
            e["verdict"],
            json.dumps({n: w["verdict"] for n, w in e["workarounds"].items()}),
        )
        for e in json.loads(output)["results"]
    }


def test_one_of_two_workers_is_killed_midway_and_the_verdicts_are_those_of_a_local_run(
    cluster: Cluster, tmp_path: Path
) -> None:
    fake = cluster.fake
    make_project(
        fake.project.folder, [*RELEASES, "9.5.0", "9.8.0"], [JAX_STACK, LOST_STACK]
    )
    (fake.project.repros_folder / "takes_time.py").write_text(header() + SLOW)
    names = [*PLANTED, "takes_time", "-t", "all", "-f", "json"]
    doomed = cluster.add_workers(2)
    process = fake.start("matrix", *names, "--executor", cluster.address)
    wait_for(lambda: cluster.measures(1) and list(fake.home.results.rglob("*.json")))
    doomed.kill()
    assert process.poll() is None, "it was killed too late to show anything"
    out, err = process.communicate(timeout=900)
    local = fake.with_home(tmp_path / "local").run("matrix", *names)
    assert verdicts(out) == verdicts(local.stdout)
    assert len(verdicts(out)) == 18 * (len(PLANTED) + 1)
    assert process.returncode == local.returncode == 1, err
    # What the killed worker had running is gone with it, and the other one has tidied up.
    wait_for(lambda: not processes_with(str(cluster.home(1))), 60)
    assert list((cluster.home(0) / "scratch").iterdir()) == []
    assert not processes_with(f"{cluster.home(0)}/scratch")
    # Measured there, kept here.
    assert not (cluster.home(0) / "results").exists()
    assert fake.run("matrix", *names).stderr.count("to measure") == 1, "only what failed"


def test_a_cell_that_kills_workers_is_given_up_and_is_no_fact(cluster: Cluster) -> None:
    fake = cluster.fake
    path = fake.project.repros_folder / "kills_its_worker.py"
    path.write_text(header() + KILLER)
    cluster.add_workers(3)
    done = fake.run("matrix", path.stem, "--executor", cluster.address, "-f", "json")
    assert done.returncode == 3, done.stderr
    found = {e["release"]: e for e in json.loads(done.stdout)["results"]}
    assert {release: e["verdict"] for release, e in found.items()} == {
        "9.0.0": "unaffected",
        "9.1.0": "untestable:crash",
        "9.2.0": "unaffected",
        "9.3.0": "unaffected",
    }
    assert found["9.1.0"]["message"] == "each of the 2 workers that measured this cell died"
    assert sum(worker.poll() is None for worker in cluster.workers) == 1
    # It says nothing of the release, so the next run asks again.
    project = fake.project
    plan = fake.engine().plan(
        project.matrix.cells(project.matrix.versions, list(project.matrix.stack)),
        project.repros([path.stem]),
    )
    assert [cell.release for cell in plan.missing] == ["9.1.0"]


def test_ctrl_c_stops_the_workers_and_keeps_what_is_measured(cluster: Cluster) -> None:
    fake = cluster.fake
    cluster.add_workers()
    process = fake.start(
        "matrix", "adds_wrongly", HANGS, "-f", "json", "--executor", cluster.address
    )
    wait_for(lambda: list(fake.home.results.rglob("*.json")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3
    assert "run the same command to go on" in err
    assert verdicts(out)["adds_wrongly@9.0.0@fake"][0] == "unaffected"
    assert "Traceback" not in err
    assert list((cluster.home(0) / "scratch").iterdir()) == []
    wait_for(lambda: not processes_with(f"{cluster.home(0)}/scratch"), 60)
    # The worker is as good as before.
    done = fake.run("matrix", "adds_wrongly", "--executor", cluster.address)
    assert done.returncode == 0, done.stderr
    assert "3 verdicts to measure in 3 cells" in done.stderr


@LONG
def test_a_killed_client_has_kept_what_came(cluster: Cluster) -> None:
    fake = cluster.fake
    cluster.add_workers()
    arguments = (
        "matrix",
        "adds_wrongly",
        HANGS,
        "-f",
        "json",
        "--executor",
        cluster.address,
    )
    process = fake.start(*arguments)
    wait_for(lambda: list(fake.home.results.rglob("*.json")))
    process.kill()
    process.communicate()
    kept = verdicts(fake.run("show", "adds_wrongly", HANGS, "-f", "json").stdout)
    assert kept
    whole = fake.run(*arguments)
    assert set(kept.items()) <= set(verdicts(whole.stdout).items())
    assert len(verdicts(whole.stdout)) == 8
    assert "8 verdicts to measure" not in whole.stderr


@LONG
def test_a_scheduler_that_goes_is_one_line(cluster: Cluster) -> None:
    fake = cluster.fake
    cluster.add_workers()
    process = fake.start("matrix", "adds_wrongly", HANGS, "--executor", cluster.address)
    wait_for(lambda: list(fake.home.results.rglob("*.json")))
    cluster.scheduler.kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3
    last = err.strip().splitlines()[-1]
    assert last.startswith(
        f"krepro: the scheduler at {cluster.address.replace('dask', 'tcp')}"
    )
    assert "what was measured is kept" in last
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "address",
    ["dask://", "dask://host", "host:8786", "ray://h:1", "dask://h:99999", "dask://h:1/x"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SelectionError, match="is no executor: say dask://HOST:PORT"):
        parse(address)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    progress, line = done.stderr.strip().splitlines()
    assert "to measure" in progress
    return line


def test_no_scheduler_is_one_line_and_exit_2(fake: Fake) -> None:
    done = fake.run("matrix", "adds_wrongly", "--executor", "dask://127.0.0.1:9")
    assert done.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9: start one" in last_line(done)


def test_a_cluster_that_cannot_measure_is_one_line_and_exit_3(
    cluster: Cluster, tmp_path: Path
) -> None:
    fake = cluster.fake
    arguments = ("matrix", "adds_wrongly", "--executor", cluster.address)
    done = fake.run(*arguments)
    assert done.returncode == 3
    assert "has no workers: start some with 'dask worker 127.0.0.1:" in last_line(done)

    file = tmp_path / "file"
    file.write_text("")
    worker = cluster.add_workers(KREPRO_HOME=str(file / "home"))
    done = fake.run(*arguments)
    assert done.returncode == 3
    assert f"is of no use: its cache folder {file / 'home'} cannot be written to" in (
        last_line(done)
    )
    worker.terminate()
    worker.wait()

    other = tmp_path / "other"
    shutil.copytree(Path(krepro.__file__).parent, other / "krepro")
    with (other / "krepro" / "verdict.py").open("a") as changed:
        changed.write("# Another krepro.\n")
    worker = cluster.add_workers(PYTHONPATH=str(other))
    done = fake.run(*arguments)
    assert done.returncode == 3
    line = last_line(done)
    assert "is of no use: it has krepro " in line
    assert "verdicts would not be comparable; install the same there" in line
    worker.terminate()
    worker.wait()

    (other / "krepro" / "executor" / "worker.py").unlink()
    cluster.add_workers(PYTHONPATH=str(other))
    done = fake.run(*arguments)
    assert done.returncode == 3
    assert "it does not know this krepro (" in last_line(done)
    assert not fake.home.results.exists(), "nothing was measured, so nothing is kept"


def test_without_dask_it_says_what_to_install(fake: Fake, tmp_path: Path) -> None:
    hiding = tmp_path / "sitecustomize.py"
    hiding.write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'distributed' else found(name, *a)\n"
    )
    done = subprocess.run(
        fake.command("matrix", "--executor", "dask://127.0.0.1:9"),
        cwd=fake.project.folder,
        env={**fake.variables(), "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'krepro[dask]'" in line


def test_nothing_is_asked_of_a_cluster_where_all_is_known(fake: Fake) -> None:
    assert fake.run("matrix", "adds_wrongly").returncode == 0
    done = fake.run("matrix", "adds_wrongly", "--executor", "dask://127.0.0.1:9")
    assert done.returncode == 0, done.stderr


@LONG
def test_a_worker_tidies_up_where_no_other_cell_comes(fake: Fake) -> None:
    places = ("matrix.toml", "repros/adds_wrongly.py")
    files = {place: (fake.project.folder / place).read_text() for place in places}
    parcel = worker.Parcel("a-run", worker.fingerprint(), files, "batch", 1)
    told: list[str] = []

    def measure() -> list[bytes]:
        cell = ("fake", "9.1.0")
        return worker.measure(
            parcel.pack(), cell, ["adds_wrongly"], lambda event: told.append(event["event"])
        )

    (said,) = measure()
    assert json.loads(said)["repros"]["adds_wrongly"]["verdict"] == "affected"
    assert [event for event in told if event != "prepared"] == ["started", "said"]
    assert list(fake.home.scratch.iterdir()), "its processes wait for the next cell"
    worker.BENCH.close_unused()
    assert list(fake.home.scratch.iterdir()) == []
    assert not processes_with(str(fake.home.scratch))
    assert len(measure()) == 1, "a cell that comes later is measured all the same"
    worker.stop(parcel.run)
    assert measure() == [], "the run was stopped"
    worker.BENCH.close_all()
    assert list(fake.home.scratch.iterdir()) == []


def test_a_worker_that_came_later_refuses_the_cells_of_another_krepro() -> None:
    packed = worker.Parcel("a-run", "another", {}, "batch", 1).pack()
    with pytest.raises(worker.Unfit, match="verdicts would not be comparable"):
        worker.measure(packed, ("fake", "9.0.0"), [], lambda _: None)
