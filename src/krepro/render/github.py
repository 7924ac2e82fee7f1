"""A report for GitHub Actions: annotations on stdout, a job summary in Markdown."""

from __future__ import annotations

from krepro.report import Report, troubles


def escape(text: str) -> str:
    """Return a text as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def render(report: Report) -> str:
    """Return workflow commands: an error per difference, a warning per gap."""
    lines = [
        f"::error file=repros/{difference.repro.path.name},line=1,"
        f"title=verdict differs::{escape(str(difference))}"
        for difference in report.differences()
    ]
    lines += [
        f"::warning title=untestable::{escape(line)}"
        for line in troubles(report.untestable())
    ]
    if missing := len(report.unmeasured()):
        lines.append(f"::warning title=not measured::{missing} verdicts were not measured")
    return "\n".join(lines) + "\n" if lines else "\n"
