"""A GAN's training as pictures: its curves, its samples, and several trainings side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from krepro.gan.diagnosis import BANDS, Diagnosis
from krepro.gan.history import History
from krepro.gan.run import Trained, history_of, last_samples
from krepro.render.plotting import pyplot

Array = npt.NDArray[Any]

# Told apart by the colour-blind too (Okabe and Ito).
LINES = {
    "real_loss": ("discriminator, real images", "#0072b2"),
    "generated_loss": ("discriminator, generated images", "#56b4e9"),
    "generator_loss": ("generator", "#d55e00"),
    "real_accuracy": ("on real images", "#0072b2"),
    "generated_accuracy": ("on generated images", "#56b4e9"),
}
FRAMES = {
    Diagnosis.STABLE: "#009e73",
    Diagnosis.UNDECIDED: "#999999",
    Diagnosis.MODE_COLLAPSE: "#e69f00",
    Diagnosis.CONVERGENCE_FAILURE: "#d55e00",
    Diagnosis.DIVERGED: "#000000",
    Diagnosis.DISCRIMINATOR_FROZEN: "#cc79a7",
    Diagnosis.GENERATOR_FROZEN: "#882255",
}
# Losses above the one are out of the picture, except where most are: there is nothing above the other.
TOP, MOST = 6.0, 17.0
SIDE = 10


def smoothed(values: Array, width: int) -> Array:
    """Return the running mean over some iterations."""
    known = np.nan_to_num(values, posinf=MOST)
    kernel = np.ones(width) / width
    weight = np.convolve(np.ones(len(known)), kernel, mode="same")
    mean: Array = np.convolve(known, kernel, mode="same") / weight
    return mean


def write_curves(history: History, path: Path, title: str) -> None:
    """Write losses and accuracies, with what is healthy shaded."""
    plt = pyplot()
    figure, axes = plt.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 2))
    for axis, kind in zip(axes, ("loss", "accuracy"), strict=True):
        draw(axis, history, kind)
        axis.legend(loc="upper right", fontsize=8, ncols=3, frameon=False)
    axes[0].set(ylabel="crossentropy, nats", title=title)
    axes[1].set(ylabel="accuracy", xlabel="iteration")
    figure.text(
        0.01,
        0.005,
        "Shaded: healthy in the published experiment (darker: the discriminator; all: the generator).",
        fontsize=7,
        color="#555555",
    )
    save(figure, path)


def draw(axis: Any, history: History, kind: str, *, legend: bool = True) -> None:
    """Draw the losses or the accuracies of a history."""
    iterations = np.arange(1, len(history) + 1)
    bands = [BANDS[f"real_{kind}"], *([BANDS["generator_loss"]] if kind == "loss" else [])]
    for band in bands:
        axis.axhspan(*band, color="#009e73", alpha=0.12, linewidth=0)
    width = max(1, len(history) // 50)
    for name, (label, colour) in LINES.items():
        if not name.endswith(kind) or name not in history:
            continue
        values = np.minimum(history[name], 2 * MOST)
        axis.plot(iterations, values, color=colour, alpha=0.2, linewidth=0.5)
        axis.plot(
            iterations,
            smoothed(values, width),
            color=colour,
            linewidth=1.4,
            label=label if legend else None,
        )
    shown = [history[n] for n in LINES if n.endswith(kind) and n in history]
    highest = max(
        (float(np.max(np.nan_to_num(each, posinf=MOST))) for each in shown), default=1
    )
    usual = max(
        (float(np.median(np.nan_to_num(each, posinf=MOST))) for each in shown), default=1
    )
    top = max(2.2, min(MOST if usual > TOP else TOP, highest * 1.05))
    axis.set_ylim(0, top if kind == "loss" else 1.05)
    axis.set_xlim(1, max(2, len(history)))
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def mosaic(samples: Array, side: int = SIDE) -> Array:
    """Return images of shape (count, height, width, 1) as one, side by side; gaps are NaN."""
    images = samples[: side * side, ..., 0] if samples.ndim == 4 else samples[: side * side]
    _, height, width = images.shape
    found = np.full((side * (height + 1) - 1, side * (width + 1) - 1), np.nan)
    for at, image in enumerate(images):
        top, left = (at // side) * (height + 1), (at % side) * (width + 1)
        found[top : top + height, left : left + width] = image
    return found


def write_samples(samples: Array, path: Path, title: str) -> None:
    """Write ten by ten samples."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(5, 5.3))
    show(axis, mosaic(samples))
    axis.set_title(title, fontsize=9)
    save(figure, path)


def show(axis: Any, image: Array) -> None:
    """Show an image in [-1, 1], grey."""
    axis.imshow(image, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])


def write_overview(trained: Sequence[Trained], path: Path) -> None:
    """Write all trainings as one figure: cells one way, scenario and recipe the other.

    Of several seeds, the first is shown. There are at least as many columns as rows.
    """
    plt = pyplot()
    kinds = list(dict.fromkeys(map(kind_of, trained)))
    cells = list(dict.fromkeys(map(cell_of, trained)))
    wide = len(kinds) > len(cells)
    rows, columns = (cells, kinds) if wide else (kinds, cells)
    figure, axes = plt.subplots(
        2 * len(rows),
        len(columns),
        figsize=(2.3 * len(columns) + 1.0, 3.2 * len(rows)),
        squeeze=False,
        height_ratios=(3, 1) * len(rows),
        gridspec_kw={"hspace": 0.3},
    )
    for axis in axes.flat:
        axis.axis("off")
    drawn = set()
    for each in trained:
        names = (cell_of(each), kind_of(each))
        if names in drawn:
            continue
        drawn.add(names)
        own = names if wide else names[::-1]
        row, column = rows.index(own[0]), columns.index(own[1])
        tile(axes[2 * row, column], axes[2 * row + 1, column], each)
    for row, name in enumerate(rows):
        axes[2 * row, 0].annotate(
            name,
            (-0.12, 0.5),
            xycoords="axes fraction",
            ha="right",
            va="center",
            rotation=90,
            fontsize=9,
            fontweight="bold",
        )
    for column, name in enumerate(columns):
        axes[0, column].annotate(
            name,
            (0.5, 1.18),
            xycoords="axes fraction",
            ha="center",
            va="bottom",
            fontsize=9,
            fontweight="bold",
        )
    save(figure, path)


def kind_of(trained: Trained) -> str:
    """Return scenario and recipe, a line each."""
    return f"{trained.run.settings.scenario}\n{trained.run.settings.recipe}"


def cell_of(trained: Trained) -> str:
    """Return the cell, on two lines."""
    return str(trained.run.cell).replace("@", "\n")


def tile(upper: Any, lower: Any, trained: Trained) -> None:
    """Draw one training: some samples in a frame of its diagnosis, its losses below."""
    upper.axis("on")
    upper.set_title(trained.outcome, fontsize=8)
    colour = FRAMES[trained.finding.diagnosis]
    for spine in upper.spines.values():
        spine.set(edgecolor=colour, linewidth=3)
    samples = last_samples(trained.folder)
    if samples is None or not np.isfinite(samples).all():
        upper.set_xticks([])
        upper.set_yticks([])
        upper.text(0.5, 0.5, "no samples", ha="center", va="center", fontsize=8)
    else:
        show(upper, mosaic(samples, 5))
    if trained.finding.iterations and not trained.trouble:
        lower.axis("on")
        draw(lower, history_of(trained), "loss", legend=False)
        lower.tick_params(labelsize=6)
        lower.set_xticks([])
        lower.set_xlabel(f"{trained.finding.iterations} iterations", fontsize=6)


def save(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all, and forget it."""
    unfinished = path.with_name(f"{path.stem}.unfinished.png")
    figure.savefig(unfinished, dpi=110, bbox_inches="tight", facecolor="white")
    unfinished.replace(path)
    pyplot().close(figure)
