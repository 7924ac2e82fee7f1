"""The tables of ``docs/gan.md``, from stored trainings: which recipe works where, what is right."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.version import Version

from krepro.gan.settings import RECIPES
from krepro.gan.truth import Case, agreement, confusion, read_cases

# How a stack is called in a heading: its backend, or what it is a reference for.
REFERENCE = "keras-2"
# The recipe that has no flags: what the others are held to.
MEASURE = "train-step"


def recipes_table(cases: Sequence[Case]) -> str:
    """Return what each recipe leads to, on each backend, by ranges of releases, as Markdown."""
    stacks = stacks_of(cases)
    lines = [
        "| Recipe | " + " | ".join(heading(stack) for stack in stacks) + " |",
        "|---" * (len(stacks) + 1) + "|",
    ]
    for recipe in RECIPES:
        row = [f"`{recipe}`"]
        for stack in stacks:
            found = [c for c in cases if (c.recipe, c.stack) == (recipe, stack)]
            row.append("<br>".join(by_range(found, cases)) or "not measured")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def stacks_of(cases: Sequence[Case]) -> list[str]:
    """Return the stacks of some cases, the reference last."""
    return sorted(
        {case.stack for case in cases}, key=lambda name: (name == REFERENCE, name)
    )


def heading(stack: str) -> str:
    """Return what a column is called."""
    return "Keras 2" if stack == REFERENCE else stack.rpartition("-")[0]


def by_range(cases: Sequence[Case], every: Sequence[Case]) -> list[str]:
    """Return what one recipe leads to on one stack, a text for each range of releases."""
    outcomes = {Version(case.release): effect(case, every) for case in cases}
    found = []
    for outcome, group in itertools.groupby(sorted(outcomes), key=lambda v: outcomes[v]):
        releases = list(group)
        first, last = releases[0], releases[-1]
        name = str(first) if first == last else f"{first} to {last}"
        found.append(f"{name}: {outcome}")
    return found


def effect(case: Case, every: Sequence[Case]) -> str:
    """Return what a recipe does to the networks; ``train-step`` on the same cell is the measure."""
    if case.diagnosis.startswith("raises") or case.diagnosis.endswith("frozen"):
        return case.diagnosis
    if case.aside:
        return f"D learns in G's steps too ({case.aside:.0%} of them)"
    measure = [
        other.last
        for other in every
        if (other.recipe, other.stack, other.release) == (MEASURE, case.stack, case.release)
    ]
    if not measure or len(case.last) != len(measure[0]):
        return "trains, with nothing to compare with"
    same = all(
        math.isclose(own, other, rel_tol=1e-3)
        for own, other in zip(case.last, measure[0], strict=True)
    )
    return "**works**" if same else f"trains, not as `{MEASURE}` does"


def scenarios_table(cases: Sequence[Case]) -> str:
    """Return what each scenario led to, over all seeds, by backend, as Markdown."""
    stacks = stacks_of(cases)
    lines = [
        "| Scenario | Recipe | "
        + " | ".join(map(heading, stacks))
        + " | D loss | G loss | Variety |",
        "|---|---" + "|---" * len(stacks) + "|---|---|---|",
    ]
    kinds = dict.fromkeys((case.scenario, case.recipe) for case in cases)
    for scenario, recipe in kinds:
        own = [c for c in cases if (c.scenario, c.recipe) == (scenario, recipe)]
        row = [f"`{scenario}`", f"`{recipe}`"]
        for stack in stacks:
            counts = Counter(c.diagnosis for c in own if c.stack == stack)
            row.append(", ".join(f"{n} {name}" for name, n in counts.most_common()))
        row += [
            span([c.losses[0] for c in own if c.losses]),
            span([c.losses[1] for c in own if c.losses]),
            span([c.variety for c in own if c.variety is not None]),
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def full_table(cases: Sequence[Case]) -> str:
    """Return what each scenario led to in the full size, and after how many iterations."""
    lengths: dict[tuple[str, str], set[int]] = {}
    for case in cases:
        lengths.setdefault((case.scenario, case.recipe), set()).add(case.iterations)
    head, line, *rows = scenarios_table(cases).splitlines()
    found = [f"{head} Iterations |", f"{line}---|"]
    # The rows are in the order of the kinds.
    for row, lasted in zip(rows, lengths.values(), strict=True):
        took = sorted(lasted)
        found.append(f"{row} {took[0]}" + (f" to {took[-1]} |" if len(took) > 1 else " |"))
    return "\n".join(found) + "\n"


def span(values: Sequence[float]) -> str:
    """Return from where to where some values are."""
    return f"{min(values):.2g} to {max(values):.2g}" if values else ""


def confusion_table(cases: Sequence[Case]) -> str:
    """Return how often which truth was called what, as Markdown, with the share that agrees."""
    header, *rows = confusion(cases)
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    known = [case for case in cases if case.truth]
    unknown = Counter(case.diagnosis for case in cases if not case.truth)
    text = f"{agreement(cases):.1%} of {len(known)} agree"
    if unknown:
        named = ", ".join(f"{n} {name}" for name, n in unknown.most_common())
        text += f"; of {unknown.total()} the truth is not known by the rule (diagnosed: {named})"
    return "\n".join([*lines, "", f"{text}."]) + "\n"


BLOCKS: dict[str, tuple[str, Callable[[Sequence[Case]], str]]] = {
    "recipes": ("recipes.json", recipes_table),
    "scenarios": ("judged.json", scenarios_table),
    "confusion": ("judged.json", confusion_table),
    "full scenarios": ("judged-full.json", full_table),
    "full confusion": ("judged-full.json", confusion_table),
}


def with_tables(text: str, folder: Path) -> str:
    """Return a page with its tables as the stored trainings in a folder have them.

    Raises:
        ValueError: the page lacks a place for a table.
    """
    for name, (file, render) in BLOCKS.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        start = text.index(begin) + len(begin)
        table = render(read_cases(folder / file))
        text = f"{text[:start]}\n{table}\n{text[text.index(end, start) :]}"
    return text


if __name__ == "__main__":
    page = Path("docs/gan.md")
    page.write_text(
        with_tables(page.read_text(encoding="utf-8"), Path("docs/gan")), encoding="utf-8"
    )
