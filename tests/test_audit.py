"""The audit on the fake Keras: each thing an entry can lack is found, and only that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from krepro import audit
from krepro.cli.common import build_report
from krepro.matrix import Cell
from krepro.report import Report
from krepro.repro import Repro
from tests.conftest import Fake
from tests.fake.subject import header

CELLS = [Cell("fake", release) for release in ("9.0.0", "9.1.0", "9.2.0", "9.3.0")]
BOTH_SIDES = """
import keras


def test_sum():
    assert keras.add(1, 1) == 2
"""
FIX = """\
Keras 9.1.0, and the sum as promised.

--- a/keras/__init__.py
+++ b/keras/__init__.py
@@ -21,4 +21,4 @@
     # The planted bug: wrong in 9.1.0; on jax, in 9.2.0 too.
     wrong = ("9.1.0", "9.2.0") if BACKEND == "jax" else ("9.1.0",)
-    return a + b + (1 if VERSION in wrong else 0)
+    return a + b

"""


class Audited:
    """A fake project with entries of its own, measured."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        for path in fake.project.repros_folder.glob("*.py"):
            path.unlink()
        self.patches = fake.project.repros_folder / "patches"
        self.patches.mkdir()

    def add(self, name: str, body: str = BOTH_SIDES, **fields: str) -> None:
        fields = {"affected": "'==9.1.0'", "docs": "['https://example.org']", **fields}
        text = header(**fields) + '"""A story."""\n' + body
        (self.fake.project.repros_folder / f"{name}.py").write_text(text)

    def measured(self) -> tuple[Report, list[Repro]]:
        engine = self.fake.engine()
        repros = self.fake.project.repros()
        engine.run(engine.plan(CELLS, repros))
        return build_report(self.fake.engine(), CELLS, repros), repros

    def stored(self) -> list[str]:
        report, repros = self.measured()
        return [str(f) for f in audit.read_stored(report, repros, self.patches)]

    def proved(self, *names: str) -> list[str]:
        report, repros = self.measured()
        auditor = audit.Auditor(self.fake.engine(), report, self.patches)
        chosen = [repro for repro in repros if repro.id in names] if names else repros
        return [str(f) for f in auditor.run(chosen)]


@pytest.fixture
def entries(fake: Fake) -> Audited:
    return Audited(fake)


def test_a_sound_entry_has_nothing_against_it(entries: Audited) -> None:
    entries.add("sound")
    assert entries.stored() == []
    assert entries.proved() == []


def test_one_sided_without_a_patch(entries: Audited) -> None:
    entries.add("always", "def test_it():\n    assert True\n", affected="[]")
    assert entries.stored() == [
        "always: teeth: test_it never changed sides, and no patch is there"
    ]


def test_each_test_needs_teeth_not_only_the_entry(entries: Audited) -> None:
    entries.add("half", BOTH_SIDES + "\n\ndef test_dull():\n    assert True\n")
    assert entries.stored() == [
        "half: teeth: test_dull never changed sides, and no patch is there"
    ]


def test_declared_otherwise_than_measured(entries: Audited) -> None:
    entries.add("wrong", affected="'>=9.2'")
    found = entries.stored()
    assert len(found) == 2
    assert "wrong: declared: affected, declared unaffected, on 9.1.0 of fake" in found[0]


def test_docs_and_what_is_not_measured(entries: Audited) -> None:
    entries.add("undocumented", docs="[]")
    assert entries.stored() == [
        "undocumented: docs: no page is named where the promise is written"
    ]
    repros = entries.fake.project.repros()
    nothing = Report(entries.fake.project.matrix, tuple(CELLS), tuple(repros), {})
    gaps = list(audit.read_stored(nothing, repros, entries.patches))
    assert [f.check for f in gaps if f.open] == ["measured"] * 4


def test_duplicates_are_named_unless_they_know_each_other(entries: Audited) -> None:
    entries.add("one", introduced="7")
    entries.add("two", introduced="7")
    entries.add("other_change", introduced="8")
    assert [line.split(": if")[0] for line in entries.stored()] == [
        "one: duplicate: same cells, same upstream changes as two",
        "two: duplicate: same cells, same upstream changes as one",
    ]
    entries.add("two", introduced="7", related="['one']")
    assert entries.stored() == []


def test_slow(entries: Audited) -> None:
    entries.add("slow", "import time\n\ntime.sleep(1.1)\n" + BOTH_SIDES)
    (line,) = entries.stored()
    assert line.startswith("slow: slow: 1.")


def test_unstable_in_one_process(entries: Audited) -> None:
    """Right the first time, wrong ever after: only runs in one process show it."""
    body = BOTH_SIDES + "    keras.backend.calls = getattr(keras.backend, 'calls', 0) + 1\n"
    body += "    import json\n    json.rounds = getattr(json, 'rounds', 0) + 1\n"
    entries.add("forgetful", body + "    assert json.rounds < 4\n")
    found = entries.proved()
    assert found
    assert all(
        line.startswith("forgetful: stable: 10 runs in one process") for line in found
    )


def test_unstable_in_fresh_processes(entries: Audited, tmp_path: Path) -> None:
    count = tmp_path / "count"
    body = BOTH_SIDES + f"    count = open({str(count)!r}, 'a+'); count.write('x')\n"
    entries.add("wearing", body + "    assert count.tell() != 5\n")
    found = entries.proved()
    assert any(
        "wearing: stable: 5 fresh processes on 9.3.0@fake: flaky" in f for f in found
    )


def test_dependent_on_what_ran_before(entries: Audited) -> None:
    mark = "    import json\n    json.krepro_mark = True\n"
    entries.add("marks", BOTH_SIDES + mark)
    seen = "    import json\n    assert not hasattr(json, 'krepro_mark')\n"
    entries.add("sees", BOTH_SIDES + seen)
    found = entries.proved("sees")
    assert "sees: independent: says something else behind others on 9.3.0@fake" in found


def test_a_patch_must_supply_the_other_side(entries: Audited) -> None:
    entries.add("patched")
    patch = entries.patches / "patched.patch"
    patch.write_text(FIX)
    assert entries.proved() == []
    assert entries.stored() == [
        "patched: teeth: its patch is not needed: Keras has both sides"
    ]


def test_a_patch_that_changes_nothing_is_found(entries: Audited) -> None:
    entries.add("patched")
    idle = FIX.replace("+    return a + b\n", "+    return a + b + (VERSION == '9.1.0')\n")
    (entries.patches / "patched.patch").write_text(idle)
    assert entries.proved() == [
        "patched: patch: on 9.1.0@fake: affected without the patch, affected with it"
    ]


def test_a_patch_that_does_not_fit_leaves_the_question_open(entries: Audited) -> None:
    entries.add("patched")
    (entries.patches / "patched.patch").write_text(FIX.replace("planted", "other"))
    (line,) = entries.proved()
    assert "patched: patch: " in line
    assert "patch does not apply" in line


def test_what_was_proved_is_not_run_again_until_the_entry_changes(entries: Audited) -> None:
    entries.add("sound")
    entries.proved()
    (proof,) = (entries.fake.home.path / "audit").glob("sound-stable.json")
    before = proof.stat().st_mtime_ns
    entries.proved()
    assert proof.stat().st_mtime_ns == before
    entries.add("sound", BOTH_SIDES + "    assert keras.add(0, 0) == keras.add(0, 0)\n")
    entries.proved()
    assert proof.stat().st_mtime_ns != before


def test_changed_entries(entries: Audited) -> None:
    folder = entries.fake.project.folder
    entries.add("old")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    entries.add("new")
    repros = entries.fake.project.repros()
    assert [r.id for r in audit.changed_since(folder, "HEAD", repros)] == ["new"]
    entries.add("old", BOTH_SIDES + "\n\n# changed\n")
    assert [r.id for r in audit.changed_since(folder, "HEAD", repros)] == ["new", "old"]
    with pytest.raises(ValueError, match="nowhere"):
        audit.changed_since(folder, "nowhere", repros)


def test_the_command(entries: Audited) -> None:
    entries.add("sound")
    entries.measured()
    done = entries.fake.run("audit", "--stored")
    assert "not measured on 9.5.0@fake" in done.stdout
    assert done.returncode == 3
    done = entries.fake.run("audit", "--since", "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
