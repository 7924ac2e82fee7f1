"""Train GANs in cells: each in a folder of its own, gone on with where it was stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from filelock import FileLock

from krepro.cell.script import Script
from krepro.cell.supervise import Limits
from krepro.engine import SCRIPT, Engine, Stopped
from krepro.gan.diagnosis import Diagnosis, Finding, diagnose
from krepro.gan.history import History, read_history, to_json
from krepro.gan.settings import Settings
from krepro.installer import InstallError
from krepro.matrix import Cell
from krepro.project import SelectionError

Array = npt.NDArray[Any]
LOCK = ".lock"
# How often a training's history is looked at, in seconds.
LOOK_S = 0.5
MEMORY_MB = 6144
# What a cell has off or low, as it hardly pays for the small models of repros. Convolutions of the
# full size take TensorFlow 2.5 times as long without oneDNN, JAX 1.5 times with nothing optimized.
QUICK = {"TF_ENABLE_ONEDNN_OPTS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def training_script() -> Path:
    """Return the path of the script that trains: it imports Keras, so it is run, not imported."""
    return Path(__file__).with_name("training.py")


@dataclass(frozen=True)
class Run:
    """One training: settings, images and a cell."""

    settings: Settings
    cell: Cell
    images: Array = field(repr=False)
    data: str = "digits"

    @property
    def name(self) -> str:
        """The name of its folder: another for anything that its result depends on."""
        digest = hashlib.sha256(training_script().read_bytes())
        digest.update(msgspec.json.encode(self.settings))
        digest.update(self.images.tobytes())
        digest.update(json.dumps(self.variables, sort_keys=True).encode())
        settings = self.settings
        parts = (
            settings.scenario,
            settings.recipe,
            settings.size,
            self.cell.release,
            self.cell.stack,
            f"seed{settings.seed}",
            digest.hexdigest()[:8],
        )
        return "-".join(parts)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the environment that are other than those of a cell."""
        return QUICK if self.settings.size == "full" else {}

    def __str__(self) -> str:
        settings = self.settings
        return f"{settings.scenario}, {settings.recipe}, seed {settings.seed}, {self.cell}"


@dataclass(frozen=True)
class Trained:
    """How a training ended: its diagnosis, what Keras raised if it did, and where all of it is.

    ``trouble``: it did not come to an end, for a reason that is not Keras'.
    """

    run: Run
    folder: Path
    finding: Finding
    error: str = ""
    trouble: str = ""

    @property
    def outcome(self) -> str:
        """What it came to, in a word or two."""
        if self.trouble:
            return "not trained"
        if self.error and self.finding.diagnosis == Diagnosis.UNDECIDED:
            return f"raises {self.error.partition(':')[0]}"
        return self.finding.diagnosis


@dataclass
class Trainer:
    """Trains in cells, by an engine."""

    engine: Engine
    scratch: Path
    folder: Path
    timeout_s: float = 6 * 3600.0
    anew: bool = False
    # Told of a run, its iterations, and the last row of its history.
    progress: Callable[[Run, int, dict[str, float]], None] = lambda *_: None

    def train_all(self, runs: Sequence[Run], jobs: int) -> Iterator[Trained]:
        """Train several, some at a time; yield each as it ends.

        What stopped before its end is left where it is: the same runs go on there.
        """
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            for done in as_completed([pool.submit(self.train, run) for run in runs]):
                yield done.result()

    def train(self, run: Run) -> Trained:
        """Train, or go on, or take what is there; diagnose it."""
        folder = self.folder / run.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Another run of krepro may train the same.
            with FileLock(folder / LOCK):
                trouble = self._unless_ended(run, folder)
        except OSError as error:
            trouble = f"{folder} cannot be written: {error}"
        return judged(run, folder, trouble)

    def _unless_ended(self, run: Run, folder: Path) -> str:
        """Train, or go on, if there is anything to do; return what kept it from its end."""
        if self.anew:
            for path in folder.iterdir():
                if path.name != LOCK:
                    path.unlink()
        trouble = ""
        if not ended(folder) and not self.engine.stop.is_set():
            trouble = self._train(run, folder)
        return trouble or ("" if ended(folder) else "stopped")

    def _train(self, run: Run, folder: Path) -> str:
        """Have the script train; return what kept it from its end, if anything did."""
        np.savez(folder / "images.npz", x=run.images)
        settings = msgspec.to_builtins(run.settings)
        settings |= {"folder": str(folder), "data": str(folder / "images.npz")}
        path = folder / "settings.json"
        path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        kit = self.scratch / f"kit-{run.name}"
        kit.mkdir(exist_ok=True)
        shutil.copy(training_script(), kit / "training.py")
        script = Script(kit, "training.py", (str(path),), variables=run.variables)
        limits = Limits(timeout_s=self.timeout_s, memory_mb=MEMORY_MB, output_kb=256)
        over = threading.Event()
        watching = threading.Thread(target=self._look, args=(run, folder, over))
        watching.start()
        try:
            said = self.engine.ask(run.cell, [], self.scratch, script=script, limits=limits)
        except Stopped:
            return "stopped"
        except InstallError as error:
            return str(error)
        finally:
            over.set()
            watching.join()
        return ending(said.get(SCRIPT))

    def _look(self, run: Run, folder: Path, over: threading.Event) -> None:
        """Tell how far a training is, until it is over."""
        told = -1
        while not over.wait(LOOK_S):
            row = last_row(folder / "history.csv")
            if row and row.get("iteration", 0) != told:
                told = int(row["iteration"])
                self.progress(run, told, row)


def mnist(engine: Engine, cell: Cell, scratch: Path, path: Path) -> None:
    """Have Keras' own loader download MNIST in a cell, and keep it as an NPZ file.

    Raises:
        OSError: it cannot be downloaded.
    """
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kit = scratch / "kit-mnist"
    kit.mkdir(exist_ok=True)
    (kit / "load.py").write_text(LOAD_MNIST, encoding="utf-8")
    script = Script(kit, "load.py", (str(path),))
    limits = Limits(600, MEMORY_MB, 64)
    record = engine.ask(cell, [], scratch, script=script, limits=limits).get(SCRIPT)
    if not path.is_file():
        raise OSError(f"MNIST could not be downloaded: {ending(record)}")


LOAD_MNIST = """import sys
import keras
import numpy as np
(x, y), _ = keras.datasets.mnist.load_data()
with open(sys.argv[1] + ".unfinished", "wb") as file:
    np.savez_compressed(file, x=x, y=y)
import os
os.replace(sys.argv[1] + ".unfinished", sys.argv[1])
"""


def ending(record: dict[str, Any] | None) -> str:
    """Return what kept a script from its end, by what its cell said of it; nothing if it ended."""
    if record is None:
        return "its process died"
    if record.get("status") == 0:
        return ""
    words = (record.get("verdict"), record.get("type"), record.get("message"))
    return ": ".join(str(word) for word in words if word) or "the script failed"


def ended(folder: Path) -> bool:
    """Whether a training came to its end, or to what Keras raised."""
    return (folder / "facts.json").is_file()


def judged(run: Run, folder: Path, trouble: str = "") -> Trained:
    """Return the diagnosis of what is in a run's folder."""
    history = folder / "history.csv"
    if trouble:
        finding = Finding(Diagnosis.UNDECIDED, trouble)
        return Trained(run, folder, finding, trouble=trouble)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    try:
        told = read_history(history)
        finding = diagnose(told, last_samples(folder), run.images)
        (folder / "history.json").write_text(to_json(told), encoding="utf-8")
    except SelectionError as error:
        finding = Finding(Diagnosis.UNDECIDED, str(error))
    raised = textwrap.shorten(facts["error"], 300)
    if raised:
        diagnosis = Diagnosis.UNDECIDED
        reason = f"after {facts['iterations']} iterations the training raised {raised}"
        if not facts["finite"]:
            diagnosis = Diagnosis.DIVERGED
            reason = f"the networks hold or answer no finite numbers: {reason}"
        finding = Finding(diagnosis, reason, iterations=facts["iterations"])
    return Trained(run, folder, finding, error=raised)


def last_samples(folder: Path) -> Array | None:
    """Return the last samples that a training kept."""
    kept = sorted(folder.glob("samples-*.npy"))
    if not kept:
        return None
    samples: Array = np.load(kept[-1])
    return samples


def history_of(trained: Trained) -> History:
    """Return the history of a training that has one."""
    return read_history(trained.folder / "history.csv")


def last_row(path: Path) -> dict[str, float]:
    """Return the last whole row of a history that is being written; none if there is none."""
    try:
        with path.open("rb") as file:
            header = file.readline().decode().strip().split(",")
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 2000))
            lines = file.read().decode().split("\n")[:-1]
        values = [float(text) for text in lines[-1].split(",")]
    except (OSError, ValueError, IndexError):
        return {}
    return dict(zip(header, values, strict=True)) if len(values) == len(header) else {}
