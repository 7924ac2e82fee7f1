"""What a script's training did on both ends of an upgrade, as a picture: its losses, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from krepro.cell.recorder import FIT, TRAIN_ON_BATCH
from krepro.recorded.check import Checked
from krepro.recorded.quantity import named
from krepro.recorded.recording import Recording
from krepro.render.plotting import pyplot
from krepro.upgrade.outcome import Upgrade

# Okabe and Ito: told apart by the colour-blind too, and by the dashes.
OLD, NEW, MARK = "#0072b2", "#d55e00", "#777777"
MOST_PANELS = 8
Series = dict[str, list[tuple[int, int, float]]]


def write(upgrade: Upgrade, checked: Checked, path: Path) -> None:
    """Write the losses of each place that trains, on both ends.

    Raises:
        ImportError: matplotlib is not installed (``pip install krepro[picture]``).
    """
    plt = pyplot({"svg.hashsalt": "krepro", "font.size": 8})

    sides = [losses(recording) for recording in checked.values]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))[:MOST_PANELS]
    rows = max(1, len(names))
    figure, panels = plt.subplots(rows, figsize=(8, 0.8 + 2.2 * rows), squeeze=False)
    for panel, name in zip(panels[:, 0], names, strict=False):
        draw(panel, name, [side.get(name, []) for side in sides], upgrade)
    if not names:
        panels[0, 0].text(0.5, 0.5, "trains nothing", ha="center")
    panels[0, 0].legend(loc="upper right", frameon=False)
    figure.suptitle(
        f"{upgrade.script}: Keras {upgrade.old} to {upgrade.new}", x=0.02, ha="left"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=150, metadata=plain(path))
    plt.close(figure)


def plain(path: Path) -> Mapping[str, Any] | None:
    """Return what keeps a date out of a file, so that the same run gives the same picture."""
    return {"Date": None} if path.suffix == ".svg" else None


def draw(
    panel: Any, name: str, sides: list[list[tuple[int, int, float]]], upgrade: Upgrade
) -> None:
    """Draw one place of the script: the loss at each of its steps, and where they part."""
    styles = ((OLD, "-", str(upgrade.old)), (NEW, "--", str(upgrade.new)))
    for side, (colour, dashes, label) in zip(sides, styles, strict=True):
        values = [value for _, _, value in side]
        few = len(values) < 3
        panel.plot(
            range(1, len(values) + 1),
            values,
            color=colour,
            linestyle=dashes,
            marker="o" if few else None,
            label=label,
        )
    parted = [
        number
        for number, (call, step, _) in enumerate(sides[0], 1)
        if any(
            (d.place.call, d.place.step or 1) == (call, step)
            for finding in upgrade.weighty
            for d in finding.differences
        )
    ]
    if parted:
        panel.axvline(parted[0], color=MARK, linewidth=0.8, linestyle=":")
        panel.annotate(
            "they part",
            (parted[0], 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -10),
            textcoords="offset points",
            color=MARK,
        )
    panel.set_title(name, loc="left", fontsize=8)
    panel.set(xlabel="training step", ylabel="loss")
    panel.spines[["top", "right"]].set_visible(False)


def losses(recording: Recording) -> Series:
    """Return the losses of training by the place in the script: call, step and loss."""
    found: Series = {}
    for call in recording.calls:
        model = recording.models[call.model] if call.model is not None else ""
        name = f"{call.method} at {call.at}, {model}"
        if call.method == FIT:
            steps = [
                (s.count, s.logs.get("loss")) for s in call.steps if s.phase == "train"
            ]
        elif call.method == TRAIN_ON_BATCH:
            steps = [(1, named(call).get("loss"))]
        else:
            continue
        found.setdefault(name, []).extend(
            (call.number, count, loss) for count, loss in steps if isinstance(loss, float)
        )
    return found
