"""A report as Markdown, for READMEs, issues and GitHub's job summary."""

from __future__ import annotations

from krepro.render.text import by_area
from krepro.report import Report, grouped, troubles
from krepro.repro import Repro


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
