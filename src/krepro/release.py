"""Keras releases as a tree: release lines, and the patch releases on each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

NEWEST = "newest"
FIRST_OF_LINE = "first-of-line"
NEWEST_OF_LINE = "newest-of-line"
NAMES = (NEWEST, FIRST_OF_LINE, NEWEST_OF_LINE)
# Between what a checkout says it is and the mark of its content: 3.16.0+local.ab12cd34ef56.
LOCAL = "local."


class UnknownRelease(ValueError):
    """A selector that selects no known release."""


def line_of(release: Version) -> str:
    """Return the release line ``x.y`` of a release."""
    return f"{release.major}.{release.minor}"


def of_checkout(version: Version, digest: str) -> Version:
    """Return the name that a checkout goes by: its version, and a mark of its content."""
    return Version(f"{version.public}+{LOCAL}{digest}")


def is_checkout(release: Version) -> bool:
    """Whether a name is that of a checkout, not of anything on the package index."""
    return (release.local or "").startswith(LOCAL)


def package_of(release: Version) -> str:
    """Return the package that holds a release: upstream's nightly builds have one of their own."""
    nightly = release.is_devrelease and not is_checkout(release)
    return "keras-nightly" if nightly else "keras"


def unlisted(selector: str) -> Version | None:
    """Return the version that a selector names if no matrix lists such: a pre-release, a checkout."""
    try:
        version = Version(selector)
    except InvalidVersion:
        return None
    return version if version.is_prerelease or is_checkout(version) else None


def at_or_below(version: Version, releases: Iterable[Version]) -> Version | None:
    """Return the newest release that is not above a version, or None where all are."""
    return max((release for release in releases if release <= version), default=None)


def lines(releases: Iterable[Version]) -> dict[str, list[Version]]:
    """Return releases by release line, both in order of version."""
    table: dict[str, list[Version]] = {}
    for release in sorted(releases):
        table.setdefault(line_of(release), []).append(release)
    return table


def select(selector: str, releases: Sequence[Version]) -> list[Version]:
    """Return the releases that a selector means, in order of version.

    Args:
        selector: a version, a PEP 440 specifier, ``A..B`` (both included), ``newest``,
            ``first-of-line`` or ``newest-of-line``.
        releases: the known releases.

    Raises:
        UnknownRelease: nothing known is meant.
    """
    known = sorted(releases)
    selector = selector.strip()
    if selector == NEWEST:
        return known[-1:]
    if selector == FIRST_OF_LINE:
        return [line[0] for line in lines(known).values()]
    if selector == NEWEST_OF_LINE:
        return [line[-1] for line in lines(known).values()]
    if ".." in selector:
        first, _, last = selector.partition("..")
        ends = [*select(first, known)[:1], *select(last, known)[-1:]]
        found = [release for release in known if ends[0] <= release <= ends[1]]
    else:
        found = _by_specifier(selector, known)
    if not found:
        raise UnknownRelease(
            f"{selector!r} is no known Keras release: 'krepro releases' lists them"
        )
    return found


def _by_specifier(selector: str, known: Sequence[Version]) -> list[Version]:
    try:
        version = Version(selector)
    except InvalidVersion:
        try:
            specifiers = SpecifierSet(selector or "nothing")
        except InvalidSpecifier:
            raise UnknownRelease(
                f"{selector!r} is neither a version, a PEP 440 specifier, 'A..B', nor one of "
                f"{', '.join(NAMES)}"
            ) from None
        return [release for release in known if specifiers.contains(release)]
    return [release for release in known if release == version]


def select_all(selectors: Iterable[str], releases: Sequence[Version]) -> list[Version]:
    """Return the union of what selectors mean, in order of version.

    Raises:
        UnknownRelease: a selector means nothing known.
    """
    return sorted({r for selector in selectors for r in select(selector, releases)})
