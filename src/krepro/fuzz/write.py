"""A finding written as a repro: a file that runs alone, and whose ranges are still to be measured."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

from packaging.version import Version

from krepro.fuzz import source
from krepro.fuzz.compare import Divergence
from krepro.fuzz.hunt import Finding
from krepro.fuzz.program import Fit, Program
from krepro.fuzz.reference import RULES
from krepro.matrix import Matrix
from krepro.recorded.difference import Kind
from krepro.scaffold import FOOTER

WIDTH = 92
# Rules of a step that are told, at most.
MOST_RULES = 8


def name_of(finding: Finding) -> str:
    """Return a name for a finding's file: what goes wrong, and a hash of the program."""
    divergence = finding.divergence
    words = re.sub(r"[^a-z0-9]+", "_", f"{divergence.call} {divergence.kind}".lower())
    return f"fuzz_{words.strip('_')}_{finding.key}"


def title_of(divergence: Divergence) -> str:
    """Return one line that says what goes wrong."""
    where = f"{divergence.call}: {divergence.subject}"
    if divergence.kind is Kind.RAISES:
        what = f"raises {symptom_of(divergence)}" if divergence.site else divergence.seen
        return f"{divergence.call} {what}"
    if divergence.invariant:
        return f"{where} is {divergence.seen}, {divergence.expected} in a program like it"
    if divergence.oracle:
        return f"{where} is {divergence.seen}, on {divergence.oracle} {divergence.expected}"
    return f"{where} is {divergence.seen}, {divergence.expected} was promised"


def repro_text(finding: Finding, matrix: Matrix) -> str:
    """Return the text of a repro file that shows a finding.

    Its metadata declares no more than was seen: the releases and backends where it diverged.
    """
    program, divergence = finding.shown
    first = next(iter(finding.sights))
    needs = [f"keras=={first.release}", *matrix.find_stack(first.stack).requirements]
    lines = [
        "# /// script",
        '# requires-python = ">=3.11"',
        f"# dependencies = {json.dumps(needs)}",
        "#",
        "# [tool.krepro]",
        f"# title = {json.dumps(title_of(divergence))}",
        f"# kind = {json.dumps(kind_of(divergence))}",
        '# area = "trainer"',
        "# issues = []",
        f"# docs = {json.dumps(pages_of(finding))}",
    ]
    if divergence.kind is Kind.RAISES and divergence.site:
        lines.append(f"# symptom = {json.dumps(symptom_of(divergence))}")
    lines += [f"# affected = {affected_of(finding, matrix)}", "# ///"]
    return "\n".join(
        [
            *lines,
            f'"""{docstring_of(finding)}"""',
            "",
            *body_of(program, divergence),
            "",
            "",
            FOOTER,
        ]
    )


def kind_of(divergence: Divergence) -> str:
    """Return what kind of entry it would be."""
    if divergence.kind is Kind.RAISES:
        return "crash"
    elsewhere = divergence.oracle and not divergence.invariant
    return "divergence" if elsewhere else "silent"


def pages_of(finding: Finding) -> list[str]:
    """Return the pages of the documentation that the diverging step stands on."""
    if finding.invariant:
        return [finding.invariant.page]
    names = sorted(finding.divergence.rules)
    return list(dict.fromkeys(RULES[name].page for name in names if name in RULES))


def symptom_of(divergence: Divergence) -> str:
    """Return the exception as metadata declares it: the first line, up to what varies."""
    return divergence.seen.splitlines()[0][:120]


def affected_of(finding: Finding, matrix: Matrix) -> str:
    """Return the cells where it was seen, as ranges by backend."""
    seen: dict[str, list[str]] = {}
    for cell in finding.sights:
        seen.setdefault(matrix.find_stack(cell.stack).backend, []).append(cell.release)
    ranges = {
        backend: [f"=={release}" for release in sorted(releases, key=Version)]
        for backend, releases in seen.items()
    }
    parts = (f"{backend} = {json.dumps(each)}" for backend, each in sorted(ranges.items()))
    return f"{{ {', '.join(parts)} }}"


def docstring_of(finding: Finding) -> str:
    """Return what was promised, and what was seen where."""
    divergence = finding.divergence
    promised = [
        f"* {RULES[name].statement} ({RULES[name].where})"
        for name in sorted(divergence.rules)
        if name in RULES
    ]
    if finding.invariant:
        promised = [f"* {finding.invariant.statement}"]
    parts = [
        title_of(divergence).replace("\\", "/").replace('"', "'") + ".",
        "",
        "Found by drawing programs. Seen in: "
        + ", ".join(map(str, finding.sights))
        + "; other releases and backends are still to be measured.",
    ]
    if not finding.confirmed:
        parts += [
            "",
            "Not seen again in fresh processes: what an earlier program left behind?",
        ]
    if promised:
        parts += ["", "What the step that diverges stands on:", "", *promised[:MOST_RULES]]
    wrapped = (
        textwrap.fill(part, WIDTH, subsequent_indent="  " * part.startswith("*"))
        for part in parts
    )
    return "\n".join(wrapped) + "\n"


def body_of(program: Program, divergence: Divergence) -> list[str]:
    """Return the lines of the script, with the promise as its test."""
    chunks = source.chunks(program)
    functions, building = split(chunks[0])
    # Nothing after the step that diverges is needed.
    inside = [building, *chunks[1 : divergence.step + 2]]
    inside += ["\n".join(assertion_of(program, divergence))]
    text = "\n".join(part.strip("\n") for part in inside if part.strip())
    return [
        functions.rstrip("\n"),
        "",
        "",
        "def test_the_promise():",
        f'    """{one_line(divergence)}"""',
        textwrap.indent(text, "    "),
    ]


def one_line(divergence: Divergence) -> str:
    """Return the promise as a docstring."""
    if divergence.kind is Kind.RAISES:
        return f"{divergence.call} works."
    return f"{divergence.call}: {divergence.subject} is {divergence.expected}."


def split(building: str) -> tuple[str, str]:
    """Return the imports and functions of a building, and what is done with them."""
    lines = building.splitlines()
    blocks: list[list[str]] = [[]]
    for line in lines:
        decorated = blocks[-1] and blocks[-1][-1].startswith("@")
        if line and not line[0].isspace() and not decorated:
            blocks.append([])
        blocks[-1].append(line)
    top = [b for b in blocks if b and re.match(r"import |def |@|class Batches", b[0])]
    rest = [b for b in blocks if b and b not in top]
    imports = [line for b in top if b[0].startswith("import ") for line in b]
    others = ["\n".join(b).rstrip() for b in top if not b[0].startswith("import ")]
    functions = "\n".join(line for line in imports if line)
    functions += "".join(f"\n\n\n{other}" for other in others)
    return functions, "\n".join("\n".join(b).rstrip() for b in rest)


# --- the assertion ------------------------------------------------------------------------


def assertion_of(program: Program, divergence: Divergence) -> list[str]:
    """Return the lines that assert what was expected."""
    wanted = divergence.wanted
    if divergence.kind is Kind.RAISES:
        if divergence.expected == "no exception" or not divergence.site:
            return []
        return [f'raise AssertionError("no exception, {divergence.expected} was promised")']
    seen = expression_of(program, divergence)
    if divergence.kind is Kind.NAMES:
        return [f"names = sorted({seen})", f"assert names == {json.dumps(wanted)}, names"]
    if divergence.kind is Kind.STRUCTURE:
        return [f"seen = {seen}", f"assert {condition_of(divergence)}, seen"]
    return [
        f"seen = np.asarray({seen})",
        f"expected = {literal_of(wanted)}",
        'message = f"{seen.tolist()}, promised {expected}"',
        f"assert np.allclose(seen, expected, rtol=0, atol={divergence.tolerance:.2g}), message",
    ]


def condition_of(divergence: Divergence) -> str:
    """Return the condition that a result of the expected structure meets."""
    expected = divergence.expected
    if isinstance(divergence.wanted, int):
        return f"len(seen) == {divergence.wanted}"
    if expected.startswith("shape "):
        return f"np.shape(seen) == {expected.removeprefix('shape ')}"
    if expected == "a number":
        return "isinstance(seen, (int, float, np.number))"
    if expected == "None":
        return "seen is None"
    return f"type(seen).__name__ == {json.dumps(expected.partition(' ')[0])}"


def expression_of(program: Program, divergence: Divergence) -> str:
    """Return the expression that a difference is about."""
    if divergence.kind in (Kind.WEIGHTS, Kind.TRAINS) or divergence.subject.startswith(
        "model_"
    ):
        model, *layers, number = divergence.subject.split("/")
        inner = "".join(f".get_layer({json.dumps(layer)})" for layer in layers)
        return f"{model}{inner}.get_weights()[{number}]"
    found = "result"
    if isinstance(program.steps[divergence.step], Fit):
        found = "result.history"
    return found + "".join(f"[{json.dumps(part)}]" for part in divergence.path)


def literal_of(value: Any) -> str:
    """Return a number or nested lists of numbers, as exact as a float32 needs."""
    if not isinstance(value, list):
        return f"{float(value):.9g}"
    return f"[{', '.join(literal_of(each) for each in value)}]"
