"""The package index: which releases of Keras are on it."""

from __future__ import annotations

import html
import json
import re
import tempfile
import urllib.request
from collections.abc import Iterable
from typing import Any

from packaging.version import InvalidVersion, Version

from krepro import installer
from krepro.home import Home
from krepro.installer import InstallError
from krepro.matrix import Matrix
from krepro.release import lines
from krepro.verdict import Verdict

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
TIMEOUT_S = 30
REQUIRES = re.compile('data-requires-python="([^"]*)"')


def by_line(matrix: Matrix) -> dict[str, list[str]]:
    """Return the versions of a matrix by release line, as text."""
    return {line: [str(v) for v in found] for line, found in lines(matrix.versions).items()}


def index_url() -> str:
    """Return the address of the package index that uv uses.

    Raises:
        InstallError: uv does not say.
    """
    with tempfile.NamedTemporaryFile(suffix=".in") as nothing:
        said = installer.run_uv(
            Home.find(), "pip", "compile", nothing.name, "--emit-index-url", "--no-header"
        )
    found = re.search(r"(?m)^--index-url (\S+)", said)
    if not found:
        raise InstallError(Verdict.NETWORK, "uv does not say which package index it uses")
    return found[1].rstrip("/")


def files_on_index(project: str) -> list[dict[str, Any]]:
    """Return the files of a project on the index (PEP 691).

    Raises:
        InstallError: the index cannot be reached, or answers something else.
    """
    url = f"{index_url()}/{project}/"
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            content: str = answer.read().decode()
    except (OSError, ValueError) as error:
        raise InstallError(
            Verdict.NETWORK, f"the package index cannot be reached: {error}"
        ) from None
    files = parse(content)
    if not files:
        raise InstallError(Verdict.NETWORK, f"the package index lists no file of {project}")
    return files


def parse(content: str) -> list[dict[str, Any]]:
    """Return the files that an index lists, in JSON (PEP 691) or in HTML (PEP 503)."""
    try:
        listed: list[dict[str, Any]] = json.loads(content)["files"]
    except (ValueError, KeyError, TypeError):
        return [
            {
                "filename": name.strip(),
                "requires-python": html.unescape("".join(REQUIRES.findall(attributes))),
                "yanked": "data-yanked" in attributes,
            }
            for attributes, name in re.findall(r"<a\s([^>]*)>([^<]*)</a>", content)
        ]
    return listed


def missing_releases(matrix: Matrix) -> list[str]:
    """Return an entry of ``matrix.toml`` for each release on the index that it lacks.

    Raises:
        InstallError: the index cannot be reached.
    """
    return list(entries(files_on_index("keras"), matrix.versions))


def entries(files: Iterable[dict[str, Any]], known: Iterable[Version]) -> Iterable[str]:
    """Yield a ``[[release]]`` for each final, unyanked Keras 3 release that is not known."""
    found: dict[Version, dict[str, Any]] = {}
    for file in files:
        parts = str(file.get("filename", "")).split("-")
        if not file.get("filename", "").endswith(".whl") or file.get("yanked"):
            continue
        try:
            version = Version(parts[1])
        except (InvalidVersion, IndexError):
            continue
        if version.major >= 3 and not version.is_prerelease:
            found.setdefault(version, file)
    for version in sorted(set(found) - set(known)):
        file = found[version]
        # An index that answers in HTML (PEP 503) does not tell it.
        day = str(file.get("upload-time", ""))[:10]
        yield (
            f'[[release]]\nversion = "{version}"\n'
            + (f"uploaded = {day}\n" if day else "")
            + f'python = "{file.get("requires-python") or ""}"\n'
        )
