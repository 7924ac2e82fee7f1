"""The pytest plugin: collects repros, judges their tests, holds them to their metadata.

``pytest repros/`` in any environment that has Keras gives the verdicts that the engine gives:
the engine runs the repros through this plugin too.
"""

from __future__ import annotations

import functools
import json
import unittest
from collections.abc import Collection, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from krepro.cell.failure import describe
from krepro.cell.identity import identity
from krepro.cell.judge import judge, one_line, text_of
from krepro.repro import Repro, ReproError, is_repro, read_repro
from krepro.verdict import Verdict, combine

FUNCTIONS = ("test_", "workaround_")


@dataclass
class Finding:
    """What one function of a repro said."""

    verdict: Verdict
    message: str = ""
    seconds: float = 0.0
    failure: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain data; results store all of it but the failure."""
        failed = {"failure": self.failure} if self.failure else {}
        return {
            "verdict": self.verdict.value,
            "message": self.message,
            "seconds": round(self.seconds, 4),
            **failed,
        }


@dataclass
class Record:
    """What a repro said, function by function."""

    tests: dict[str, Finding] = field(default_factory=dict)
    workarounds: dict[str, Finding] = field(default_factory=dict)
    whole: Finding | None = None

    def add(self, name: str, finding: Finding) -> None:
        """Put a finding where the function's name says."""
        kind = self.workarounds if name.startswith("workaround_") else self.tests
        kind[name] = finding

    def found(self, name: str) -> Finding | None:
        """Return what a function said, if it did."""
        return self.tests.get(name) or self.workarounds.get(name)

    def verdict(self) -> Finding:
        """Return the verdict of the whole repro, with the message that decided it."""
        if self.whole is not None:
            return self.whole
        verdict = combine(finding.verdict for finding in self.tests.values())
        decisive = [f for f in self.tests.values() if f.verdict is verdict]
        message = decisive[0].message if decisive else "no test of it ran to its end"
        return Finding(verdict, message, sum(f.seconds for f in self.tests.values()))

    def as_json(self) -> dict[str, Any]:
        """Return the record in the form that results store."""
        whole = self.verdict().as_json()
        whole.pop("failure", None)
        return {
            **whole,
            "tests": {name: f.as_json() for name, f in self.tests.items()},
            "workarounds": {name: f.as_json() for name, f in self.workarounds.items()},
        }


class Untestable(pytest.Collector.CollectError):
    """Keras does not import here, so nothing can be said about it."""


class ReproModule(pytest.Module):
    """A repro file, collected."""

    repro: Repro

    def funcnamefilter(self, name: str) -> bool:
        """Collect tests and workarounds."""
        return name.startswith(FUNCTIONS)

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Read the metadata, import the file, and collect its functions.

        Raises:
            Untestable: Keras does not import.
            CollectError: the file is not a repro that parses.
        """
        try:
            self.repro = read_repro(self.path)
        except ReproError as error:
            raise self.CollectError(str(error)) from None
        failure = keras_failure()
        if failure:
            raise Untestable(f"{Verdict.IMPORT.value}: import keras: {failure}")
        for item in super().collect():
            for mark in (self.repro.kind, self.repro.area):
                self.config.addinivalue_line("markers", f"{mark}: kind or area of repros")
                item.add_marker(mark)
            yield item


@functools.cache
def keras_failure() -> str:
    """Return why Keras does not import in this process, or an empty string."""
    try:
        identity()
    except Exception as error:
        return one_line(f"{type(error).__name__}: {error}")
    return ""


class Recorder:
    """Judges every test of every repro and remembers what each said."""

    def __init__(self, functions: Collection[str] = ()) -> None:
        """Start with nothing recorded; where functions are named, only they are asked."""
        self.functions = functions
        self.records: dict[Path, Record] = {}
        self.repros: dict[Path, Repro] = {}

    def complete(self, path: Path) -> Record:
        """Return the record of a repro file, what never ran put down as an error.

        ``pytest.exit``, an interrupt or a failing hook end a session before all was asked.
        """
        record = self.record_of(path)
        repro = self.repros.get(path)
        if repro and record.whole is None:
            ran = {name.partition("[")[0] for name in (*record.tests, *record.workarounds)}
            for name in (*repro.tests, *repro.workarounds):
                asked = name in self.functions or not self.functions
                if asked and name not in ran:
                    record.add(name, Finding(Verdict.ERROR, "it did not run to its end"))
        return record

    def record_of(self, path: Path) -> Record:
        """Return the record of a repro file."""
        return self.records.setdefault(path, Record())

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember the repro of a function, whether or not it comes to run."""
        module = item.getparent(ReproModule)
        if module is not None:
            self.repros[module.path] = module.repro

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judge how a test ended."""
        error = call.excinfo.value if call.excinfo else None
        report = yield
        module = item.getparent(ReproModule)
        if module is None or (report.when != "call" and error is None):
            return report
        verdict = judge(
            error,
            path=module.path,
            symptoms=module.repro.symptoms,
            skipped=isinstance(error, pytest.skip.Exception),
        )
        message = one_line(f"{type(error).__name__}: {text_of(error)}") if error else ""
        failed = describe(error, [module.path]) if error else None
        finding = Finding(verdict, message, call.duration, failed)
        record = self.record_of(module.path)
        known = record.found(item.name)
        if known is None or combine([known.verdict, verdict]) is verdict:
            record.add(item.name, finding)
        report.user_properties.append(("verdict", verdict.value))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Judge a repro file that could not be collected."""
        report = yield
        if isinstance(collector, ReproModule) and report.outcome != "passed":
            call = getattr(report, "call", None)
            error = call.excinfo.value if call and call.excinfo else None
            verdict = Verdict.ERROR
            if isinstance(error, Untestable):
                verdict = Verdict.IMPORT
            elif isinstance(error, (unittest.SkipTest, pytest.skip.Exception)):
                verdict = Verdict.NOT_APPLICABLE
            message = one_line(f"{type(error).__name__}: {error}")
            self.record_of(collector.path).whole = Finding(verdict, message)
        return report


class Expectations(Recorder):
    """Holds what repros say to what their metadata declares, for a plain pytest run.

    An affected release inside the declared range is an expected failure; a verdict that
    differs from the declared one fails the run.
    """

    def __init__(self, output: Path | None) -> None:
        """Write the records to ``output`` at the end, where it is given."""
        super().__init__()
        self._output = output

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn a declared failure into an expected one."""
        report = yield from super().pytest_runtest_makereport(item, call)
        verdict = dict(report.user_properties).get("verdict")
        module = item.getparent(ReproModule)
        if module is None or not report.failed or verdict != Verdict.AFFECTED.value:
            return report
        if declared_to_fail_here(module.repro, item.name):
            report.outcome = "skipped"
            report.wasxfail = "affected, as its metadata declares"
        return report

    def findings(self) -> list[str]:
        """Return a line for each repro whose verdict is not the declared one."""
        lines = []
        for path, record in self.records.items():
            repro = self.repros.get(path)
            found = record.verdict()
            expected = expected_here(repro) if repro else Verdict.UNAFFECTED
            if found.verdict is not expected:
                lines.append(
                    f"{path.stem}: {found.verdict.value}, declared {expected.value}"
                    + (f" ({found.message})" if found.message else "")
                )
        return lines

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the records; a verdict that is not the declared one fails the run."""
        if self._output is not None:
            content = {
                "identity": identity() if not keras_failure() else {},
                "repros": {path.stem: r.as_json() for path, r in self.records.items()},
            }
            self._output.write_text(json.dumps(content, indent=1), encoding="utf-8")
        if session.exitstatus == pytest.ExitCode.OK and self.findings():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the verdict of each repro, and what differs from its metadata."""
        if not self.records:
            return
        if not keras_failure():
            here = identity()
            terminalreporter.section(
                f"keras {here['keras']} on {here['backend']} {here['backend_version']}"
            )
        for path, record in self.records.items():
            finding = record.verdict()
            terminalreporter.write_line(f"{finding.verdict.value:<16} {path.stem}")
        for line in self.findings():
            terminalreporter.write_line(f"differs: {line}", red=True)


def expected_here(repro: Repro) -> Verdict:
    """Return the declared verdict of a repro in this process."""
    here = identity()
    return repro.expected(Version(here["keras"]), here["backend"])


def declared_to_fail_here(repro: Repro, function: str) -> bool:
    """Whether a test or a workaround is declared to show the symptom in this process."""
    here = identity()
    release, backend = Version(here["keras"]), here["backend"]
    if not function.startswith("workaround_"):
        return repro.expected(release, backend) is Verdict.AFFECTED
    return repro.workaround_as_declared(function, release, backend, Verdict.AFFECTED)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--krepro-json``."""
    parser.getgroup("krepro").addoption(
        "--krepro-json", type=Path, help="write what each repro said to this file"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hold repros to their metadata, unless the engine records them itself."""
    if not any(isinstance(p, Recorder) for p in config.pluginmanager.get_plugins()):
        output = config.getoption("--krepro-json")
        config.pluginmanager.register(Expectations(output), "krepro-expectations")


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Collect repro files that pytest's own patterns leave out."""
    if file_path.suffix != ".py" or parent.session.isinitpath(file_path):
        return None
    patterns = parent.config.getini("python_files")
    if any(file_path.match(pattern) for pattern in patterns):
        return None
    return pytest_pycollect_makemodule(file_path, parent)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Collect a repro as a repro, whoever asked for the file."""
    if not is_repro(module_path):
        return None
    module: ReproModule = ReproModule.from_parent(parent, path=module_path)
    return module
