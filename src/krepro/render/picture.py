"""A report as pictures: a band per repro and a column per release, or counts per release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

from krepro.render.plotting import pyplot
from krepro.render.text import by_area
from krepro.report import Report
from krepro.repro import Repro
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


# Paul Tol's "muted" scheme, told apart by the colour-blind too; then once more, hatched.
AREA_COLOURS = (
    "#332288",
    "#88ccee",
    "#44aa99",
    "#117733",
    "#999933",
    "#ddcc77",
    "#cc6677",
    "#882255",
    "#aa4499",
)


def write_counts(report: Report, path: Path) -> None:
    """Write how many entries affect each release on at least one backend, by area.

    Raises:
        ImportError: matplotlib is not installed (``pip install krepro[picture]``).
    """
    plt = pyplot({"svg.hashsalt": "krepro", "font.size": 8, "hatch.linewidth": 0.6})

    releases = report.releases
    figure, axes = plt.subplots(figsize=(10, 3.8))
    bottom = [0] * len(releases)
    for number, (area, repros) in enumerate(by_area(report)):
        counts = [affecting(report, repros, release) for release in releases]
        axes.bar(
            range(len(releases)),
            counts,
            bottom=bottom,
            width=0.85,
            color=AREA_COLOURS[number % len(AREA_COLOURS)],
            hatch="///" if number >= len(AREA_COLOURS) else None,
            edgecolor="white",
            linewidth=0.3,
            label=area,
        )
        bottom = [old + new for old, new in zip(bottom, counts, strict=True)]
    for column, total in enumerate(bottom):
        axes.text(column, total + 0.5, str(total), ha="center", va="bottom", fontsize=6.5)
    axes.set_xticks(range(len(releases)), [str(r) for r in releases], rotation=90)
    axes.set(
        xlim=(-0.6, len(releases) - 0.4),
        ylim=(0, max(bottom) * 1.08),
        ylabel="entries affected",
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="center right", frameon=False, fontsize=8
    )
    figure.tight_layout(rect=(0, 0, 0.88, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def affecting(report: Report, repros: Sequence[Repro], release: Version) -> int:
    """Return how many repros affect a release on at least one backend."""
    stacks = [stack for stack in report.stacks if not stack.subject]
    return sum(
        any(report.row(repro, s).get(release) is Verdict.AFFECTED for s in stacks)
        for repro in repros
    )


def write(report: Report, path: Path) -> None:
    """Write a report as a picture; the ending of the path says in which format.

    Raises:
        ImportError: matplotlib is not installed (``pip install krepro[picture]``).
    """
    plt = pyplot({"svg.hashsalt": "krepro", "font.size": 7, "hatch.linewidth": 0.5})
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
