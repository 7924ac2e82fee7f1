"""explain: the story of one entry in a screen."""

from __future__ import annotations

import io
import json

import pytest
from packaging.version import Version
from rich.console import Console

from krepro import published
from krepro.project import Project
from krepro.render import story
from krepro.verdict import Verdict
from tests.conftest import ROOT

PROJECT = Project(ROOT)
REPORT = published.for_people(PROJECT)
CATALOGUE = PROJECT.repros()


def one(name: str):
    (entry,) = PROJECT.repros([name])
    return story.of_one(REPORT, entry), entry


@pytest.mark.parametrize("name", [entry.id for entry in CATALOGUE])
def test_every_entry_has_a_story_that_fits_a_screen(name: str) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(story.render(*one(name)))
    lines = console.export_text().rstrip().splitlines()
    assert len(lines) <= 60
    assert all(len(line.rstrip()) <= 100 for line in lines)


def test_what_it_tells() -> None:
    report, entry = one("dict_losses_applied_alphabetically")
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(story.render(report, entry))
    text = console.export_text()
    assert "XX" not in text.split("Who")[1].split("Why")[0], "3.5 and 3.6 are two lines"
    for wanted in (
        "3.5.0–3.6.0",
        "issues/20596",
        "pull/20015",
        "Pass the losses as a list",
        "use a release without it: 3.4.1 or 3.7.0",
        "krepro run dict_losses_applied_alphabetically -r 3.6.0 -b tensorflow",
    ):
        assert wanted in text, wanted


def test_the_marks_are_the_verdicts() -> None:
    report, entry = one("dict_losses_applied_alphabetically")
    stack = report.matrix.primary("jax")
    row = report.row(entry, stack)
    marks = story.strip(report, entry, stack).plain.replace(" ", "")
    assert len(marks) == len(row) == len(report.releases)
    bad = [r for r, m in zip(sorted(row), marks, strict=True) if m == Verdict.AFFECTED.mark]
    assert bad == [Version("3.5.0"), Version("3.6.0")]


def test_who_keeps_the_promise_is_told_only_where_somebody_breaks_it() -> None:
    report, entry = one("freeze_after_step_raises_on_jax")
    assert story.kept_by(report, entry) == ["tensorflow", "torch"]
    assert story.kept_by(*one("dict_losses_applied_alphabetically")) == []


def test_a_workaround_that_fails_somewhere_says_where() -> None:
    report, entry = one("gan_compile_breaks_discriminator_step")
    said = {name: works for name, _, works in story.workarounds(report, entry)}
    assert said["workaround_set_trainable_last"] == "fails on 3.6.0–3.7.0"
    assert said["workaround_compile_the_combined_model_first"].startswith("works")


def test_as_data() -> None:
    table = json.loads(
        json.dumps(story.to_data(*one("dict_losses_applied_alphabetically")))
    )
    assert table["affected"]["torch-2.13"] == "3.5.0–3.6.0"
    assert table["unaffected_releases"]["torch"] == ["3.4.1", "3.7.0"]
