"""The package index: which releases of Keras are on it."""

from __future__ import annotations

import datetime as dt
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
from krepro.matrix import Matrix, Release
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
    listed = set(known)
    for release in offered(files):
        if release.parsed not in listed:
            # An index that answers in HTML (PEP 503) does not tell the day.
            day = f"uploaded = {release.uploaded}\n" if release.uploaded else ""
            yield (
                f'[[release]]\nversion = "{release.version}"\n{day}python = "{release.python}"\n'
            )


def pre_releases(matrix: Matrix) -> list[Release]:
    """Return the pre-releases on the index that are newer than every known release.

    Of upstream's nightly builds, which come every day, only the newest is among them.

    Raises:
        InstallError: the index cannot be reached.
    """
    newest = max(matrix.versions)
    found = offered(files_on_index("keras"), pre=True)
    nightly = offered(files_on_index("keras-nightly"), pre=True)
    return [r for r in (*found, *nightly[-1:]) if r.parsed > newest]


def offered(files: Iterable[dict[str, Any]], *, pre: bool = False) -> list[Release]:
    """Return the Keras 3 releases that are neither yanked nor without a wheel, by version.

    Args:
        files: what the index lists.
        pre: the pre-releases instead of the final releases.
    """
    found: dict[Version, dict[str, Any]] = {}
    for file in files:
        parts = str(file.get("filename", "")).split("-")
        if not file.get("filename", "").endswith(".whl") or file.get("yanked"):
            continue
        try:
            version = Version(parts[1])
        except (InvalidVersion, IndexError):
            continue
        if version.major >= 3 and version.is_prerelease is pre:
            found.setdefault(version, file)
    releases = []
    for version in sorted(found):
        day = str(found[version].get("upload-time", ""))[:10]
        python = str(found[version].get("requires-python") or "")
        uploaded = dt.date.fromisoformat(day) if day else None
        releases.append(Release(str(version), python, uploaded))
    return releases
