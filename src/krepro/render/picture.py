"""A report as a picture: a band per repro, in it a stripe per backend, a column per release."""

from __future__ import annotations

from pathlib import Path

from krepro.render.text import by_area
from krepro.report import Report
from krepro.verdict import Verdict

# Told apart by the colour-blind too (Okabe and Ito); unknown is hatched, never a colour.
COLOURS = {
    Verdict.AFFECTED: "#d55e00",
    Verdict.UNAFFECTED: "#cfe5f2",
    Verdict.NOT_APPLICABLE: "#ffffff",
}
LABELS = {
    Verdict.AFFECTED: "affected",
    Verdict.UNAFFECTED: "unaffected",
    Verdict.NOT_APPLICABLE: "the release lacks the feature",
}


def write(report: Report, path: Path) -> None:
    """Write a report as a picture; the ending of the path says in which format.

    Raises:
        ImportError: matplotlib is not installed (``pip install krepro[picture]``).
    """
    import matplotlib as mpl  # noqa: PLC0415  Heavy, and needed here alone.

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "krepro", "font.size": 7, "hatch.linewidth": 0.5})
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from matplotlib.patches import Patch, Rectangle  # noqa: PLC0415

    stacks = [stack for stack in report.stacks if not stack.subject]
    repros = [repro for _, found in by_area(report) for repro in found]
    releases = report.releases
    figure, axes = plt.subplots(figsize=(10, 0.24 * len(repros) + 1.2))
    for row, repro in enumerate(repros):
        for stripe, stack in enumerate(stacks):
            verdicts = report.row(repro, stack)
            for column, release in enumerate(releases):
                verdict = verdicts.get(release)
                colour = COLOURS.get(verdict) if verdict else None
                height = 0.84 / len(stacks)
                axes.add_patch(
                    Rectangle(
                        (column, row + 0.08 + stripe * height),
                        1,
                        height,
                        facecolor=colour or "#ffffff",
                        hatch=None if colour else "////",
                        edgecolor="#ffffff" if colour else "#888888",
                        linewidth=0.3,
                    )
                )
    first = {
        str(release).rpartition(".")[0]: n
        for n, release in reversed(list(enumerate(releases)))
    }
    for column in first.values():
        axes.axvline(column, color="#888888", linewidth=0.4)
    axes.set_xticks(
        [n + 0.5 for n in range(len(releases))], [str(r) for r in releases], rotation=90
    )
    axes.set_yticks([n + 0.5 for n in range(len(repros))], [repro.id for repro in repros])
    axes.set(xlim=(0, len(releases)), ylim=(len(repros), 0))
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    patches = [
        Patch(facecolor=colour, edgecolor="#888888", linewidth=0.4, label=LABELS[verdict])
        for verdict, colour in COLOURS.items()
    ]
    patches.append(
        Patch(facecolor="#ffffff", edgecolor="#888888", hatch="////", label="not known")
    )
    figure.legend(
        handles=patches,
        loc="lower center",
        ncols=4,
        frameon=False,
        title="stripes, from above: " + ", ".join(stack.name for stack in stacks),
    )
    figure.tight_layout(rect=(0, 0.045, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
