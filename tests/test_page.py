"""The page: what is on it, what it is made of, and how it is written."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from packaging.version import Version

from krepro.matrix import Cell, applicable
from krepro.page import data, site
from krepro.page.data import Grid
from krepro.page.site import NotWritten, Site
from krepro.project import SelectionError
from krepro.report import Report
from krepro.repro import Repro, read_repro
from krepro.result import CellResult, Measurement, Outcome
from krepro.verdict import Verdict
from tests.conftest import Fake, on_small_disk
from tests.fake.subject import header
from tests.test_render import MATRIX

PRIMARY = [stack for stack in MATRIX.stack if stack.primary]
SHOWN = [*PRIMARY, *MATRIX.reference_stacks()]
CSS = (Path(site.__file__).parent / "static" / "page.css").read_text(encoding="utf-8")


def made(folder: Path, name: str = "one", body: str = "", **fields: str) -> Repro:
    path = folder / f"{name}.py"
    path.write_text(header(**fields) + f'"""A story."""\ndef test_it():\n    pass\n{body}')
    return read_repro(path)


def shown(report: Report, **changes: object) -> Site:
    return dataclasses.replace(Site(report, {}, {}, {}), **changes)


def of(repros: list[Repro], found: dict[Cell, dict[str, Measurement]]) -> Report:
    cells = tuple(MATRIX.cells(MATRIX.versions, SHOWN))
    return Report(MATRIX, cells, tuple(repros), found)


def at(release: str, stack: str = "jax-0.4") -> Cell:
    return Cell(stack, release)


def test_every_verdict_has_a_mark_of_its_own() -> None:
    assert len(data.OF_MARKS) == len(Verdict)
    assert all(len(mark) == 1 and mark != data.UNKNOWN for mark in data.OF_MARKS)


def test_facts_are_solid_and_infrastructure_is_hatched() -> None:
    for verdict in Verdict:
        image = re.search(rf"--{data.paint(verdict)}: ([\w-]+)\(", CSS)
        assert image is not None
        assert image[1].startswith("repeating") != verdict.known


def test_a_row_has_a_mark_per_stripe_and_column(tmp_path: Path) -> None:
    repro = made(tmp_path)
    said = {
        at("3.0.0"): Verdict.AFFECTED,
        at("3.0.0", "torch-2.13"): Verdict.TIMEOUT,
        at("3.15.1", "tensorflow-2.16"): Verdict.UNAFFECTED,
        at("2.16.0", "keras-2"): Verdict.NOT_APPLICABLE,
    }
    found = {c: {"one": Measurement(repro.source_hash, v)} for c, v in said.items()}
    grid = Grid(of([repro], found))
    row = grid.row(repro)
    assert len(row) == 41
    assert (row[0], row[1], row[39], row[40]) == ("?Xt", "???", ".??", "-")
    assert [column.release for column in grid.columns[:2]] == ["3.0.0", "3.0.1"]
    paints = data.to_paints([row])
    assert "???" not in paints
    assert paints["?Xt"][1] == "--1:var(--affected);--2:var(--untestable)"


def test_what_is_stored_comes_first_but_takes_no_fact_back(tmp_path: Path) -> None:
    repro = made(tmp_path)
    source = repro.source_hash

    def measured(verdict: Verdict, source: str = source, when: str = "now") -> Measurement:
        return Measurement(source, verdict, measured=when)

    stored = of(
        [repro],
        {
            at("3.0.0"): {"one": measured(Verdict.AFFECTED)},
            at("3.0.1"): {"one": measured(Verdict.NETWORK)},
            at("3.0.2"): {"one": measured(Verdict.NETWORK)},
        },
    )
    kept = {
        at("3.0.0"): {"one": measured(Verdict.UNAFFECTED, when="")},
        at("3.0.1"): {"one": measured(Verdict.UNAFFECTED, when="")},
        at("3.0.3"): {"one": measured(Verdict.UNAFFECTED, when="")},
        at("3.0.4"): {"one": measured(Verdict.UNAFFECTED, "other", "")},
    }
    report = data.merged(stored, kept)
    verdicts = [report.verdict(at(f"3.0.{n}"), repro) for n in range(5)]
    assert verdicts == [
        Verdict.AFFECTED,
        Verdict.UNAFFECTED,
        Verdict.NETWORK,
        Verdict.UNAFFECTED,
        None,
    ]


def test_evidence_has_all_that_is_stored_once_and_no_path(tmp_path: Path) -> None:
    repro = made(tmp_path, affected="'>=3.0.1'")
    found = Measurement(
        repro.source_hash,
        Verdict.AFFECTED,
        "AssertionError: off",
        1.23456,
        2,
        "2026-01-02T03:04:05Z",
        "0.1.0",
        "fork",
        {"test_it": Outcome(Verdict.AFFECTED, "AssertionError: off")},
        {"workaround_it": Outcome(Verdict.UNAFFECTED)},
        "in /home/somebody/keras/x.py",
    )
    report = of([repro], {at("3.0.0"): {"one": found}, at("3.0.1"): {"one": found}})
    told = data.to_evidence(report, repro, {"/home/somebody": "$HOME"})
    assert told["at"] == {"jax-0.4": {"3.0.0": 0, "3.0.1": 1}}
    texts = told["texts"]
    assert "/home/somebody" not in json.dumps(told)
    (
        mark,
        message,
        seconds,
        runs,
        when,
        krepro,
        isolation,
        tests,
        works,
        output,
        declared,
    ) = told["entries"][0]
    assert (mark, texts[message], seconds, runs) == ("X", "AssertionError: off", 1.235, 2)
    assert (when, krepro, isolation) == ("2026-01-02T03:04:05Z", "0.1.0", "fork")
    assert tests == (("test_it", "X", message),)
    assert [(n, m, texts[t]) for n, m, t in works] == [("workaround_it", ".", "")]
    assert texts[output] == "in $HOME/keras/x.py"
    assert declared == "unaffected"
    assert told["entries"][1][-1] == ""


def test_environments_leave_out_where_keras_lay() -> None:
    identity = {"keras": "3.0.0", "keras_file": "/home/somebody/keras/__init__.py"}
    known = CellResult("3.0.0", "jax-0.4", "jax", "abc", platform="P", identity=identity)
    report = Report(MATRIX, (at("3.0.0"),), (), {}, {at("3.0.0"): known})
    assert data.to_environments(report, {})["measured"] == {
        "jax-0.4": {"3.0.0": {"keras": "3.0.0", "lock": "abc", "platform": "P"}}
    }


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("`fit()` <b>", "<code>fit()</code> &lt;b&gt;"),
        ("see `other`", 'see <a href="other.html"><code>other</code></a>'),
        ("`<i>`", "<code>&lt;i&gt;</code>"),
        ("of *the model* 2*3*4", "of <em>the model</em> 2*3*4"),
        (
            "came with #20197",
            'came with <a href="https://github.com/keras-team/keras/issues/20197">#20197</a>',
        ),
        ("it's", "it&#39;s"),
    ],
)
def test_prose_becomes_html(text: str, html: str) -> None:
    assert data.to_html(text, {"other"}) == html


def synthetic(folder: Path) -> Report:
    """A hundred repros with every verdict everywhere, at random: what packs worst."""
    draw = random.Random(0)
    repros = [
        made(folder, f"a_repro_with_a_name_of_some_length_{n:03}", area=f"'area {n % 11}'")
        for n in range(100)
    ]
    cells = MATRIX.cells(MATRIX.versions, SHOWN)
    verdicts = list(Verdict)
    found = {
        cell: {r.id: Measurement(r.source_hash, draw.choice(verdicts)) for r in repros}
        for cell in cells
    }
    return Report(MATRIX, tuple(cells), tuple(repros), found)


def test_a_hundred_repros_take_less_than_a_megabyte(tmp_path: Path) -> None:
    report = synthetic(tmp_path)
    assert len(report.cells) == 3 * 40 + 1
    folder = tmp_path / "page"
    site.write(shown(report), folder)
    sizes = {p: p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    loaded = sum(size for path, size in sizes.items() if path.parent == folder)
    assert loaded < 1_000_000
    assert max(s for p, s in sizes.items() if p.parent.name == "evidence") < 50_000


# What people without one kind of cones see, as linear RGB: Viénot, Brettel and Mollon (1999) for
# red and green, Machado, Oliveira and Fernandes (2009) for blue.
EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.1124, 0.8876, 0), (0.1124, 0.8876, 0), (0.004, -0.004, 1)),
    "deutan": ((0.2928, 0.7072, 0), (0.2928, 0.7072, 0), (-0.0223, 0.0223, 1)),
    "tritan": (
        (1.2555, -0.0767, -0.1788),
        (-0.0784, 0.9308, 0.1476),
        (0.0047, 0.6914, 0.3039),
    ),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(one: str, other: str) -> float:
    lights = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(x), strict=True))
        for x in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def lab(colour: str, eye: str) -> list[float]:
    red, green, blue = linear(colour)
    seen = [max(0.0, r * red + g * green + b * blue) for r, g, b in EYES[eye]]
    to_xyz = (
        (0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505),
        (0.2126, 0.7152, 0.0722),
        (0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089),
    )
    x, y, z = (
        cubed ** (1 / 3) if cubed > 0.008856 else 7.787 * cubed + 16 / 116
        for row in to_xyz
        for cubed in [sum(w * c for w, c in zip(row, seen, strict=True))]
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def colours(scheme: int) -> dict[str, str]:
    """The colours of the style sheet: those of its light scheme (0) or its dark one (1)."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", CSS)
    three = {name: pair for name, *pair in found}
    return {
        name: each
        if len(each := pair[scheme]) == 7
        else "#" + "".join(c * 2 for c in each[1:])
        for name, pair in three.items()
    }


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_and_are_told_apart_by_the_colour_blind(scheme: int) -> None:
    palette = colours(scheme)
    verdicts = {n: c for n, c in palette.items() if n.startswith("c-")}
    assert len(verdicts) == 6
    for name, colour in verdicts.items():
        assert contrast(colour, palette["paper"]) >= 3, name
    for name in ("ink", "quiet", "accent"):
        for paper in ("paper", "raised", "hover"):
            assert contrast(palette[name], palette[paper]) >= 4.5, (name, paper)
    for eye in EYES:
        bad, good = (lab(palette[f"c-{name}"], eye) for name in ("affected", "unaffected"))
        assert math.dist(bad, good) >= 30, eye


def small(folder: Path) -> Site:
    repro = made(folder)
    return shown(of([repro], {}))


def failing(files: Iterator[tuple[str, str]], after: int) -> Iterator[tuple[str, str]]:
    yield from itertools.islice(files, after)
    raise OSError(28, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_page_replaces_a_page_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "at" / "page"
    folder.parent.mkdir()
    first = small(tmp_path)
    site.write(first, folder)
    assert (folder / "repro" / "one.html").exists()
    other = shown(of([made(tmp_path, "two")], {}))
    site.write(other, folder)
    assert names(folder / "repro") == ["two.html"]
    assert names(folder.parent) == ["page"]


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "at" / "page"
    folder.parent.mkdir()
    made_site = small(tmp_path)
    site.write(made_site, folder)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files = made_site.files
    monkeypatch.setattr(Site, "files", lambda _: failing(files(), after))
    with pytest.raises(NotWritten, match="No space left on device"):
        site.write(made_site, folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert names(folder.parent) == ["page"]


def test_a_page_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "at" / "page"
    folder.parent.mkdir()
    made_site = small(tmp_path)
    site.write(made_site, folder)
    rename = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(NotWritten, match="busy"):
        site.write(made_site, folder)
    assert (folder / "index.html").exists()
    assert names(folder.parent) == ["page"]


def test_what_is_not_a_page_is_not_replaced(tmp_path: Path) -> None:
    made_site = small(tmp_path)
    for name, content in (("thesis.txt", "all of it"), ("index.html", "<p>mine</p>")):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / name).write_text(content)
        with pytest.raises(SelectionError, match=f"holds {name}, which is not of the page"):
            site.write(made_site, folder)
        assert (folder / name).read_text() == content
    (tmp_path / "empty").mkdir()
    site.write(made_site, tmp_path / "empty")
    (tmp_path / "empty" / "CNAME").write_text("krepro.example")
    with pytest.raises(SelectionError, match="holds CNAME"):
        site.write(made_site, tmp_path / "empty")
    with pytest.raises(SelectionError, match="is not a folder"):
        site.write(made_site, tmp_path / "one.py")
    with pytest.raises(SelectionError, match="make it first"):
        site.write(made_site, tmp_path / "no" / "such" / "page")


def test_the_command_shows_what_is_stored(four: Fake) -> None:
    assert four.run("matrix", "adds_wrongly", "-s", "fake").returncode == 0
    done = four.run("page", "adds_wrongly", "-s", "fake")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wrote page/index.html: 1 repros, 4 cells, 4 verdicts, ")
    folder = four.project.folder / "page"
    row = re.search(
        r'<tr data-id="adds_wrongly".*?</th>(.*)', (folder / "index.html").read_text()
    )
    assert row is not None
    assert re.findall(r">([^<>]+)", row[1]) == [".", "X", ".", "."]
    files = [path for path in folder.rglob("*") if path.is_file()]
    everything = "".join(path.read_text() for path in files)
    for path in (four.home.path, four.project.folder):
        assert str(path) not in everything
    assert "promised" in (folder / "evidence" / "adds_wrongly.js").read_text()


def test_what_is_not_known_is_said(four: Fake) -> None:
    done = four.run("page", "adds_wrongly", "-s", "fake")
    assert done.returncode == 3
    assert done.stderr == (
        "krepro: 4 verdicts are not known, and empty on the page: krepro matrix --tier all "
        "adds_wrongly\n"
    )
    assert (four.project.folder / "page" / "index.html").exists()


@pytest.mark.parametrize("command", ["page", "show"])
def test_results_of_another_schema_are_told(four: Fake, command: str) -> None:
    four.run("matrix", "adds_wrongly", "-s", "fake", "-r", "9.0.0")
    stored = next((four.home.results / "v1").rglob("9.0.0.json"))
    table = msgspec.json.decode(stored.read_bytes())
    stored.write_bytes(msgspec.json.encode({**table, "schema": 2}))
    other = four.home.results / "v7" / "fake" / "lock" / "9.0.0.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    results = four.project.folder / "results"
    results.mkdir()
    (results / "fake.json").write_text('{"schema": 3, "verdicts": {}}')
    done = four.run(command, "adds_wrongly", "-s", "fake", "-r", "9.0.0")
    assert done.returncode == 3
    for number, where in ((7, "v7"), (2, "9.0.0.json"), (3, "fake.json")):
        (line,) = (x for x in done.stderr.splitlines() if f"schema {number}" in x)
        assert f"{where}: not read: its results have schema {number}" in line
        assert "this krepro reads 1: use the krepro that wrote them, or " in line


def test_published_verdicts_of_another_schema_are_not_shown(four: Fake) -> None:
    (repro,) = four.project.repros(["adds_wrongly"])
    table = {
        "stack": "fake",
        "lock": "",
        "platform": "P",
        "backend_version": "99.0",
        "python": "3.11",
        "sources": {repro.id: repro.source_hash},
        "verdicts": {"9.0.0": {repro.id: "affected"}},
        "workarounds": {},
    }
    results = four.project.folder / "results"
    results.mkdir()
    for schema, verdicts in ((1, 1), (2, 0)):
        (results / "fake.json").write_text(json.dumps({**table, "schema": schema}))
        done = four.run("page", "adds_wrongly", "-s", "fake", "-r", "9.0.0")
        assert f" {verdicts} verdicts," in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "adds"],
        ["explain", "adds_wrongly"],
        ["upgrade", "--from", "9.0.0", "--to", "9.1.0@torch"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_told_of_published_verdicts_needs_them(
    four: Fake, arguments: list[str]
) -> None:
    results = four.project.folder / "results"
    results.mkdir()
    (results / "fake.json").write_text('{"schema": 3, "verdicts": {}}')
    done = four.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "fake.json: its results have schema 3, this krepro reads 1: " in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["page", "-o", "no/such/page"], "no/such is no folder: make it first"),
        (["page", "-o", "repros"], "which is not of the page and would be lost"),
        (["page", "-o", "matrix.toml"], "is not a folder: name another with --output"),
        (["page", "-k", "nothing_like_it"], "no repro is meant"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    fake: Fake, arguments: list[str], message: str
) -> None:
    done = fake.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("size", "code", "message"),
    [
        ("16k", 3, "the page could not be written (No space left on device)"),
        ("1m,ro", 2, "its folder cannot be written to"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_page(
    four: Fake, tmp_path: Path, size: str, code: int, message: str
) -> None:
    disk = tmp_path / "disk"
    command = " ".join(
        four.command("page", "adds_wrongly", "-s", "fake", "-o", f"{disk}/page")
    )
    done = on_small_disk(
        disk,
        size,
        f"{{ {command}; code=$?; ls -A {disk}; exit $code; }}",
        cwd=four.project.folder,
        env=four.variables(),
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr.splitlines()[-1]


def test_all_releases_are_shown_by_default(fake: Fake) -> None:
    done = fake.run("page", "adds_wrongly", "-s", "fake")
    assert " 8 cells, " in done.stdout


def test_a_stack_says_nothing_of_what_has_no_meaning_there(tmp_path: Path) -> None:
    repro = made(tmp_path)
    assert not applicable(repro, MATRIX.find_stack("keras-2"))
    html = shown(of([repro], {})).page(repro)
    assert "Keras 2 (" not in html
    assert str(MATRIX.versions[0]) == str(Version("3.0.0"))
