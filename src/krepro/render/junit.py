"""A report as JUnit XML: a suite per cell, a case per repro."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from packaging.version import Version

from krepro.matrix import Cell
from krepro.report import Report
from krepro.verdict import Verdict


def render(report: Report) -> str:
    """Return a report as JUnit XML.

    A verdict that is not the declared one is a failure; an untestable or missing one is an
    error, never a success; ``not-applicable`` is skipped.
    """
    root = ET.Element("testsuites", name="krepro")
    wrong: dict[tuple[Cell, str], list[str]] = {}
    for difference in report.differences():
        wrong.setdefault((difference.cell, difference.repro.id), []).append(str(difference))
    missing = {(cell, repro.id) for cell, repro in report.unmeasured()}
    for cell in report.cells:
        backend = report.matrix.find_stack(cell.stack).backend
        suite = ET.SubElement(root, "testsuite", name=str(cell))
        for repro in report.repros:
            found = report.measurement(cell, repro)
            if found is None and (cell, repro.id) not in missing:
                continue
            case = ET.SubElement(
                suite,
                "testcase",
                classname=str(cell),
                name=repro.id,
                file=f"repros/{repro.path.name}",
                time=f"{found.seconds if found else 0:.3f}",
            )
            if found is None:
                ET.SubElement(case, "error", message="not measured", type="unknown")
                continue
            value = found.verdict.value
            if wrong.get((cell, repro.id)):
                message = "\n".join(wrong[cell, repro.id])
                failure = ET.SubElement(
                    case, "failure", message=printable(message), type=value
                )
                failure.text = printable(found.output)
            elif found.verdict.untestable:
                ET.SubElement(case, "error", message=printable(found.message), type=value)
            elif found.verdict is Verdict.NOT_APPLICABLE:
                ET.SubElement(case, "skipped", message=printable(found.message) or value)
            else:
                properties = ET.SubElement(case, "properties")
                expected = repro.expected(Version(cell.release), backend)
                ET.SubElement(properties, "property", name="verdict", value=value)
                ET.SubElement(properties, "property", name="declared", value=expected.value)
        suite.set("tests", str(len(suite)))
        for tag, name in (
            ("failure", "failures"),
            ("error", "errors"),
            ("skipped", "skipped"),
        ):
            suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


# What XML 1.0 allows, "Characters".
NOT_ALLOWED = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def printable(text: str) -> str:
    """Return a text without the characters that XML 1.0 does not allow."""
    return NOT_ALLOWED.sub("", text)
