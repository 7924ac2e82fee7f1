"""``krepro gan``, from its options to its exit code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from krepro.board import Status
from krepro.engine import Engine
from krepro.gan import images
from krepro.gan.diagnosis import Diagnosis, diagnose
from krepro.gan.history import read_history
from krepro.gan.run import Array, Run, Trained, Trainer, history_of, mnist
from krepro.gan.settings import Size, settings_of
from krepro.hunt.commands import stoppable
from krepro.project import Project, SelectionError, check_writable
from krepro.render import gan as rendering
from krepro.render import gan_picture
from krepro.report import Exit

DIGITS, MNIST = "digits", "mnist"


@dataclass(frozen=True)
class Asked:
    """What the options of ``krepro gan`` ask for."""

    scenarios: tuple[str, ...]
    recipes: tuple[str, ...]
    releases: tuple[str, ...]
    backends: tuple[str, ...]
    stack_names: tuple[str, ...]
    seeds: tuple[int, ...]
    iterations: int | None
    size: Size
    data: str
    digit: int
    jobs: int
    timeout: float
    anew: bool
    folder: Path | None
    pictures: bool
    history: Path | None
    samples: Path | None
    form: str
    output: Path | None


@dataclass
class Screen(Status):
    """Shows how trainings go, a line each."""

    total: int
    started: dict[str, tuple[float, int]] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)

    def tell(self, run: Run, done: int, row: dict[str, float]) -> None:
        """Say how far a training is."""
        now = time.monotonic()
        since, before = self.started.setdefault(run.name, (now, done))
        wanted = run.settings.iterations
        losses = "/".join(
            f"{row.get(name, float('nan')):.2f}"
            for name in ("real_loss", "generated_loss", "generator_loss")
        )
        line = f"{run}: {done}/{wanted}, losses {losses}"
        if done > before:
            left = round((now - since) / (done - before) * (wanted - done))
            line += f", {left // 60}:{left % 60:02d} left"
        self.lines[run.name] = line
        self.show(line, "\n".join(self.lines.values()))

    def ended(self, trained: Trained, number: int) -> None:
        """Say what one came to."""
        self.lines.pop(trained.run.name, None)
        line = f"[{number}/{self.total}] {trained.run}: {trained.outcome}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def gan(asked: Asked) -> Exit:
    """Run ``krepro gan``; return its exit code.

    Raises:
        SelectionError: the options name what is not there, or a file cannot be read.
        UnknownRelease: a release is unknown.
        InstallError: nothing could be prepared.
    """
    check_writable(asked.output)
    if asked.history:
        outcome = rendering.Outcome(
            finding=diagnose(read_history(asked.history), *compared(asked)),
            source=str(asked.history),
        )
    elif asked.samples:
        raise SelectionError("--samples goes with --diagnose HISTORY")
    else:
        outcome = train(asked)
    rendered = rendering.FORMATS[asked.form](outcome)
    if asked.output:
        asked.output.write_text(rendered, encoding="utf-8")
    else:
        click.echo(rendered, nl=False)
    return exit_of(outcome)


def compared(asked: Asked) -> tuple[Array | None, Array | None]:
    """Return the samples that were given, and real images if any to compare them with.

    Raises:
        SelectionError: they cannot be read, or are no images.
    """
    if asked.samples is None:
        return None, None
    try:
        with asked.samples.open("rb") as file:
            samples: Array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise SelectionError(f"{asked.samples}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise SelectionError(f"{asked.samples}: cannot be read: {error}") from error
    if not isinstance(samples, np.ndarray) or samples.ndim not in {3, 4}:
        raise SelectionError(f"{asked.samples}: not images of shape (count, height, width)")
    if asked.data == DIGITS:
        return samples, None
    size: Size = "small" if samples.shape[1] == images.SIDES["small"] else "full"
    real = images.from_file(Path(asked.data), size, asked.digit)
    return samples[..., None] if samples.ndim == 3 else samples, real


def train(asked: Asked) -> rendering.Outcome:
    """Train all that is asked for, draw pictures, and return what came of it."""
    project = Project.find(Path.cwd())
    versions = project.versions("quick", asked.releases or ("newest",))
    stacks = project.stacks(asked.backends, asked.stack_names)
    if not asked.backends and not asked.stack_names:
        stacks = [project.matrix.primary("torch")]
    cells = project.cells(versions, stacks)
    every = [
        settings_of(
            scenario, size=asked.size, recipe=recipe, seed=seed, iterations=asked.iterations
        )
        for scenario, recipe, seed in itertools.product(
            asked.scenarios, asked.recipes, asked.seeds
        )
    ]
    engine = Engine.of(project, asked.jobs)
    folder = (asked.folder or engine.home.gan).absolute()
    console = Console(stderr=True)
    with stoppable(engine), engine.room() as scratch:
        if asked.data == MNIST:
            path = engine.home.gan / "mnist.npz"
            mnist(engine, cells[0], scratch, path)
            real = images.from_file(path, asked.size, asked.digit)
        elif asked.data == DIGITS:
            real = images.digits(asked.size, asked.digit)
        else:
            real = images.from_file(Path(asked.data), asked.size, asked.digit)
        runs = [
            Run(settings, cell, real, asked.data) for settings in every for cell in cells
        ]
        screen = Screen(console, len(runs))
        trainer = Trainer(engine, scratch, folder, asked.timeout, asked.anew, screen.tell)
        with screen.shown():
            trained = []
            for number, each in enumerate(trainer.train_all(runs, asked.jobs), 1):
                screen.ended(each, number)
                trained.append(each)
    trained.sort(key=lambda each: runs.index(each.run))
    pictures = draw(trained, folder) if asked.pictures else ()
    return rendering.Outcome(tuple(trained), pictures=tuple(map(str, pictures)))


def draw(trained: Sequence[Trained], folder: Path) -> list[Path]:
    """Draw what was trained; return where the pictures are."""
    found: list[Path] = []
    for each in trained:
        if each.trouble or not each.finding.iterations:
            continue
        title = f"{each.run}: {each.outcome}"
        curves = each.folder / "curves.png"
        gan_picture.write_curves(history_of(each), curves, title)
        found.append(curves)
        last: list[Path] = []
        for path in sorted(each.folder.glob("samples-*.npy")):
            samples = np.load(path)
            if np.isfinite(samples).all():
                picture = path.with_suffix(".png")
                number = int(path.stem.partition("-")[2])
                gan_picture.write_samples(
                    samples, picture, f"{each.run}: iteration {number}"
                )
                last = [picture]
        found += last
    if len(trained) > 1:
        overview = folder / "overview.png"
        gan_picture.write_overview(trained, overview)
        return [overview]
    return found


def exit_of(outcome: rendering.Outcome) -> Exit:
    """Return the exit code: 0 where all is stable, 3 where something is not known."""
    if any(each.error for each in outcome.trained):
        return Exit.FINDINGS
    found = [each.finding.diagnosis for each in outcome.trained]
    if outcome.finding:
        found.append(outcome.finding.diagnosis)
    if any(each not in {Diagnosis.STABLE, Diagnosis.UNDECIDED} for each in found):
        return Exit.FINDINGS
    return Exit.INCOMPLETE if Diagnosis.UNDECIDED in found else Exit.AS_EXPECTED
