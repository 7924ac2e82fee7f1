"""A report as Markdown, for READMEs, issues and GitHub's job summary."""

from __future__ import annotations

from krepro.render.text import by_area
from krepro.report import Report, grouped, troubles
from krepro.repro import Repro
from krepro.verdict import Verdict


def ranges_table(report: Report, link: str = "repros/{id}.py") -> str:
    """Return a table of repros with the affected range per stack.

    Args:
        report: the verdicts.
        link: where a repro's name leads, ``{id}`` standing for it; empty for no link.
    """
    stacks = report.stacks
    heads = ["repro", "kind", *(stack.name for stack in stacks)]
    lines = [row(heads), row(["---"] * len(heads))]
    for _, repros in by_area(report):
        for repro in repros:
            name = (
                f"[`{repro.id}`]({link.format(id=repro.id)})" if link else f"`{repro.id}`"
            )
            found = [cell_text(report, repro, stack.name) for stack in stacks]
            lines.append(row([name, repro.kind, *found]))
    return "\n".join(lines) + "\n"


def folded_tables(report: Report) -> str:
    """Return the table of ranges in a folded part per area, with what is in it on top."""
    parts = []
    for area, repros in by_area(report):
        here = Report(report.matrix, report.cells, tuple(repros), report.found)
        live = sum(1 for repro in repros if live_on(report, repro))
        parts.append(
            f"<details>\n<summary>{area}: {len(repros)} entries, {live} of them live in "
            f"{report.releases[-1]}</summary>\n\n{ranges_table(here)}\n</details>\n"
        )
    return "\n".join(parts)


def live_on(report: Report, repro: Repro) -> list[str]:
    """Return the backends on which the newest release is affected."""
    newest = report.releases[-1]
    return [
        stack.backend
        for stack in report.stacks
        if not stack.subject and report.row(repro, stack).get(newest) is Verdict.AFFECTED
    ]


def findings(report: Report) -> str:
    """Return the page of what the newest release does otherwise than its documentation says."""
    newest = report.releases[-1]
    live = [repro for repro in report.repros if live_on(report, repro)]
    found = [repro for repro in live if repro.kind != "change"]
    introduction = (
        f"Made by `krepro publish` from `results/`: the {len(found)} entries of the catalogue\n"
        f"(of {len(report.repros)}) whose documented promise Keras {newest} does not keep, each\n"
        "measured. Whether upstream would call each of them a bug is for upstream to say.\n"
    )
    parts = [f"# Live in Keras {newest}\n", introduction]
    kept = Report(report.matrix, report.cells, tuple(found), report.found)
    for area, repros in by_area(kept):
        parts.append(f"## {area}\n")
        for repro in repros:
            parts.append(f"### {repro.title}\n")
            parts.append(f"{repro.docstring}\n")
            ranges = [
                f"{stack.backend} {cell_text(report, repro, stack.name)}"
                for stack in report.stacks
                if not stack.subject
            ]
            lines = [
                f"* Entry: [`{repro.id}`](../repros/{repro.id}.py), {repro.kind}",
                f"* Live on: {', '.join(live_on(report, repro))}; affected: {'; '.join(ranges)}",
                f"* Promised in: {', '.join(f'<{url}>' for url in repro.docs)}",
            ]
            if repro.issues:
                known = ", ".join(
                    f"[#{n}](https://github.com/keras-team/keras/issues/{n})"
                    for n in repro.issues
                )
                lines.append(f"* Upstream: {known}")
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def cell_text(report: Report, repro: Repro, stack_name: str) -> str:
    """Return what a repro said on a stack: a range, or the one verdict of a reference."""
    stack = report.matrix.find_stack(stack_name)
    if not stack.subject:
        return report.range(repro, stack)
    verdicts = [verdict for verdict in report.row(repro, stack).values() if verdict]
    return verdicts[0].value if verdicts else ""


def render(report: Report) -> str:
    """Return a report as Markdown: table, counts, what differs, what is missing."""
    counts = report.counts()
    parts = [
        "## krepro matrix\n",
        ranges_table(report, link=""),
        f"{sum(counts.values())} verdicts: "
        + ", ".join(
            f"{n} {v.value}" for v, n in sorted(counts.items(), key=lambda e: -e[1])
        )
        + ".\n",
    ]
    differences = [f"- {escape(line)}" for line in grouped(report.differences())]
    if differences:
        parts.append("### Verdicts that are not the declared ones\n")
        parts.append("\n".join(differences) + "\n")
    gaps = [f"- {escape(line)}" for line in troubles(report.untestable())]
    if missing := len(report.unmeasured()):
        gaps.append(f"- {missing} verdicts were not measured")
    if gaps:
        parts.append("### Not known\n")
        parts.append("\n".join(gaps) + "\n")
    return "\n".join(parts)


def row(texts: list[str]) -> str:
    """Return one row of a table."""
    return "| " + " | ".join(escape(text) for text in texts) + " |"


def escape(text: str) -> str:
    """Return a text that does not break a table or its line."""
    return " ".join(text.split()).replace("|", "\\|")
