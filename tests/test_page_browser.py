"""The page in a real browser: filters, comparison, evidence, keyboard, phones, accessibility."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from packaging.version import Version
from playwright.sync_api import Browser, Page, expect

from krepro import published
from krepro.matrix import Cell
from krepro.page import data, site
from krepro.page.pictures import PICTURES, take
from krepro.page.site import Site
from krepro.project import Project
from krepro.report import Report
from krepro.result import CellResult, Measurement, Outcome
from krepro.upgrade.known import Effect, End, consequences
from krepro.verdict import Verdict
from tests.browser import Tabs, browser
from tests.conftest import ROOT

__all__ = ["browser"]
DROPS = "outer_compile_drops_inner_loss_tracker"
HOSTILE = "</script><img src=x onerror=alert(1)>"
# One verdict of each kind that the catalogue does not have, all on one release.
PLANTED = (Verdict.INSTALL, Verdict.FLAKY, Verdict.ERROR)
WHEN = "2026-01-02T03:04:05Z"


def report_to_show() -> tuple[Report, dict[str, published.Published]]:
    """What is published of two areas, with a measured cell and a row of verdicts planted."""
    project = Project(ROOT)
    repros = project.repros(mark="trainer or (losses and crash)")
    whole = published.for_people(project, repros)
    cells = {cell for cell in whole.cells if cell != Cell("jax-0.4", "3.2.0")}
    found = {cell: dict(whole.found[cell]) for cell in cells}
    for stack, verdict in zip(
        ("tensorflow-2.16", "jax-0.4", "torch-2.13"), PLANTED, strict=True
    ):
        cell = Cell(stack, "3.1.0")
        found[cell][DROPS] = Measurement(
            found[cell][DROPS].source,
            verdict,
            HOSTILE,
            0.25,
            3,
            WHEN,
            "0.1.0",
            "process",
            {"test_it": Outcome(verdict, HOSTILE)},
            {},
            f"a line\n{HOSTILE}",
        )
    cell = Cell("jax-0.4", "3.1.0")
    identity = {"keras": "3.1.0", "backend_version": "0.4.30", "numpy": "1.26.4"}
    known = CellResult(cell.release, cell.stack, "jax", "10cf1e", 1, "P", identity)
    report = Report(whole.matrix, whole.cells, whole.repros, found, {cell: known})
    kept = {s.name: published.read(project, s.name) for s in report.stacks}
    return report, {name: each for name, each in kept.items() if each}


@pytest.fixture(scope="module")
def report() -> Report:
    return report_to_show()[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report, kept = report_to_show()
    folder = tmp_path_factory.mktemp("at") / "page"
    site.write(Site(report, kept, published.stored_culprits(Project(ROOT)), {}), folder)
    return folder


@pytest.fixture
def tabs(browser: Browser, folder: Path) -> Iterator[Tabs]:
    opened = Tabs(browser, folder)
    yield opened
    for context in opened.contexts:
        context.close()
    assert opened.wrong == []


def listed(tab: Page) -> list[str]:
    """The ids of the repros that are shown."""
    found: list[str] = tab.locator("tr[data-id]:visible").evaluate_all(
        "rows => rows.map((row) => row.dataset.id)"
    )
    return found


def cell_of(tab: Page, repro: str, release: str) -> Any:
    number = tab.evaluate(
        "(release) => client.columns.findIndex((c) => c.release === release) + 2", release
    )
    return tab.locator(f"tr[data-id={repro}] > :nth-child({number})")


def address(tab: Page) -> str:
    return tab.url.partition("#")[2]


def test_filters_narrow_the_rows_and_are_kept_in_the_address(
    tabs: Tabs, report: Report
) -> None:
    tab = tabs.open()
    everything = sorted(repro.id for repro in report.repros)
    assert sorted(listed(tab)) == everything
    tab.get_by_label("Area").select_option("trainer")
    tab.get_by_label("Kind").select_option("crash")
    wanted = [r.id for r in report.repros if (r.area, r.kind) == ("trainer", "crash")]
    for number in range(2):
        fits = sum(
            (r.area, r.kind)[number] == ("trainer", "crash")[number] for r in report.repros
        )
        assert 0 < len(wanted) < fits
    assert sorted(listed(tab)) == sorted(wanted)
    expect(tab.locator("#shown")).to_have_text(f"{len(wanted)} of {len(everything)} repros")
    assert address(tab) == "area=trainer&kind=crash"
    again = tabs.open(f"index.html#{address(tab)}")
    assert listed(again) == listed(tab)
    assert again.get_by_label("Kind").input_value() == "crash"
    tab.get_by_role("button", name="Reset").click()
    assert sorted(listed(tab)) == everything
    assert address(tab) == ""


@pytest.mark.parametrize(
    "words",
    ["outer drops _LOSS_TRACKER", "#20474", "object has no attribute 'update_state'"],
)
def test_search_finds_titles_issues_and_symptoms(tabs: Tabs, words: str) -> None:
    tab = tabs.open()
    tab.get_by_label("Search").fill(words)
    assert DROPS in listed(tab)
    assert len(listed(tab)) < 5
    tab.get_by_label("Search").fill("no such words anywhere")
    assert listed(tab) == []
    tab.get_by_role("button", name="Show all").click()
    assert DROPS in listed(tab)


def test_only_affected_depends_on_the_backend(tabs: Tabs, report: Report) -> None:
    tab = tabs.open()
    tab.get_by_label("only affected").check()
    tab.get_by_label("Backend").select_option("JAX")
    jax = report.matrix.primary("jax")
    wanted = [
        repro.id
        for repro in report.repros
        if Verdict.AFFECTED in report.row(repro, jax).values()
    ]
    assert 0 < len(wanted) < len(report.repros)
    assert sorted(listed(tab)) == sorted(wanted)
    painted = cell_of(tab, DROPS, "3.1.0").evaluate(
        "(cell) => getComputedStyle(cell).backgroundImage.match(/gradient\\(/g).length"
    )
    assert painted == 1


def test_lines_fold_to_their_newest_release(tabs: Tabs) -> None:
    tab = tabs.open()
    patches = tab.locator(".patch th:visible")
    assert patches.count() == 41
    tab.get_by_role("button", name="3.0", exact=True).click()
    assert patches.count() == 36
    assert patches.first.inner_text().endswith(".5")
    assert address(tab) == "fold=3.0"
    tab.get_by_role("button", name="Newest of each line").click()
    assert patches.count() == 17
    assert tab.locator(f"tr[data-id={DROPS}] td:visible").count() == 17
    # A column that is compared is not folded away.
    tab.locator("[name=a]").select_option("3.4.0")
    tab.locator("[name=b]").select_option("3.8.0")
    assert patches.count() == 18


@pytest.mark.parametrize(
    ("a", "b"), [("3.5.0", "3.7.0"), ("3.15.1", "3.0.0"), ("3.1.0", "3.2.0")]
)
def test_comparison_says_what_upgrade_says(
    tabs: Tabs, report: Report, a: str, b: str
) -> None:
    tab = tabs.open()
    tab.locator("[name=a]").select_option(a)
    tab.locator("[name=b]").select_option(b)
    ids: dict[Effect, set[str]] = {effect: set() for effect in Effect}
    for backend in ("tensorflow", "jax", "torch"):
        stack = report.matrix.primary(backend)
        known = consequences(report, End(Version(a), stack), End(Version(b), stack))
        row = tab.locator("#changes tbody tr").filter(has_text=data.NAMES[backend])
        counted = [text.split()[-1] for text in row.locator("td").all_inner_texts()]
        assert counted == [
            str(sum(c.effect == effect for c in known))
            for effect in ("gained", "lost", "kept", "unknown")
        ]
        for each in known:
            ids[each.effect].add(each.repro.id)
    assert set(listed(tab)) == ids[Effect.GAINED] | ids[Effect.LOST]
    tab.get_by_role("button", name="kept").click()
    assert set(listed(tab)) == ids[Effect.GAINED] | ids[Effect.LOST] | ids[Effect.KEPT]
    for effect in ("gained", "lost", "kept"):
        tab.get_by_role("button", name=effect).click()
    tab.get_by_role("button", name="not known").click()
    assert set(listed(tab)) == ids[Effect.UNKNOWN]
    assert listed(tabs.open(f"index.html#{address(tab)}")) == listed(tab)
    assert f"a={a}" in address(tab)
    assert f"b={b}" in address(tab)


def test_an_unknown_end_is_not_known_rather_than_gained(tabs: Tabs) -> None:
    tab = tabs.open("index.html#a=3.1.0&b=3.6.0&show=unknown")
    text = tab.locator(f"tr[data-id={DROPS}] .effects").inner_text()
    assert text == "? not known"


def test_evidence_of_a_measured_cell(tabs: Tabs) -> None:
    tab = tabs.open()
    cell_of(tab, DROPS, "3.1.0").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.locator("h2")).to_contain_text("on 3.1.0")
    first, second, third = (dialog.locator("section").nth(n) for n in range(3))
    expect(first.locator("h3")).to_contain_text("untestable:install")
    expect(third.locator("h3")).to_contain_text("error")
    expect(second.locator("h3")).to_contain_text("flaky")
    told = second.inner_text()
    for part in (
        "2026-01-02 03:04:05 UTC",
        "0.25 s, 3 runs, isolation process",
        "0.4.30",
        "10cf1e",
        "unaffected: the verdict differs from the metadata",
        f"krepro run {DROPS} -r 3.1.0 -b jax",
    ):
        assert part in told
    # What a script printed is text, whatever it looks like.
    expect(second.locator("pre.output")).to_have_text(f"a line\n{HOSTILE}")
    assert address(tab) == f"at={DROPS}%403.1.0"
    dialog.get_by_role("button", name="3.1.1").click()
    expect(dialog.locator("h2")).to_contain_text("on 3.1.1")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    assert address(tab) == ""


def test_evidence_of_published_and_of_unknown_verdicts(tabs: Tabs) -> None:
    tab = tabs.open(f"index.html#at={DROPS}@3.2.0")
    first, second, _ = (tab.locator("#evidence-body section").nth(n) for n in range(3))
    expect(first).to_contain_text("published results")
    expect(first).to_contain_text("Platform")
    expect(first).to_contain_text(f"krepro run {DROPS} -r 3.2.0 -b tensorflow")
    expect(second.locator("h3")).to_contain_text("not measured")
    expect(second).to_contain_text(f"krepro matrix {DROPS} -r 3.2.0 -b jax")
    cell_of(tab, DROPS, "2.16.0").evaluate("(cell) => openCell(cell)")
    expect(tab.locator("#evidence-body")).to_contain_text(f"krepro run {DROPS} -s keras-2")


def test_evidence_that_is_not_there_is_said(tabs: Tabs, folder: Path) -> None:
    hidden = folder / "evidence" / f"{DROPS}.js"
    aside = hidden.with_suffix(".aside")
    hidden.rename(aside)
    try:
        tab = tabs.open(f"index.html#at={DROPS}@3.2.0")
        expect(tab.locator("#evidence-body")).to_contain_text("cannot be read")
    finally:
        aside.rename(hidden)
    assert all("ERR_FILE_NOT_FOUND" in each for each in tabs.wrong)
    tabs.wrong.clear()


def test_the_keyboard_alone_is_enough(tabs: Tabs) -> None:
    tab = tabs.open()

    def here() -> list[str]:
        found: list[str] = tab.evaluate(
            "() => { const cell = document.activeElement.closest('td, th');"
            "return [cell.parentNode.dataset.id, columnOf(cell)?.release || 'title'] }"
        )
        return found

    ids = listed(tab)
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.tagName") == "TD":
            break
    assert here() == [ids[0], "3.0.0"]
    for key, place in (
        ("ArrowRight", [ids[0], "3.0.1"]),
        ("ArrowDown", [ids[1], "3.0.1"]),
        ("End", [ids[1], "2.16.0"]),
        ("ArrowRight", [ids[1], "2.16.0"]),
        ("Home", [ids[1], "title"]),
        ("ArrowUp", [ids[0], "title"]),
        ("ArrowUp", [ids[0], "title"]),
        ("ArrowRight", [ids[0], "3.0.0"]),
        ("PageDown", [ids[10], "3.0.0"]),
        ("Control+End", [ids[-1], "2.16.0"]),
        ("Control+Home", [ids[0], "title"]),
        ("ArrowRight", [ids[0], "3.0.0"]),
    ):
        tab.keyboard.press(key)
        assert here() == place, key
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("dialog")).to_be_visible()
    expect(tab.locator("#evidence-body h3").first).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    tab.wait_for_function("location.hash === ''")
    assert here() == [ids[0], "3.0.0"]
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="3.0.1").press("Enter")
    expect(tab.locator("#evidence-title")).to_contain_text("on 3.0.1")
    tab.keyboard.press("Escape")
    # A dialog tells that it was closed some time after it is.
    tab.wait_for_function("location.hash === ''")
    assert here() == [ids[0], "3.0.1"]
    tab.keyboard.press("ArrowLeft")
    # One stop for Tab: the next one is behind the matrix.
    tab.keyboard.press("Tab")
    assert not tab.evaluate("Boolean(document.activeElement.closest('#matrix'))")
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/repro/{ids[0]}.html")


def test_cells_have_names_for_screen_readers(tabs: Tabs) -> None:
    tab = tabs.open()
    name = "3.6.0: TensorFlow affected, JAX affected, PyTorch affected"
    expect(cell_of(tab, DROPS, "3.6.0")).to_have_attribute("aria-label", name)


def test_a_repro_has_a_page_of_its_own(tabs: Tabs, report: Report) -> None:
    tab = tabs.open()
    (repro,) = (each for each in report.repros if each.id == DROPS)
    tab.get_by_role("row", name="drops the inner one's").get_by_role("link").click()
    expect(tab.locator("h1")).to_have_text(repro.title)
    assert tab.locator("#script").text_content() == repro.path.read_text()
    text = tab.locator("main").inner_text()
    for part in (
        repro.symptoms[0],
        "workaround_compile_the_inner_model_last",
        "works wherever it was measured",
        "3.5.0 or 3.8.0",
        f"krepro run {DROPS} -r 3.7.0 -b tensorflow",
        f"krepro report {DROPS}",
        "https://github.com/keras-team/keras/pull/20602",
    ):
        assert part in text
    expect(tab.get_by_text("What brought it in, 3.5.0 → 3.6.0")).to_be_visible()
    assert tab.locator("pre.code .gi").count() > 0
    assert tab.locator("#script .k, #script .kn").count() > 0
    row = tab.locator("tr[data-stack='jax-0.4']")
    assert "3.6.0–3.7.0" in row.locator("th").inner_text()
    row.locator("td").nth(17).click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.locator("h2")).to_contain_text("on 3.6.0")
    expect(dialog.locator("section")).to_have_count(1)
    expect(dialog.locator("h3")).to_contain_text("JAX")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Evidence").click()
    expect(dialog).to_contain_text("keras-2")
    tab.keyboard.press("Escape")
    tab.get_by_role("link", name="The whole matrix").click()
    expect(tab.locator("#shown")).to_contain_text("repros")


@pytest.mark.parametrize(
    "place", ["index.html", "index.html#a=3.5.0&b=3.7.0", f"repro/{DROPS}.html"]
)
def test_a_phone_is_wide_enough(tabs: Tabs, place: str) -> None:
    tab = tabs.open(place, width=375)
    tab.locator("#matrix td:visible").first.click()
    expect(tab.locator("#evidence-body h3").first).to_be_visible()
    sizes = tab.evaluate(
        "[document.documentElement.scrollWidth, document.querySelector('dialog').scrollWidth]"
    )
    assert max(sizes) <= 375


@pytest.mark.parametrize("width", [1280, 1180, 900])
@pytest.mark.parametrize("place", ["index.html", f"repro/{DROPS}.html"])
def test_every_column_can_be_seen(tabs: Tabs, place: str, width: int) -> None:
    tab = tabs.open(place, width=width)
    hidden = tab.evaluate(
        "() => { const box = document.querySelector('.box'); box.scrollLeft = 1e6;"
        "const last = document.querySelector('.patch th:last-child').getBoundingClientRect();"
        "return last.right - box.getBoundingClientRect().right }"
    )
    assert hidden <= 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_theme_follows_the_system_and_the_choice_is_kept(tabs: Tabs) -> None:
    def paper(tab: Page) -> str:
        found: str = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return found

    light, dark = "rgb(255, 255, 255)", "rgb(21, 24, 28)"
    assert paper(tabs.open(color_scheme="light")) == light
    tab = tabs.open(color_scheme="dark")
    assert paper(tab) == dark
    tab.get_by_role("button", name="Light").click()
    assert paper(tab) == light
    tab.reload()
    assert paper(tab) == light
    tab.goto(tab.url.replace("index.html", f"repro/{DROPS}.html"))
    assert paper(tab) == light


def test_without_a_script_the_matrix_is_there(tabs: Tabs) -> None:
    tab = tabs.open(java_script_enabled=False)
    row = tab.locator(f"tr[data-id={DROPS}]")
    expect(row.locator("td").nth(17)).to_have_text("XXX")
    assert tab.locator("#filters").is_hidden()
    box = row.locator("td").nth(17).bounding_box()
    assert box is not None
    assert box["width"] > 10
    row.get_by_role("link").click()
    assert "AttributeError" in tab.locator("main").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "place",
    [
        "index.html#kind=crash&area=trainer",
        "index.html#kind=crash&area=trainer&a=3.1.0&b=3.7.0&show=gained,lost,kept,unknown",
        f"index.html#kind=crash&area=trainer&at={DROPS}@3.1.0",
        f"repro/{DROPS}.html",
    ],
    ids=["index", "comparison", "evidence", "repro"],
)
def test_axe_finds_nothing_serious(tabs: Tabs, place: str, scheme: str) -> None:
    tab = tabs.open(place, color_scheme=scheme)
    if "at=" in place:
        expect(tab.locator("#evidence-body h3").first).to_be_visible()
    found = Axe().run(tab, options={"preload": False}).response["violations"]
    serious = [
        (each["id"], each["help"], [node["html"] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_pictures_are_taken(folder: Path, tmp_path: Path, browser: Browser) -> None:
    take(browser, folder, tmp_path / "pictures")
    for picture in PICTURES:
        path = tmp_path / "pictures" / f"{picture.name}.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 300_000
    with pytest.raises(FileNotFoundError, match="krepro page --output"):
        take(browser, tmp_path, tmp_path / "none")


def test_two_stacks_of_a_backend_are_told_apart(
    browser: Browser, report: Report, tmp_path: Path
) -> None:
    stacks = [report.matrix.find_stack(name) for name in ("jax-0.4", "jax-0.10")]
    cells = tuple(report.matrix.cells(report.matrix.versions, stacks))
    site.write(
        Site(dataclasses.replace(report, cells=cells), {}, {}, {}), tmp_path / "page"
    )
    tabs = Tabs(browser, tmp_path / "page")
    tab = tabs.open()
    options = tab.get_by_label("Backend").locator("option").all_inner_texts()
    assert options == ["all, a stripe each", "JAX (jax-0.4)", "JAX (jax-0.10)"]
    for context in tabs.contexts:
        context.close()
    assert tabs.wrong == []
